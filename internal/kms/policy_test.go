package kms

import (
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/policy"
)

const testAccount = "111122223333"

// anyService has AWS's quotas and nothing else.
var anyService = func() *Service { s := &Service{}; s.quotas.complete(); return s }()

func TestDefaultPolicy(t *testing.T) {
	const want = `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}`
	if got := defaultPolicy(testAccount); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The policies that the server makes are such as it takes.
func TestOwnPoliciesParse(t *testing.T) {
	for name, text := range map[string]string{"default": defaultPolicy(testAccount), "managed": managedKeyPolicy(testAccount, "us-east-1")} {
		doc, err := anyService.parsePolicy(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := storedPolicy(doc, nobody{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever document is given: it is refused with a code of the API, or stored,
// and what is stored is read back as it is, laid out as well.
func FuzzParsePolicy(f *testing.F) {
	f.Add(defaultPolicy(testAccount))
	f.Add(managedKeyPolicy(testAccount, "us-east-1"))
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["111122223333"]},"Action":["kms:*"],"Resource":"*","Sid":"<&>"}}`)
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]}`)
	f.Add(`{"Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/a"},"Action":"kms:*","Condition":{"Bool":{"kms:MultiRegion":false}}}]}`)
	f.Add(`[]`)
	f.Add(`null`)
	f.Add(`{`)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := anyService.parsePolicy(text)
		if err == nil {
			doc, err = storedPolicy(doc, nobody{})
		}
		if err != nil {
			if c := awserr.CodeOf(err); c != kmsapi.MalformedPolicyDocumentException && c != kmsapi.LimitExceededException {
				t.Fatalf("error is %v", err)
			}
			return
		}
		stored := string(doc.Text())
		if len(stored) > anyService.quotas.PolicyBytes {
			t.Fatalf("a policy of %d bytes is stored in %d", len(text), len(stored))
		}
		if again, err := policy.Parse(policy.Key, []byte(stored)); err != nil || string(again.Text()) != stored {
			t.Fatalf("%s is not read back: %v", stored, err)
		}
		if _, err := anyService.parsePolicy(layoutPolicy(doc.Shown(nobody{}))); err != nil && awserr.CodeOf(err) != kmsapi.LimitExceededException {
			t.Fatalf("%s laid out is refused: %v", stored, err)
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
