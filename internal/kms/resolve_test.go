package kms_test

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// undisclosed ends the refusal of what may not be told to be there.
const undisclosed = " on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"

var zeroRef kmsdb.KeyRef

const absentID = "1234abcd-12ab-34cd-56ef-1234567890ab"

func TestResolveTexts(t *testing.T) {
	k := newKit(t)
	service, err := k.NewServiceDataKey(t.Context(), account, region)
	k.check(err)
	if service.KeyARN != "" {
		t.Errorf("S3's own key has an ARN: %s", service.KeyARN)
	}
	const arn = "arn:aws:kms:us-east-1:111122223333:"
	k.createAlias("alias/app", *k.createKey().KeyId)
	for _, c := range []struct{ name, id, text string }{
		{"malformed", "fake-key-id", "Invalid keyId 'fake-key-id'"},
		{"32 digits without dashes", strings.Repeat("a", 32), "Invalid keyId '" + strings.Repeat("a", 32) + "'"},
		{"malformed mrk", "mrk-fake-key-id", "Invalid keyId 'mrk-fake-key-id'"},
		{"absent", absentID, "Key '" + arn + "key/" + absentID + "' does not exist"},
		{"absent mrk", "mrk-" + strings.Repeat("a", 32), "Key '" + arn + "key/mrk-" + strings.Repeat("a", 32) + "' does not exist"},
		{"absent ARN", arn + "key/" + absentID, "Key '" + arn + "key/" + absentID + "' does not exist"},
		{"another region", "arn:aws:kms:us-west-2:111122223333:key/" + absentID, "Invalid arn us-west-2"},
		{"another service", "arn:aws:s3:us-east-1:111122223333:key/" + absentID, "Invalid keyId 'arn:aws:s3:us-east-1:111122223333:key/" + absentID + "'"},
		{"another resource", arn + "grant/" + absentID, "Invalid keyId '" + arn + "grant/" + absentID + "'"},
		{"alias behind key/", arn + "key/alias/app", "Invalid keyId '" + arn + "key/alias/app'"},
		{"ARN of a key without id", arn + "key", "Invalid keyId '" + arn + "key'"},
		{"half an ARN", "arn:aws:kms", "Invalid keyId 'arn:aws:kms'"},
		{"absent alias", "alias/x", "Alias " + arn + "alias/x is not found."},
		{"absent alias ARN", arn + "alias/x", "Alias " + arn + "alias/x is not found."},
		{"alias with NUL", "alias/\x00", "Alias " + arn + "alias/\x00 is not found."},
		{"alias that is not UTF-8", "alias/\xff", "Alias " + arn + "alias/\xff is not found."},
		{"row of S3's own key", "service/s3/111122223333/us-east-1", "Invalid keyId 'service/s3/111122223333/us-east-1'"},
		{"ARN of S3's own key", arn + "key/", "Invalid keyId '" + arn + "key/'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.Encrypt(t.Context(), root(), encryptRequest(c.id, "p", nil))
			wantError(t, err, kmsapi.NotFoundException, c.text)
		})
	}
}

// Operations that take no alias call it malformed.
func TestAliasWhereAKeyIsWanted(t *testing.T) {
	k := newKit(t)
	k.createAlias("alias/app", *k.createKey().KeyId)
	for _, id := range []string{"alias/app", "arn:aws:kms:us-east-1:111122223333:alias/app"} {
		err := k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: &id})
		wantError(t, err, kmsapi.NotFoundException, "Invalid keyId '"+id+"'")
		_, err = k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{KeyId: &id})
		wantError(t, err, kmsapi.NotFoundException, "Invalid keyId '"+id+"'")
	}
}

// Another account's key is refused in the same words whether it is there or
// not, and nothing of it gets into the caller's record.
func TestAnotherAccountsKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	absent := "arn:aws:kms:us-east-1:111122223333:key/" + absentID
	stranger := caller(other, region)
	for name, id := range map[string]string{
		"there": *key.Arn, "not there": absent, "alias there": "arn:aws:kms:us-east-1:111122223333:alias/app", "alias not there": "arn:aws:kms:us-east-1:111122223333:alias/none",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.Encrypt(t.Context(), stranger, encryptRequest(id, "p", nil))
			wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::444455556666:root is not authorized to perform: kms:Encrypt"+undisclosed)
			if r := k.last("Encrypt"); r.Resources != nil {
				t.Errorf("record is %s, want no resources", r.raw)
			}
		})
	}
	for name, err := range map[string]error{
		"DisableKey":  k.DisableKey(t.Context(), stranger, &kmsapi.DisableKeyRequest{KeyId: key.Arn}),
		"CreateAlias": k.CreateAlias(t.Context(), stranger, &kmsapi.CreateAliasRequest{AliasName: new("alias/y"), TargetKeyId: key.Arn}),
		"ListAliases": func() error {
			_, err := k.ListAliases(t.Context(), stranger, &kmsapi.ListAliasesRequest{KeyId: key.Arn})
			return err
		}(),
	} {
		if got := awserr.CodeOf(err); got != gate.AccessDenied {
			t.Errorf("%s: error is %v, want AccessDenied", name, err)
		}
	}
}

// A key of one region does not exist in another, whatever names it.
func TestAnotherRegionsKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	abroad := caller(account, region2)
	_, err := k.DescribeKey(t.Context(), abroad, &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
	wantError(t, err, kmsapi.NotFoundException, "Key 'arn:aws:kms:eu-west-1:111122223333:key/"+*key.KeyId+"' does not exist")
	_, err = k.DescribeKey(t.Context(), abroad, &kmsapi.DescribeKeyRequest{KeyId: new("alias/app")})
	wantError(t, err, kmsapi.NotFoundException, "Alias arn:aws:kms:eu-west-1:111122223333:alias/app is not found.")
	_, err = k.DescribeKey(t.Context(), abroad, &kmsapi.DescribeKeyRequest{KeyId: key.Arn})
	wantError(t, err, kmsapi.NotFoundException, "Invalid arn us-east-1")
}

func TestRegionThatIsNotEnabled(t *testing.T) {
	k := newKit(t)
	_, err := k.CreateKey(t.Context(), caller(account, "mars-north-1"), &kmsapi.CreateKeyRequest{})
	wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
}
