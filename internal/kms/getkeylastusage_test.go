package kms_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

func (k *kit) lastUsage(id string) *kmsapi.GetKeyLastUsageResponse {
	k.t.Helper()
	r, err := k.GetKeyLastUsage(k.t.Context(), root(), &kmsapi.GetKeyLastUsageRequest{KeyId: &id})
	k.check(err)
	return r
}

// wantUse says that the last use of a key is the one of a record.
func (k *kit) wantUse(id string, r record) {
	k.t.Helper()
	u := k.lastUsage(id).KeyLastUsage
	if u.Operation == nil {
		k.t.Errorf("got no use of %s, want %s", id, r.EventName)
		return
	}
	if string(*u.Operation) != r.EventName || *u.CloudTrailEventId != r.EventID || *u.KmsRequestId != r.RequestID || u.Timestamp.UTC().Format(time.RFC3339) != r.EventTime {
		k.t.Errorf("got %s by event %s of request %s at %v, want that of the record %s", *u.Operation, *u.CloudTrailEventId, *u.KmsRequestId, u.Timestamp, r.raw)
	}
}

func (k *kit) wantUnused(id string) {
	k.t.Helper()
	if u := k.lastUsage(id).KeyLastUsage; u == nil || *u != (kmsapi.KeyLastUsageData{}) {
		k.t.Errorf("got %+v, want an empty element", u)
	}
}

// wait sets the clock on; the server goes on.
func (k *kit) wait(d time.Duration) { k.now.Store(new(k.now.Load().Add(d))) }

func TestGetKeyLastUsageOfAKeyThatWasNotUsed(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.wantUnused(*key.KeyId)
	r := k.lastUsage(*key.KeyId)
	if *r.KeyId != *key.Arn || !r.KeyCreationDate.Equal(*key.CreationDate) || !r.TrackingStartDate.Equal(*key.CreationDate) {
		t.Errorf("got %s, made %v, tracked since %v, want %s and twice %v", *r.KeyId, r.KeyCreationDate, r.TrackingStartDate, *key.Arn, key.CreationDate)
	}
	rec := k.last("GetKeyLastUsage")
	wantParameters(t, rec.RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
	if !rec.ReadOnly || rec.ResponseElements != nil || len(rec.Resources) != 1 || rec.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a read of the key", rec.raw)
	}
}

