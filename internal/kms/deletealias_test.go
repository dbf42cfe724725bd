package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

func TestDeleteAlias(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	k.createAlias("alias/also", *key.KeyId)
	k.encrypt("alias/app", "p", nil) // so the service has it in memory
	k.schedule(*key.KeyId, 7)        // every state will do
	k.check(k.DeleteAlias(t.Context(), alice(), &kmsapi.DeleteAliasRequest{AliasName: new("alias/app")}))
	r := k.last("DeleteAlias")
	wantParameters(t, r.RequestParameters, `{"aliasName":"alias/app"}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	if r.ReadOnly || len(r.Resources) != 2 || r.Resources[0].ARN != "arn:aws:kms:us-east-1:111122223333:alias/app" || r.Resources[1].ARN != *key.Arn {
		t.Errorf("record is %s, want a write on alias and key", r.raw)
	}
	_, err := k.Encrypt(t.Context(), root(), encryptRequest("alias/app", "p", nil))
	wantError(t, err, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/app is not found.")
	k.describe("alias/also")
	k.createAlias("alias/app", *k.createKey().KeyId)
}

func TestDeleteAliasRefusals(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	_, err := k.NewDataKey(t.Context(), root(), "", nil)
	k.check(err)
	for _, c := range []struct {
		name, alias string
		code        awserr.Code
		text        string
	}{
		{"absent", "alias/none", kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found."},
		{"a key", *key.KeyId, kmsapi.ValidationException, `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`},
		{"AWS's", "alias/aws/s3", kmsapi.NotAuthorizedException, ""},
		{"an alias ARN", "arn:aws:kms:us-east-1:111122223333:alias/app", kmsapi.ValidationException, `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, k.DeleteAlias(t.Context(), root(), &kmsapi.DeleteAliasRequest{AliasName: &c.alias}), c.code, c.text)
		})
	}
	k.describe("alias/app")
	k.describe("alias/aws/s3")
}

func TestDeleteAliasNeedsAliasAndKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	req := &kmsapi.DeleteAliasRequest{AliasName: new("alias/app")}
	wantError(t, k.DeleteAlias(t.Context(), bob(), req), gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:DeleteAlias on resource: arn:aws:kms:us-east-1:111122223333:alias/app because no identity-based policy allows the kms:DeleteAlias action")
	k.change(*key.KeyId, func(key *kmsdb.Key) { key.Policy = allowsNothing })
	wantError(t, k.DeleteAlias(t.Context(), root(), req), gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:DeleteAlias on resource: "+*key.Arn+" because no resource-based policy allows the kms:DeleteAlias action")
}

// An alias whose key is lost can be deleted.
func TestDeleteAliasOfALostKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.DeleteUnlogged(store.KMSKeys, account+"/"+region+"/"+*key.KeyId)
	}))
	k.reopen()
	k.check(k.DeleteAlias(t.Context(), root(), &kmsapi.DeleteAliasRequest{AliasName: new("alias/app")}))
	k.createAlias("alias/app", *k.createKey().KeyId)
}
