package kms_test

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestCreateAliasNames(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	const prefix = `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`
	for _, c := range []struct {
		name, alias string
		code        awserr.Code // "" is success
		text        string
	}{
		{"all characters", "alias/a/B_c-0", "", ""},
		{"aws without slash", "alias/awsome", "", ""},
		{"no prefix", "app", kmsapi.ValidationException, prefix},
		{"prefix alone", "alias/", kmsapi.ValidationException, prefix},
		{"reserved", "alias/aws/s3", kmsapi.NotAuthorizedException, ""},
		{"colon", "alias/my:alias", kmsapi.ValidationException, "alias/my:alias contains invalid characters for an alias"},
		{"space", "alias/my alias", kmsapi.ValidationException, "1 validation error detected: Value 'alias/my alias' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := k.CreateAlias(t.Context(), alice(), &kmsapi.CreateAliasRequest{AliasName: &c.alias, TargetKeyId: &id})
			if c.code == "" {
				k.check(err)
				k.encrypt(c.alias, "p", nil)
				return
			}
			wantError(t, err, c.code, c.text)
		})
	}
}

func TestCreateAliasTwice(t *testing.T) {
	k := newKit(t)
	key, second := k.createKey(), k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	for _, target := range []*string{key.KeyId, second.KeyId} {
		err := k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/app"), TargetKeyId: target})
		wantError(t, err, kmsapi.AlreadyExistsException, "An alias with the name arn:aws:kms:us-east-1:111122223333:alias/app already exists")
	}
	// Another region has names of its own.
	abroad := caller(account, region2)
	r, err := k.CreateKey(t.Context(), abroad, &kmsapi.CreateKeyRequest{})
	k.check(err)
	k.check(k.CreateAlias(t.Context(), abroad, &kmsapi.CreateAliasRequest{AliasName: new("alias/app"), TargetKeyId: r.KeyMetadata.KeyId}))
}

// An ARN that names a key is no alias, whatever its id looks like.
func TestCreateAliasOfAMalformedKey(t *testing.T) {
	k := newKit(t)
	for _, target := range []string{"arn:aws:kms:us-east-1:111122223333:key/alias/app", "arn:aws:kms:us-east-1:111122223333:key/a:alias/app"} {
		err := k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/b"), TargetKeyId: &target})
		wantError(t, err, kmsapi.NotFoundException, "Invalid keyId '"+target+"'")
	}
}

func TestCreateAliasOfAnAlias(t *testing.T) {
	k := newKit(t)
	k.createAlias("alias/app", *k.createKey().KeyId)
	for _, target := range []string{"alias/app", "arn:aws:kms:us-east-1:111122223333:alias/app"} {
		err := k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/b"), TargetKeyId: &target})
		wantError(t, err, kmsapi.ValidationException, "Aliases must refer to keys. Not aliases")
	}
}

func TestCreateAliasQuota(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for i := range 50 {
		k.createAlias(fmt.Sprintf("alias/a%d", i), *key.KeyId)
	}
	err := k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/b"), TargetKeyId: key.KeyId})
	wantError(t, err, kmsapi.LimitExceededException, *key.Arn+" has the maximum of 50 aliases.")
	k.createAlias("alias/b", *k.createKey().KeyId)
}

func TestCreateAliasNeedsAliasAndKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	err := k.CreateAlias(t.Context(), bob(), &kmsapi.CreateAliasRequest{AliasName: new("alias/app"), TargetKeyId: key.KeyId})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:CreateAlias on resource: arn:aws:kms:us-east-1:111122223333:alias/app because no identity-based policy allows the kms:CreateAlias action")
}

func TestCreateAliasRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	r := k.last("CreateAlias")
	wantParameters(t, r.RequestParameters, `{"aliasName":"alias/app","targetKeyId":"`+*key.KeyId+`"}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	if len(r.Resources) != 2 || r.Resources[0].ARN != *key.Arn || r.Resources[1].ARN != "arn:aws:kms:us-east-1:111122223333:alias/app" ||
		r.Resources[0].Type != "AWS::KMS::Key" || r.Resources[1].Type != "AWS::KMS::Key" {
		t.Errorf("resources are %v, want key and alias, both of type AWS::KMS::Key", r.Resources)
	}
}
