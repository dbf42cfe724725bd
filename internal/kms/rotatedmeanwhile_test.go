package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// rotateBehind makes the domain key of region rotate, and its old version go,
// between the making of key material and the transaction that stores it, n times.
// The guard of tokens is what custody's is: it re-wraps, or refuses.
func (k *kit) rotateBehind(n int) {
	k.store.Guard(store.KMSKeyTokens, func(tx *store.Tx, r *store.Row) error {
		if n > 0 {
			n--
			old := k.module.NewestDomainKey(region)
			if _, err := k.module.NewDomainKey(region, old+1); err != nil {
				return err
			}
			if err := k.module.RemoveDomainKey(region, old); err != nil {
				return err
			}
		}
		b, err := kmsdb.TokenBinding(tx.Get, *r)
		if err == nil {
			r.Doc, err = k.module.Rewrap(r.Doc, b)
		}
		return err
	})
}

// A key is made although the version of the domain key that wrapped its material
// was destroyed before its token was stored: with other material, and once.
func TestDomainKeyDestroyedMeanwhile(t *testing.T) {
	for name, create := range map[string]func(k *kit) (id, material string, err error){
		"CreateKey": func(k *kit) (string, string, error) {
			r, err := k.CreateKey(k.t.Context(), root(), &kmsapi.CreateKeyRequest{})
			if err != nil {
				return "", "", err
			}
			return *r.KeyMetadata.KeyId, *r.KeyMetadata.CurrentKeyMaterialId, nil
		},
		"alias/aws/s3": func(k *kit) (string, string, error) {
			r, err := k.DescribeKey(k.t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: new("alias/aws/s3")})
			if err != nil {
				return "", "", err
			}
			return *r.KeyMetadata.KeyId, *r.KeyMetadata.CurrentKeyMaterialId, nil
		},
		"S3's own": func(k *kit) (string, string, error) {
			_, err := k.NewServiceDataKey(k.t.Context(), account, region)
			return "", "", err
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.rotateBehind(2)
			id, material, err := create(k)
			if err != nil {
				t.Fatal(err)
			}
			if got := k.module.NewestDomainKey(region); got != 3 {
				t.Fatalf("the domain key is at version %d, want 3", got)
			}
			var made []record
			for _, r := range k.records() {
				if r.EventName == "CreateKey" {
					made = append(made, r)
				}
			}
			if len(made) != 1 || made[0].ErrorCode != "" {
				t.Fatalf("the trail has %d records of CreateKey: %+v", len(made), made)
			}
			told := made[0].ResponseElements["keyMetadata"].(map[string]any)
			if id != "" && (told["keyId"] != id || told["currentKeyMaterialId"] != material) {
				t.Errorf("the record tells of key %v with material %v, want %s with %s", told["keyId"], told["currentKeyMaterialId"], id, material)
			}
			k.reopen() // what is stored opens
			if name == "CreateKey" {
				if got := decrypted(t, k, k.encrypt(id, "p", nil), nil); got != "p" {
					t.Errorf("got %q, want p", got)
				}
			}
			if got, again, err := create(k); name != "CreateKey" && (err != nil || got != id || again != material) {
				t.Errorf("the key is %s with %s, %v; want %s with %s", got, again, err, id, material)
			}
		})
	}
}

// A domain key that rotates faster than keys are made is no reason to try for
// ever.
func TestDomainKeyDestroyedTooOften(t *testing.T) {
	k := newKit(t)
	k.rotateBehind(1 << 20)
	_, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{})
	wantError(t, err, kmsapi.KMSInternalException, internalText)
	if rows, err := k.store.List(t.Context(), store.KMSKeys, store.Query{Limit: 1}); err != nil || len(rows) != 0 {
		t.Errorf("there are %d keys, %v; want none", len(rows), err)
	}
}