// Every cryptographic operation counts.
func TestGetKeyLastUsageOperations(t *testing.T) {
	k := newKit(t)
	ctx := t.Context()
	make := func(spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) string {
		r, err := k.CreateKey(ctx, root(), &kmsapi.CreateKeyRequest{KeySpec: &spec, KeyUsage: &usage})
		k.check(err)
		return *r.KeyMetadata.KeyId
	}
	key, second := *k.createKey().KeyId, *k.createKey().KeyId
	signer, macker := make(kmsapi.KeySpecEccNistP256, kmsapi.KeyUsageTypeSignVerify), make(kmsapi.KeySpecHmac256, kmsapi.KeyUsageTypeGenerateVerifyMac)
	agreer := make(kmsapi.KeySpecEccNistP256, kmsapi.KeyUsageTypeKeyAgreement)
	blob := k.encrypt(key, "p", nil)
	message := func() secret.Bytes { return secret.New([]byte("message")) }
	public, err := k.GetPublicKey(ctx, root(), &kmsapi.GetPublicKeyRequest{KeyId: &agreer})
	k.check(err)
	k.wantUnused(agreer) // to read its public half is no use of a key
	var signature, mac []byte
	for _, c := range []struct {
		operation string
		keys      []string
		run       func() error
	}{
		{"Encrypt", []string{key}, func() error { return discard(k.Encrypt(ctx, root(), encryptRequest(key, "p", nil))) }},
		{"Decrypt", []string{key}, func() error { return discard(k.Decrypt(ctx, root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})) }},
		{"GenerateDataKey", []string{key}, func() error {
			return discard(k.GenerateDataKey(ctx, root(), &kmsapi.GenerateDataKeyRequest{KeyId: &key, KeySpec: new(kmsapi.DataKeySpecAes256)}))
		}},
		{"GenerateDataKeyWithoutPlaintext", []string{key}, func() error {
			return discard(k.GenerateDataKeyWithoutPlaintext(ctx, root(), &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: &key, KeySpec: new(kmsapi.DataKeySpecAes256)}))
		}},
		{"GenerateDataKeyPair", []string{key}, func() error {
			return discard(k.GenerateDataKeyPair(ctx, root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: &key, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)}))
		}},
		{"GenerateDataKeyPairWithoutPlaintext", []string{key}, func() error {
			return discard(k.GenerateDataKeyPairWithoutPlaintext(ctx, root(), &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{KeyId: &key, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)}))
		}},
		{"GenerateDataKeyPair", []string{key}, func() error {
			return discard(k.GenerateDataKeyPair(ctx, root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: &key, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)}))
		}},
		{"GenerateDataKeyPairWithoutPlaintext", []string{key}, func() error {
			return discard(k.GenerateDataKeyPairWithoutPlaintext(ctx, root(), &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{KeyId: &key, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)}))
		}},
		{"ReEncrypt", []string{key, second}, func() error {
			return discard(k.ReEncrypt(ctx, root(), &kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: &second}))
		}},
		{"Sign", []string{signer}, func() error {
			r, err := k.Sign(ctx, root(), &kmsapi.SignRequest{KeyId: &signer, Message: message(), SigningAlgorithm: new(kmsapi.SigningAlgorithmSpecEcdsaSha256)})
			if err == nil {
				signature = r.Signature
			}
			return err
		}},
		{"Verify", []string{signer}, func() error {
			return discard(k.Verify(ctx, root(), &kmsapi.VerifyRequest{KeyId: &signer, Message: message(), Signature: signature, SigningAlgorithm: new(kmsapi.SigningAlgorithmSpecEcdsaSha256)}))
		}},
		{"GenerateMac", []string{macker}, func() error {
			r, err := k.GenerateMac(ctx, root(), &kmsapi.GenerateMacRequest{KeyId: &macker, Message: message(), MacAlgorithm: new(kmsapi.MacAlgorithmSpecHmacSha256)})
			if err == nil {
				mac = r.Mac
			}
			return err
		}},
		{"VerifyMac", []string{macker}, func() error {
			return discard(k.VerifyMac(ctx, root(), &kmsapi.VerifyMacRequest{KeyId: &macker, Message: message(), Mac: mac, MacAlgorithm: new(kmsapi.MacAlgorithmSpecHmacSha256)}))
		}},
		{"DeriveSharedSecret", []string{agreer}, func() error {
			return discard(k.DeriveSharedSecret(ctx, root(), &kmsapi.DeriveSharedSecretRequest{KeyId: &agreer, PublicKey: public.PublicKey, KeyAgreementAlgorithm: new(kmsapi.KeyAgreementAlgorithmSpecEcdh)}))
		}},
	} {
		t.Run(c.operation, func(t *testing.T) {
			k.wait(time.Second)
			k.check(c.run())
			r := k.last(c.operation)
			for _, id := range c.keys {
				k.wantUse(id, r)
			}
		})
	}
}

func discard[T any](_ T, err error) error { return err }

// What fails, what only would have succeeded, and what is no cryptography does
// not count.
func TestGetKeyLastUsageOfOtherCalls(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	blob := k.encrypt(key, "p", nil)
	used := k.last("Encrypt")
	k.wait(time.Minute)
	dry := encryptRequest(key, "p", nil)
	dry.DryRun = new(true)
	_, err := k.Encrypt(t.Context(), root(), dry)
	wantError(t, err, kmsapi.DryRunOperationException, "The request would have succeeded, but the DryRun option is set.")
	_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "b"}})
	wantError(t, err, kmsapi.InvalidCiphertextException, "")
	_, err = k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: &key})
	k.check(err)
	if _, err := k.Encrypt(t.Context(), bob(), encryptRequest(key, "p", nil)); !errors.Is(err, gate.AccessDenied) {
		t.Errorf("got %v for bob, want a denial", err)
	}
	k.disable(key)
	if _, err := k.Encrypt(t.Context(), root(), encryptRequest(key, "p", nil)); !errors.Is(err, kmsapi.DisabledException) {
		t.Errorf("got %v of the disabled key", err)
	}
	k.wantUse(key, used)
}

