package kms

import (
	"encoding/json"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

const testAccount = "111122223333"

func TestDefaultPolicyIsDefault(t *testing.T) {
	doc := defaultPolicy(testAccount)
	const want = `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}`
	if doc != want {
		t.Errorf("got %s, want %s", doc, want)
	}
	if !isDefaultPolicy(doc, testAccount) || isDefaultPolicy(doc, "444455556666") {
		t.Error("the default policy is that of its own account alone")
	}
	if isDefaultPolicy(managedKeyPolicy(testAccount, "us-east-1"), testAccount) {
		t.Error("the policy of an AWS managed key passes for the default one")
	}
}

// Whatever document is given: what is accepted is stored in our own words,
// means the default policy, and is accepted as it is.
func FuzzAcceptPolicy(f *testing.F) {
	f.Add(defaultPolicy(testAccount))
	f.Add(managedKeyPolicy(testAccount, "us-east-1"))
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["111122223333"]},"Action":["kms:*"],"Resource":"*","Sid":"<&>"}}`)
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]}`)
	f.Add(`[]`)
	f.Add(`null`)
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":["Allow"],"NotPrincipal":{},"Principal":"*"},{}]}`)
	f.Add(`{`)
	f.Fuzz(func(t *testing.T, doc string) {
		stored, unsupported, err := acceptPolicy(doc, testAccount)
		switch {
		case err != nil:
			if c := awserr.CodeOf(err); c != kmsapi.MalformedPolicyDocumentException && c != kmsapi.LimitExceededException {
				t.Fatalf("error is %v", err)
			}
		case unsupported != nil:
			if json.Valid([]byte(doc)) && isDefaultPolicy(doc, testAccount) {
				t.Fatalf("%s is the default policy and was refused", doc)
			}
		default:
			if len(stored) > maxPolicy {
				t.Fatalf("a policy of %d bytes was stored in %d", len(doc), len(stored))
			}
			if !isDefaultPolicy(stored, testAccount) {
				t.Fatalf("%s was stored as %s, which is not the default policy", doc, stored)
			}
			if again, _, _ := acceptPolicy(stored, testAccount); again != stored {
				t.Fatalf("%s was stored as %s", stored, again)
			}
		}
	})
}

func FuzzKeyID(f *testing.F) {
	for _, s := range []string{"", "mrk-", "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-0123456789abcdef0123456789abcdef", "1234abcd-12ab-34cd-56ef-1234567890a/", "alias/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if !isKeyID(id) {
			return
		}
		for _, c := range id { // above all: no slash, so a row is never another's
			if c != '-' && c != 'm' && c != 'r' && c != 'k' && !isHex(string(c)) {
				t.Fatalf("%q is taken for a key id", id)
			}
		}
	})
}
