package kms_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

func (k *kit) updateAlias(name, keyID string) error {
	return k.UpdateAlias(k.t.Context(), root(), &kmsapi.UpdateAliasRequest{AliasName: &name, TargetKeyId: &keyID})
}

func TestUpdateAlias(t *testing.T) {
	k := newKit(t)
	a, b := k.createKey(), k.createKey()
	k.createAlias("alias/app", *a.KeyId)
	k.encrypt("alias/app", "p", nil) // so the service has it in memory
	created := k.now.Load().Truncate(time.Millisecond)
	k.now.Store(new(k.now.Load().Add(time.Minute)))
	for i, id := range []string{*b.KeyId, *b.Arn, *a.Arn} { // the second changes nothing but the date
		k.check(k.updateAlias("alias/app", id))
		want := b
		if i == 2 {
			want = a
		}
		r, err := k.Encrypt(t.Context(), root(), encryptRequest("alias/app", "p", nil))
		k.check(err)
		if *r.KeyId != *want.Arn {
			t.Errorf("%d: the alias stands for %s, want %s", i, *r.KeyId, *want.Arn)
		}
	}
	l, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{KeyId: a.KeyId})
	k.check(err)
	if len(l.Aliases) != 1 || !l.Aliases[0].CreationDate.Equal(created) || !l.Aliases[0].LastUpdatedDate.Equal(created.Add(time.Minute)) {
		t.Errorf("the aliases are %+v, want one, created %v and updated a minute later", l.Aliases, created)
	}
	l, err = k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{KeyId: b.KeyId})
	if err != nil || len(l.Aliases) != 0 {
		t.Errorf("the other key has %v, %v; want no alias", l, err)
	}
}

func TestUpdateAliasRefusals(t *testing.T) {
	k := newKit(t)
	key, pending, signing, rsa := k.createKey(), k.createKey(), k.createKey(), k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	k.schedule(*pending.KeyId, 7)
	k.change(*signing.KeyId, func(key *kmsdb.Key) { key.KeyUsage = kmsapi.KeyUsageTypeSignVerify })
	k.change(*rsa.KeyId, func(key *kmsdb.Key) { key.KeySpec = kmsapi.KeySpecRsa2048 })
	const another = "The alias arn:aws:kms:us-east-1:111122223333:alias/app can only be updated to a KMS key of the same type and key usage as "
	managed, err := k.NewDataKey(t.Context(), root(), "", nil)
	k.check(err)
	for _, c := range []struct {
		name, alias, target string
		code                awserr.Code
		text                string
	}{
		{"absent alias", "alias/none", *key.KeyId, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found."},
		{"absent key", "alias/app", absentID, kmsapi.NotFoundException, "Key 'arn:aws:kms:us-east-1:111122223333:key/" + absentID + "' does not exist"},
		{"an alias", "alias/app", "alias/app", kmsapi.ValidationException, "Aliases must refer to keys. Not aliases"},
		{"no prefix", "app", *key.KeyId, kmsapi.ValidationException, `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`},
		{"AWS's", "alias/aws/s3", *key.KeyId, kmsapi.NotAuthorizedException, ""},
		{"pending deletion", "alias/app", *pending.KeyId, kmsapi.KMSInvalidStateException, *pending.Arn + " is pending deletion."},
		{"another usage", "alias/app", *signing.KeyId, kmsapi.ValidationException, another + *key.Arn + "."},
		{"another type", "alias/app", *rsa.KeyId, kmsapi.ValidationException, another + *key.Arn + "."},
		{"AWS managed key", "alias/app", managed.KeyARN, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:UpdateAlias on resource: " + managed.KeyARN + " because no resource-based policy allows the kms:UpdateAlias action"},
		{"another region's key", "alias/app", "arn:aws:kms:eu-west-1:111122223333:key/" + absentID, kmsapi.NotFoundException, "Invalid arn eu-west-1"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, k.updateAlias(c.alias, c.target), c.code, c.text) })
	}
	if r, err := k.Encrypt(t.Context(), root(), encryptRequest("alias/app", "p", nil)); err != nil || *r.KeyId != *key.Arn {
		t.Errorf("the alias stands for %v, %v; want %s", r, err, *key.Arn)
	}
	// The old key may be pending deletion: so it gets rid of its names.
	k.schedule(*key.KeyId, 7)
	k.check(k.updateAlias("alias/app", *k.createKey().KeyId))
}

