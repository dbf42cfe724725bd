package kms_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// When DisableKey has returned, no call that begins later succeeds, however
// many loads of the key are under way.
func TestDisabledMeansDisabledAtOnce(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	// on is what the last finished EnableKey or DisableKey said, and epoch how
	// many have begun and finished: odd while one runs.
	var on atomic.Bool
	var epoch atomic.Int64
	on.Store(true)
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
				before, want := epoch.Load(), on.Load()
				_, err := k.Encrypt(t.Context(), root(), encryptRequest(id, "p", nil))
				if before%2 == 1 || epoch.Load() != before {
					continue // the state changed meanwhile: either answer is right
				}
				if want && err != nil || !want && !errors.Is(err, kmsapi.DisabledException) {
					t.Errorf("enabled is %t, error is %v", want, err)
				}
			}
		})
	}
	for range 30 {
		epoch.Add(1)
		k.disable(id)
		on.Store(false)
		epoch.Add(1)
		if _, err := k.Encrypt(t.Context(), root(), encryptRequest(id, "p", nil)); !errors.Is(err, kmsapi.DisabledException) {
			t.Errorf("after DisableKey the error is %v", err)
		}
		epoch.Add(1)
		k.check(k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: &id}))
		on.Store(true)
		epoch.Add(1)
	}
	close(stop)
	wg.Wait()
}

// An alias that was looked up before it was there is found afterwards.
func TestAliasIsFoundAtOnce(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	if _, err := k.Encrypt(t.Context(), root(), encryptRequest("alias/app", "p", nil)); !errors.Is(err, kmsapi.NotFoundException) {
		t.Fatalf("error is %v, want NotFoundException", err)
	}
	k.createAlias("alias/app", id)
	k.encrypt("alias/app", "p", nil)
}

func TestConcurrentCreateAlias(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	var made, exists atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/app"), TargetKeyId: &id})
			switch {
			case err == nil:
				made.Add(1)
			case errors.Is(err, kmsapi.AlreadyExistsException):
				exists.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || exists.Load() != 7 {
		t.Errorf("%d were made and %d existed, want 1 and 7", made.Load(), exists.Load())
	}
}

// While the trail cannot be written nothing is answered and nothing changes.
func TestNoAnswerWithoutARecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.check(k.trail.Close())
	for name, call := range map[string]func() (answered bool, err error){
		"Encrypt": func() (bool, error) {
			r, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
			return r != nil, err
		},
		"Decrypt": func() (bool, error) {
			r, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
			return r != nil, err
		},
		"DisableKey": func() (bool, error) {
			return false, k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: key.KeyId})
		},
		"NewServiceDataKey": func() (bool, error) {
			d, err := k.NewServiceDataKey(t.Context(), account, region)
			return d.Handle != nil, err
		},
	} {
		answered, err := call()
		if answered || !errors.Is(err, gate.ErrTrail) {
			t.Errorf("%s: answered %t, error %v; want ErrTrail alone", name, answered, err)
		}
	}
	stored, err := k.db().Keys(t.Context(), account, region, "", 10)
	k.check(err)
	if len(stored) != 1 || stored[0].State != kmsapi.KeyStateEnabled {
		t.Errorf("keys are %+v, want the one enabled key", stored)
	}
}
