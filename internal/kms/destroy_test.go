package kms_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// later restarts the server when d has passed.
func (k *kit) later(d time.Duration) {
	k.t.Helper()
	k.now.Store(new(k.now.Load().Add(d)))
	k.reopen()
}

func (k *kit) destroyDue(want int) {
	k.t.Helper()
	n, err := k.DestroyDue(k.t.Context())
	if n != want || err != nil {
		k.t.Errorf("%d keys were destroyed, %v; want %d", n, err, want)
	}
}

// token returns the wrapped key material of a key as it lies in the store.
func (k *kit) token(key *kmsapi.KeyMetadata) []byte {
	k.t.Helper()
	r, err := k.store.Get(k.t.Context(), store.KMSKeyTokens, account+"/"+region+"/"+*key.KeyId+"/"+*key.CurrentKeyMaterialId)
	k.check(err)
	return r.Doc
}

// inFiles reports whether bytes are in the database or in its log.
func (k *kit) inFiles(b []byte) bool {
	k.t.Helper()
	for _, path := range []string{k.dbPath(), k.dbPath() + "-wal"} {
		content, err := os.ReadFile(path)
		k.check(err)
		if bytes.Contains(content, b) {
			return true
		}
	}
	return false
}

func TestDestroyDue(t *testing.T) {
	k := newKit(t)
	key, other := k.createKey(), k.createKey()
	k.createAlias("alias/a", *key.KeyId)
	k.createAlias("alias/b", *key.KeyId)
	k.createAlias("alias/c", *other.KeyId)
	second := strings.Repeat("0b", 32) // of another version of the material
	k.change(*key.KeyId, func(key *kmsdb.Key) { key.Materials = append(key.Materials, kmsdb.Material{ID: second}) })
	extra := []byte("the token of another version of the material")
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Put(store.KMSKeyTokens, store.Row{Key: account + "/" + region + "/" + *key.KeyId + "/" + second, Doc: extra})
		return err
	}))
	blob, otherBlob := k.encrypt(*key.KeyId, "p", nil), k.encrypt(*other.KeyId, "q", nil)
	token, kept := k.token(key), k.token(other)
	k.schedule(*key.KeyId, 7)
	k.destroyDue(0)
	k.later(7*day - time.Second)
	k.destroyDue(0)
	if !k.inFiles(token) || !k.inFiles(extra) {
		t.Fatal("the search does not find what is there")
	}
	k.later(time.Second)
	before := len(k.records())
	k.destroyDue(1)
	if k.inFiles(token) || k.inFiles(extra) {
		t.Error("the key material can still be read from the database's files")
	}
	if !k.inFiles(kept) {
		t.Error("the search does not find what was not destroyed")
	}
	k.destroyDue(0)
	if got := len(k.records()) - before; got != 1 {
		t.Errorf("got %d records, want 1", got)
	}
	for _, when := range []string{"at once", "after a restart"} {
		_, err := k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
		wantError(t, err, kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
		_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
		wantError(t, err, gate.AccessDenied, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
		_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.Arn})
		wantError(t, err, kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
		_, err = k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: key.KeyId})
		wantError(t, err, kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
		_, err = k.Encrypt(t.Context(), root(), encryptRequest("alias/a", "p", nil))
		wantError(t, err, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/a is not found.")
		aliases, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{})
		k.check(err)
		if len(aliases.Aliases) != 1 || *aliases.Aliases[0].AliasName != "alias/c" {
			t.Errorf("%s: the aliases are %v, want that of the other key", when, aliases.Aliases)
		}
		if got := decrypted(t, k, otherBlob, nil); got != "q" {
			t.Errorf("%s: the other key opens its blob to %q", when, got)
		}
		k.reopen()
	}
	k.createAlias("alias/a", *other.KeyId) // the name is free
}

func TestDestroyDueRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.schedule(*key.KeyId, 7)
	k.later(7 * day)
	k.destroyDue(1)
	r := k.last("DeleteKey")
	wantParameters(t, r.UserIdentity, `{"accountId":"111122223333","invokedBy":"AWS Internal"}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	if r.EventTime != "2026-11-30T11:02:03Z" || r.ReadOnly || r.RequestID != "" || r.RequestParameters != nil || r.AWSRegion != region ||
		r.SourceIPAddress != "AWS Internal" || r.UserAgent != "AWS Internal" || !strings.Contains(r.raw, `"eventType":"AwsServiceEvent"`) ||
		len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn || r.Resources[0].AccountID != account || r.Resources[0].Type != "AWS::KMS::Key" {
		t.Errorf("record is %s", r.raw)
	}
}

// A destroyed key makes room for another.
func TestDestroyDueCountsNoLonger(t *testing.T) {
	k := newKit(t)
	count := func() (n int) {
		t.Helper()
		k.check(k.db().Update(t.Context(), func(tx *kmsdb.Tx) (err error) {
			n, err = tx.CountKeys(account, region)
			return err
		}))
		return n
	}
	for range 3 {
		k.createKey()
	}
	for i, spoil := range []func(*store.Tx) error{
		func(*store.Tx) error { return nil },
		func(tx *store.Tx) error {
			return tx.DeleteUnlogged(store.Meta, "kms/customer-keys/"+account+"/"+region)
		},
		func(tx *store.Tx) error {
			return tx.PutUnlogged(store.Meta, store.Row{Key: "kms/customer-keys/" + account + "/" + region, Doc: []byte("many")})
		},
	} {
		k.schedule(*k.createKey().KeyId, 7)
		k.later(7 * day)
		k.check(k.store.Update(t.Context(), spoil))
		k.destroyDue(1)
		if got := count(); got != 3 {
			t.Errorf("%d: got %d keys, want 3", i, got)
		}
	}
}

// One key that cannot be destroyed keeps no other alive, and is named.
func TestDestroyDuePastBadRows(t *testing.T) {
	k := newKit(t)
	keys := map[string]*kmsapi.KeyMetadata{}
	for _, name := range []string{"good", "tampered", "rotten", "undated", "damaged token", "damaged alias", "lost token", "also good"} {
		key := k.createKey()
		keys[name] = key
		k.createAlias("alias/"+strings.ReplaceAll(name, " ", "-"), *key.KeyId)
		k.schedule(*key.KeyId, 7)
	}
	k.change(*keys["undated"].KeyId, func(key *kmsdb.Key) { key.DeletionDate = time.Time{} })
	row := func(name string) string { return account + "/" + region + "/" + *keys[name].KeyId }
	token := func(name string) string { return row(name) + "/" + *keys[name].CurrentKeyMaterialId }
	k.later(7 * day)
	k.tamper(store.KMSKeys, row("tampered"), func(r *store.Row) { r.MAC[0] ^= 1 })
	k.rot("kms_keys", row("rotten"))
	k.rot("kms_key_tokens", token("damaged token"))
	k.rot("kms_aliases", account+"/"+region+"/alias/damaged-alias")
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.KMSKeyTokens, token("lost token")) }))
	n, err := k.DestroyDue(t.Context())
	if n != 5 || err == nil {
		t.Errorf("%d keys were destroyed, %v; want 5 and an error", n, err)
	}
	for _, name := range []string{"tampered", "rotten", "undated"} {
		if !strings.Contains(fmt.Sprint(err), row(name)) {
			t.Errorf("the error does not name the %s key: %v", name, err)
		}
		if _, err := k.store.Get(t.Context(), store.KMSKeyTokens, token(name)); err != nil {
			t.Errorf("the material of the %s key: %v, want it kept", name, err)
		}
	}
	if _, ok := errors.AsType[*store.TamperedError](err); !ok || !errors.Is(err, store.ErrDamaged) {
		t.Errorf("error is %v, want both kinds in it", err)
	}
	for _, table := range []store.Table{store.KMSKeys, store.KMSKeyTokens, store.KMSAliases} {
		rows, err := k.store.List(t.Context(), table, store.Query{Limit: 100, KeepDamaged: true})
		k.check(err)
		if len(rows) != 3 {
			t.Errorf("%s has %d rows, want those of the three keys left", table, len(rows))
		}
	}
}

// What Config.Destroyed does is part of the destruction, and what it cannot do
// keeps the key.
func TestDestroyDueTellsOf(t *testing.T) {
	k := newKit(t)
	stubborn, key := k.createKey(), k.createKey()
	abroad, err := k.CreateKey(t.Context(), caller(account, region2), &kmsapi.CreateKeyRequest{})
	k.check(err)
	_, err = k.ScheduleKeyDeletion(t.Context(), caller(account, region2), &kmsapi.ScheduleKeyDeletionRequest{KeyId: abroad.KeyMetadata.KeyId, PendingWindowInDays: new(int32(7))})
	k.check(err)
	k.schedule(*stubborn.KeyId, 7)
	k.schedule(*key.KeyId, 8)
	refuse := true
	k.destroyed = func(tx *store.Tx, region string) error {
		if region == region2 && refuse {
			return errors.New("not now")
		}
		_, err := tx.Put(store.Meta, store.Row{Key: fmt.Sprintf("rotate/%s/%d", region, time.Now().UnixNano())})
		return err
	}
	k.later(7 * day)
	n, err := k.DestroyDue(t.Context())
	if n != 1 || err == nil || !strings.Contains(err.Error(), "not now") {
		t.Errorf("%d keys were destroyed, %v; want 1 and what kept the other", n, err)
	}
	d, err := k.DescribeKey(t.Context(), caller(account, region2), &kmsapi.DescribeKeyRequest{KeyId: abroad.KeyMetadata.KeyId})
	if err != nil || *d.KeyMetadata.KeyState != "PendingDeletion" {
		t.Errorf("the key is %v, %v; want it there", d, err)
	}
	refuse = false
	k.later(day)
	k.destroyDue(2)
	rows, err := k.store.List(t.Context(), store.Meta, store.Query{Prefix: "rotate/", Limit: 10})
	k.check(err)
	if len(rows) != 3 || !strings.HasPrefix(rows[0].Key, "rotate/"+region2) {
		t.Errorf("told of %v, want one for each key", rows)
	}
}

// A clock that is set while the server runs destroys nothing.
func TestDestroyDueDistrustsTheClock(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.schedule(*key.KeyId, 7)
	began := *k.now.Load()
	for _, by := range []time.Duration{8 * day, time.Hour + time.Minute, -time.Hour - time.Minute, -365 * day} {
		k.now.Store(new(began.Add(by)))
		n, err := k.DestroyDue(t.Context())
		if n != 0 || err == nil || !strings.Contains(err.Error(), "the clock has moved by") || !strings.Contains(err.Error(), "restart the server") {
			t.Errorf("moved by %v: %d keys were destroyed, %v; want a refusal that says what to do", by, n, err)
		}
	}
	k.now.Store(new(began.Add(59 * time.Minute)))
	k.destroyDue(0)
	k.now.Store(&began)
	if m := k.describe(*key.KeyId); *m.KeyState != "PendingDeletion" {
		t.Errorf("the key is %s", *m.KeyState)
	}
	// The guard is gone with the process: that is what it cannot do.
	k.later(7 * day)
	k.destroyDue(1)
}

// A server whose trail cannot be written destroys nothing.
func TestDestroyDueWithoutATrail(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.schedule(*key.KeyId, 7)
	k.later(7 * day)
	k.check(k.trail.Close())
	if n, err := k.DestroyDue(t.Context()); n != 0 || !errors.Is(err, gate.ErrTrail) {
		t.Errorf("%d keys were destroyed, %v; want ErrTrail", n, err)
	}
	_, err := k.store.Get(t.Context(), store.KMSKeys, account+"/"+region+"/"+*key.KeyId)
	k.check(err)
}

// A reader of the database keeps the log for a while, and nothing else back.
func TestDestroyDueWhileTheDatabaseIsRead(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	token := k.token(key)
	k.schedule(*key.KeyId, 7)
	k.later(7 * day)
	db, err := sql.Open("sqlite", k.dbPath())
	k.check(err)
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	k.check(err)
	var n int
	k.check(tx.QueryRow("SELECT COUNT(*) FROM kms_keys").Scan(&n))
	k.destroyDue(1)
	if _, err := k.store.Get(t.Context(), store.KMSKeyTokens, account+"/"+region+"/"+*key.KeyId+"/"+*key.CurrentKeyMaterialId); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the key material: %v, want it gone", err)
	}
	if !k.inFiles(token) {
		t.Error("the reader lost what it reads")
	}
	k.check(tx.Rollback())
	k.destroyDue(0)
	if k.inFiles(token) {
		t.Error("the key material can still be read from the database's files")
	}
	if log := k.log.String(); strings.Contains(log, "WARN") || strings.Contains(log, "ERROR") {
		t.Errorf("log is %q, want no warning", log)
	}
}

// What was left undone is done by the next call, however many there are.
func TestDestroyDueGoesOn(t *testing.T) {
	k := newKit(t)
	const keys = 6
	for range keys {
		k.schedule(*k.createKey().KeyId, 7)
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.destroyed = func(*store.Tx, string) error {
		cancel() // in the middle of the first
		return nil
	}
	k.later(7 * day)
	n, err := k.DestroyDue(ctx)
	if n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d keys were destroyed, %v; want 1 and that it was stopped", n, err)
	}
	k.later(0)
	k.destroyDue(keys - 1)
}

// A cancellation and a destruction that meet: the key is whole, or gone and the
// cancellation was told so.
func TestDestroyDueAgainstCancelKeyDeletion(t *testing.T) {
	k := newKit(t)
	keys := make([]*kmsapi.KeyMetadata, 40)
	blobs := make([][]byte, len(keys))
	for i := range keys {
		keys[i] = k.createKey()
		blobs[i] = k.encrypt(*keys[i].KeyId, "p", nil)
		k.schedule(*keys[i].KeyId, 7)
	}
	k.later(7 * day)
	cancelled := make([]error, len(keys))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := len(keys) - 1; i >= 0; i-- {
			_, cancelled[i] = k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: keys[i].KeyId})
		}
	})
	n, err := k.DestroyDue(t.Context())
	wg.Wait()
	k.check(err)
	kept := 0
	for i, key := range keys {
		if cancelled[i] != nil {
			wantError(t, cancelled[i], kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
			_, err := k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
			wantError(t, err, kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
			continue
		}
		kept++
		k.check(k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}))
		if got := decrypted(t, k, blobs[i], nil); got != "p" {
			t.Errorf("a key that was kept opens its blob to %q", got)
		}
	}
	if kept+n != len(keys) {
		t.Errorf("%d keys were kept and %d destroyed of %d", kept, n, len(keys))
	}
}

// An alias that is made, moved or deleted while its key is destroyed is gone,
// or stands for a key that is there.
func TestDestroyDueAgainstAliases(t *testing.T) {
	k := newKit(t)
	stays := k.createKey()
	var ids []string
	for i := range 20 {
		id := *k.createKey().KeyId
		ids = append(ids, id)
		k.createAlias(fmt.Sprintf("alias/%d", i), id)
		k.schedule(id, 7)
	}
	k.later(7 * day)
	var wg sync.WaitGroup
	var stop = make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			n := i % len(ids)
			name := fmt.Sprintf("alias/%d", n)
			_ = k.UpdateAlias(t.Context(), root(), &kmsapi.UpdateAliasRequest{AliasName: &name, TargetKeyId: stays.KeyId})
			_ = k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: &name, TargetKeyId: &ids[n]})
			_ = k.UpdateAlias(t.Context(), root(), &kmsapi.UpdateAliasRequest{AliasName: &name, TargetKeyId: &ids[n]})
		}
	})
	k.destroyDue(len(ids))
	close(stop)
	wg.Wait()
	aliases, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{})
	k.check(err)
	for _, a := range aliases.Aliases {
		if *a.TargetKeyId != *stays.KeyId {
			t.Errorf("%s stands for the destroyed key %s", *a.AliasName, *a.TargetKeyId)
		}
	}
}

// When ScheduleKeyDeletion has returned, no later call uses the key.
func TestScheduleKeyDeletionAgainstEncrypt(t *testing.T) {
	k := newKit(t)
	for range 10 {
		key := k.createKey()
		k.encrypt(*key.KeyId, "p", nil)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil)); err != nil && !errors.Is(err, kmsapi.KMSInvalidStateException) {
						t.Error(err)
					}
				}
			})
		}
		k.schedule(*key.KeyId, 7)
		_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
		wantError(t, err, kmsapi.KMSInvalidStateException, *key.Arn+" is pending deletion.")
		close(stop)
		wg.Wait()
	}
}