// S3's use of a key counts like the caller's own.
func TestGetKeyLastUsageThroughS3(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	d, err := k.NewDataKey(t.Context(), alice(), *key.Arn, nil)
	k.check(err)
	k.wantUse(*key.KeyId, k.last("GenerateDataKey"))
	k.wait(time.Second)
	_, err = k.OpenDataKey(t.Context(), alice(), *key.Arn, d.Blob, nil)
	k.check(err)
	k.wantUse(*key.KeyId, k.last("Decrypt"))
}

// A use of another account is known by the record in the trail of the key's
// account, which alone may ask.
func TestGetKeyLastUsageAcrossAccounts(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.check(k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, Policy: new(policyOf(toOthers + `,{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}`))}))
	_, err := k.Encrypt(t.Context(), caller(other, region), encryptRequest(*key.Arn, "p", nil))
	k.check(err)
	own := k.last("Encrypt")
	if own.Recipient != account {
		t.Fatalf("the last record is %s, want that of the key's account", own.raw)
	}
	k.wantUse(*key.KeyId, own)
	_, err = k.GetKeyLastUsage(t.Context(), caller(other, region), &kmsapi.GetKeyLastUsageRequest{KeyId: key.Arn})
	if !errors.Is(err, gate.AccessDenied) {
		t.Errorf("got %v for the other account, want a denial", err)
	}
}

func TestGetKeyLastUsageRefusals(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.createAlias("alias/app", key)
	for _, id := range []string{"alias/app", "arn:aws:kms:us-east-1:111122223333:alias/app"} {
		_, err := k.GetKeyLastUsage(t.Context(), root(), &kmsapi.GetKeyLastUsageRequest{KeyId: &id})
		wantError(t, err, kmsapi.NotFoundException, "Invalid keyId '"+id+"'")
	}
	_, err := k.GetKeyLastUsage(t.Context(), bob(), &kmsapi.GetKeyLastUsageRequest{KeyId: &key})
	if !errors.Is(err, gate.AccessDenied) {
		t.Errorf("got %v for bob, want a denial", err)
	}
	for _, st := range []kmsapi.KeyState{kmsapi.KeyStateDisabled, kmsapi.KeyStatePendingImport, kmsapi.KeyStateUnavailable, kmsapi.KeyStatePendingDeletion} {
		k.change(key, func(key *kmsdb.Key) { key.State = st })
		k.wantUnused(key)
	}
}

// What is flushed outlives the process, what is not is lost; a flush loses
// nothing that comes meanwhile, and an earlier use takes no later one's place.
func TestFlushUsage(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.encrypt(key, "p", nil)
	used := k.last("Encrypt")
	k.check(k.FlushUsage(t.Context()))
	k.wantUse(key, used)
	k.reopen()
	k.wantUse(key, used)

	k.wait(time.Minute)
	k.encrypt(key, "p", nil)
	k.wantUse(key, k.last("Encrypt"))
	k.reopen() // without a flush
	k.wantUse(key, used)

	k.wait(-time.Hour) // the clock is set back
	k.encrypt(key, "p", nil)
	k.check(k.FlushUsage(t.Context()))
	k.wantUse(key, used)
}

// A flush is no change: it is in no feed, and no record.
func TestFlushUsageIsQuiet(t *testing.T) {
	k := newKit(t)
	k.encrypt(*k.createKey().KeyId, "p", nil)
	before, err := k.store.LastSeq(t.Context())
	k.check(err)
	n := len(k.records())
	k.check(k.FlushUsage(t.Context()))
	after, err := k.store.LastSeq(t.Context())
	k.check(err)
	if after != before || len(k.records()) != n {
		t.Errorf("got %d changes and %d records, want none", after-before, len(k.records())-n)
	}
}