func TestUpdateAliasQuota(t *testing.T) {
	k := newKit(t)
	full, key := k.createKey(), k.createKey()
	for i := range 50 {
		k.createAlias(fmt.Sprintf("alias/a%d", i), *full.KeyId)
	}
	k.createAlias("alias/b", *key.KeyId)
	wantError(t, k.updateAlias("alias/b", *full.KeyId), kmsapi.LimitExceededException, *full.Arn+" has the maximum of 50 aliases.")
	k.check(k.updateAlias("alias/a7", *full.KeyId)) // it is among the fifty
}

// The permission is asked for on the alias and on both keys.
func TestUpdateAliasNeedsAliasAndBothKeys(t *testing.T) {
	k := newKit(t)
	a, b := k.createKey(), k.createKey()
	k.createAlias("alias/app", *a.KeyId)
	err := k.UpdateAlias(t.Context(), bob(), &kmsapi.UpdateAliasRequest{AliasName: new("alias/app"), TargetKeyId: b.KeyId})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:UpdateAlias on resource: arn:aws:kms:us-east-1:111122223333:alias/app because no identity-based policy allows the kms:UpdateAlias action")
	for _, key := range []*kmsapi.KeyMetadata{a, b} {
		closed := allowsNothing
		var open string
		k.change(*key.KeyId, func(key *kmsdb.Key) { open, key.Policy = key.Policy, closed })
		wantError(t, k.updateAlias("alias/app", *b.KeyId), gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:UpdateAlias on resource: "+*key.Arn+" because no resource-based policy allows the kms:UpdateAlias action")
		k.change(*key.KeyId, func(key *kmsdb.Key) { key.Policy = open })
	}
	k.check(k.updateAlias("alias/app", *b.KeyId))
}

// The key that counts is the one that the alias stands for when it is changed:
// nobody takes an alias from a key that is closed to them by being quick.
func TestUpdateAliasThatHasMoved(t *testing.T) {
	k := newKit(t)
	open, closed := k.createKey(), k.createKey()
	k.createAlias("alias/app", *open.KeyId)
	k.change(*closed.KeyId, func(key *kmsdb.Key) { key.Policy = allowsNothing })
	k.describe("alias/app") // so the service has it in memory
	// The service does not hear of an unlogged change, as it has not heard yet
	// of one that comes between its decisions and its transaction.
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
		r, err := tx.Get(store.KMSAliases, account+"/"+region+"/alias/app")
		if err != nil {
			return err
		}
		edit(t, &r, "TargetKeyID", *closed.KeyId)
		r.Ref = account + "/" + region + "/" + *closed.KeyId
		store.Seal(k.rowMAC, store.KMSAliases, &r)
		r.Rev++
		return tx.PutUnlogged(store.KMSAliases, r)
	}))
	for action, err := range map[string]error{
		"kms:UpdateAlias": k.updateAlias("alias/app", *open.KeyId),
		"kms:DeleteAlias": k.DeleteAlias(t.Context(), root(), &kmsapi.DeleteAliasRequest{AliasName: new("alias/app")}),
	} {
		wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: "+action+" on resource: "+*closed.Arn+" because no resource-based policy allows the "+action+" action")
	}
}

func TestUpdateAliasRecord(t *testing.T) {
	k := newKit(t)
	a, b := k.createKey(), k.createKey()
	k.createAlias("alias/app", *a.KeyId)
	k.check(k.updateAlias("alias/app", *b.KeyId))
	r := k.last("UpdateAlias")
	wantParameters(t, r.RequestParameters, `{"aliasName":"alias/app","targetKeyId":"`+*b.KeyId+`"}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*b.Arn+`"}`)
	if r.ReadOnly || len(r.Resources) != 2 || r.Resources[0].ARN != "arn:aws:kms:us-east-1:111122223333:alias/app" || r.Resources[1].ARN != *b.Arn {
		t.Errorf("record is %s, want a write on the alias and its new key", r.raw)
	}
}

// Of an update and a deletion that meet, each is done or told that there is no
// such alias.
func TestUpdateAliasAgainstDeleteAlias(t *testing.T) {
	k := newKit(t)
	a, b := k.createKey(), k.createKey()
	for range 30 {
		k.createAlias("alias/app", *a.KeyId)
		var wg sync.WaitGroup
		var updated, deleted error
		wg.Go(func() { updated = k.updateAlias("alias/app", *b.KeyId) })
		wg.Go(func() {
			deleted = k.DeleteAlias(t.Context(), root(), &kmsapi.DeleteAliasRequest{AliasName: new("alias/app")})
		})
		wg.Wait()
		k.check(deleted)
		if updated != nil {
			wantError(t, updated, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/app is not found.")
		}
		_, err := k.Encrypt(t.Context(), root(), encryptRequest("alias/app", "p", nil))
		wantError(t, err, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/app is not found.")
	}
}