// What could not be written is written by the next flush, and known meanwhile.
func TestFlushUsageThatFails(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.encrypt(key, "p", nil)
	used := k.last("Encrypt")
	broken := errors.New("broken")
	k.store.Guard(store.KMSKeyUsage, func(*store.Tx, *store.Row) error { return broken })
	if err := k.FlushUsage(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	k.wantUse(key, used)
	broken = nil
	k.check(k.FlushUsage(t.Context()))
	k.reopen()
	k.wantUse(key, used)
}

// With a key goes what it was used for, also what is noted after its end.
func TestUsageOfADestroyedKey(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.encrypt(key, "p", nil)
	k.check(k.FlushUsage(t.Context()))
	k.encrypt(key, "p", nil)
	k.check(k.db().Update(t.Context(), func(tx *kmsdb.Tx) error {
		key, err := tx.Key(kmsdb.KeyRef{Account: account, Region: region, ID: key})
		if err != nil {
			return err
		}
		return tx.DestroyKey(&key)
	}))
	k.check(k.FlushUsage(t.Context()))
	rows, err := k.store.List(t.Context(), store.KMSKeyUsage, store.Query{Limit: 10})
	k.check(err)
	if len(rows) != 0 {
		t.Errorf("got %d rows, want none", len(rows))
	}
}

// A key that is older than the notes of uses is tracked since these began.
func TestGetKeyLastUsageTrackingStart(t *testing.T) {
	k := newKit(t)
	begun := k.now.Load().Truncate(time.Millisecond)
	key := k.createKey()
	k.change(*key.KeyId, func(key *kmsdb.Key) { key.CreationDate = key.CreationDate.Add(-time.Hour) })
	check := func() {
		t.Helper()
		if got := *k.lastUsage(*key.KeyId).TrackingStartDate; !got.Equal(begun) {
			t.Errorf("got %v, want %v", got, begun)
		}
	}
	check()
	k.check(k.FlushUsage(t.Context()))
	k.wait(time.Hour)
	k.reopen()
	check()
	k.check(k.FlushUsage(t.Context()))
	check()
}

func TestUsageThatWasTamperedWith(t *testing.T) {
	k := newKit(t)
	key, second := *k.createKey().KeyId, *k.createKey().KeyId
	k.encrypt(key, "p", nil)
	k.check(k.FlushUsage(t.Context()))
	row, err := k.store.Get(t.Context(), store.KMSKeyUsage, account+"/"+region+"/"+key)
	k.check(err)
	row.Key = account + "/" + region + "/" + second // the row of another key
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(store.KMSKeyUsage, row) }))
	_, err = k.GetKeyLastUsage(t.Context(), root(), &kmsapi.GetKeyLastUsageRequest{KeyId: &second})
	wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
	if !strings.Contains(k.log.String(), string(store.KMSKeyUsage)) {
		t.Errorf("log is %q, want it to name the table", k.log)
	}
	k.encrypt(second, "p", nil) // the next use puts a good one in its place
	k.check(k.FlushUsage(t.Context()))
	k.wantUse(second, k.last("Encrypt"))
}

// Uses, flushes and questions at the same time: each key's last use is known in
// the end.
func TestUsageConcurrently(t *testing.T) {
	k := newKit(t)
	keys := make([]string, 3)
	for i := range keys {
		keys[i] = *k.createKey().KeyId
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 20 {
				c := root()
				c.RequestID = fmt.Sprint("request ", i, j)
				if _, err := k.Encrypt(t.Context(), c, encryptRequest(keys[(i+j)%3], "p", nil)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			if err := k.FlushUsage(t.Context()); err != nil {
				t.Error(err)
			}
			if u := k.lastUsage(keys[i%3]).KeyLastUsage; u.Operation != nil && !strings.HasPrefix(*u.KmsRequestId, "request ") {
				t.Errorf("got request %s", *u.KmsRequestId)
			}
		}
	})
	wg.Wait()
	k.wait(time.Second)
	for _, id := range keys {
		k.encrypt(id, "p", nil)
		k.wantUse(id, k.last("Encrypt"))
	}
}

// BenchmarkUsage compares Encrypt with and without its use being noted, in turns.
func BenchmarkUsage(b *testing.B) {
	k := newKit(b)
	req := encryptRequest(*k.createKey().Arn, strings.Repeat("p", 32), map[string]string{"tenant": "t1"})
	ctx, c := context.Background(), root()
	ways := [2]func() error{
		func() error { return discard(k.Encrypt(ctx, c, req)) },
		func() error { return discard(k.EncryptUntracked(ctx, c, req)) },
	}
	var spent [2]time.Duration
	for turn := 0; b.Loop(); turn++ {
		for _, way := range []int{turn % 2, 1 - turn%2} { // neither is always the first
			begin := time.Now()
			for range 20 {
				if err := ways[way](); err != nil {
					b.Fatal(err)
				}
			}
			spent[way] += time.Since(begin)
		}
	}
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "with/without")
}
