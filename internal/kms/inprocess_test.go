package kms_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

var objectContext = map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/key"}

// sameKey reports whether two handles hold one data key: one opens what the
// other wrapped.
func sameKey(t *testing.T, a, b *hsm.DataKey) bool {
	t.Helper()
	_, wrapped, err := a.NewObjectKey([]byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.OpenObjectKey(wrapped, []byte("aad"))
	return err == nil
}

func TestDataKeyInCustody(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	for _, id := range []string{*key.KeyId, *key.Arn, "alias/app", "arn:aws:kms:us-east-1:111122223333:alias/app"} {
		d, err := k.NewDataKey(t.Context(), alice(), id, objectContext)
		if err != nil {
			t.Fatal(err)
		}
		if d.KeyARN != *key.Arn {
			t.Errorf("KeyARN is %s, want %s", d.KeyARN, *key.Arn)
		}
		opened, err := k.OpenDataKey(t.Context(), alice(), d.KeyARN, d.Blob, objectContext)
		if err != nil {
			t.Fatal(err)
		}
		if !sameKey(t, d.Handle, opened) {
			t.Error("the opened data key is another one")
		}
	}
}

func TestDataKeyErrors(t *testing.T) {
	k := newKit(t)
	key, wrong := k.createKey(), k.createKey()
	d, err := k.NewDataKey(t.Context(), root(), *key.KeyId, objectContext)
	k.check(err)
	_, err = k.OpenDataKey(t.Context(), root(), *key.Arn, d.Blob, nil)
	wantError(t, err, kmsapi.InvalidCiphertextException, "")
	_, err = k.OpenDataKey(t.Context(), root(), *wrong.Arn, d.Blob, objectContext)
	wantError(t, err, kmsapi.IncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation.")
	_, err = k.NewDataKey(t.Context(), root(), "fake-key-id", objectContext)
	wantError(t, err, kmsapi.NotFoundException, "Invalid keyId 'fake-key-id'")
	_, err = k.NewDataKey(t.Context(), bob(), *key.KeyId, objectContext)
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:GenerateDataKey on resource: "+*key.Arn+" because no identity-based policy allows the kms:GenerateDataKey action")
	_, err = k.OpenDataKey(t.Context(), bob(), *key.Arn, d.Blob, objectContext)
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:Decrypt on resource: "+*key.Arn+" because no identity-based policy allows the kms:Decrypt action")
	k.disable(*key.KeyId)
	_, err = k.OpenDataKey(t.Context(), root(), *key.Arn, d.Blob, objectContext)
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
	// A data key that is not 32 bytes long cannot be one of S3's.
	k.check(k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}))
	_, err = k.OpenDataKey(t.Context(), root(), *key.Arn, k.encrypt(*key.KeyId, "short", objectContext), objectContext)
	wantError(t, err, kmsapi.InvalidCiphertextException, "")
}

// What S3 does for a caller is recorded as the caller's, through AWS.
func TestDataKeyRecords(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	d, err := k.NewDataKey(t.Context(), alice(), *key.Arn, objectContext)
	k.check(err)
	r := k.last("GenerateDataKey")
	wantParameters(t, r.RequestParameters, `{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/key"},"keyId":"`+*key.Arn+`","keySpec":"AES_256"}`)
	check := func(r record) {
		t.Helper()
		if r.UserIdentity["userName"] != "alice" || r.UserIdentity["invokedBy"] != "AWS Internal" || r.SourceIPAddress != "AWS Internal" || r.UserAgent != "AWS Internal" {
			t.Errorf("record is %s, want alice's through AWS Internal", r.raw)
		}
		wantParameters(t, r.AdditionalEventData, `{"keyMaterialId":"`+*key.CurrentKeyMaterialId+`"}`)
	}
	check(r)
	_, err = k.OpenDataKey(t.Context(), alice(), d.KeyARN, d.Blob, objectContext)
	k.check(err)
	r = k.last("Decrypt")
	wantParameters(t, r.RequestParameters, `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/key"}}`)
	check(r)
}

func TestManagedKeyIsMadeOnce(t *testing.T) {
	k := newKit(t)
	var wg sync.WaitGroup
	keys := make([]kms.DataKey, 16)
	for i := range keys {
		id := []string{"", "alias/aws/s3", "arn:aws:kms:us-east-1:111122223333:alias/aws/s3"}[i%3]
		wg.Go(func() {
			var err error
			if keys[i], err = k.NewDataKey(t.Context(), alice(), id, objectContext); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, d := range keys {
		if d.KeyARN != keys[0].KeyARN {
			t.Errorf("keys are %s and %s, want one", d.KeyARN, keys[0].KeyARN)
		}
	}
	made := 0
	for _, r := range k.records() {
		if r.EventName == "CreateKey" {
			made++
			if r.UserIdentity["type"] != "AWSService" || r.UserIdentity["invokedBy"] != "s3.amazonaws.com" || len(r.Resources) != 2 || r.ResponseElements == nil {
				t.Errorf("record is %s, want S3's own, with key and alias", r.raw)
			}
		}
	}
	if made != 1 {
		t.Errorf("%d records of CreateKey, want 1", made)
	}
	aliases, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{})
	k.check(err)
	if len(aliases.Aliases) != 1 || *aliases.Aliases[0].AliasName != "alias/aws/s3" || !slices.Contains([]string{keys[0].KeyARN}, "arn:aws:kms:us-east-1:111122223333:key/"+*aliases.Aliases[0].TargetKeyId) {
		t.Errorf("aliases are %+v, want alias/aws/s3 with its key", aliases.Aliases)
	}
	// One account's and region's managed key is not another's.
	d, err := k.NewDataKey(t.Context(), caller(account, region2), "", objectContext)
	k.check(err)
	e, err := k.NewDataKey(t.Context(), caller(other, region), "", objectContext)
	k.check(err)
	if d.KeyARN == keys[0].KeyARN || e.KeyARN == keys[0].KeyARN {
		t.Error("two accounts or regions share a managed key")
	}
}

func TestManagedKeyIsNotMadeForWhoMayNotUseIt(t *testing.T) {
	k := newKit(t)
	k.rights.give(bobARN, `{"Effect":"Deny","Action":"kms:GenerateDataKey","Resource":"*"}`)
	_, err := k.NewDataKey(t.Context(), bob(), "", objectContext)
	if !errors.Is(err, gate.AccessDenied) || !strings.HasSuffix(err.Error(), " with an explicit deny in an identity-based policy") {
		t.Errorf("error is %v, want a denial", err)
	}
	if keys, err := k.db().Keys(t.Context(), account, region, "", 1); err != nil || len(keys) != 0 {
		t.Errorf("keys are %v, %v, want none", keys, err)
	}
	// Whom no policy of KMS names needs none: the key's policy is for all who
	// come through S3.
	k.rights.give(bobARN, "")
	if _, err := k.NewDataKey(t.Context(), bob(), "", objectContext); err != nil {
		t.Error(err)
	}
}

// The policy of an AWS managed key: S3 may use it, its account may look at it,
// and nobody may manage it or use it directly, root included.
func TestManagedKeyDirectly(t *testing.T) {
	k := newKit(t)
	d, err := k.NewDataKey(t.Context(), root(), "", objectContext)
	k.check(err)
	arn := d.KeyARN
	_, err = k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: &arn})
	k.check(err)
	for action, call := range map[string]func() error{
		"DisableKey": func() error { return k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: &arn}) },
		"EnableKey":  func() error { return k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: &arn}) },
		"CreateAlias": func() error {
			return k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/mine"), TargetKeyId: &arn})
		},
		"Encrypt": func() error {
			_, err := k.Encrypt(t.Context(), root(), encryptRequest("alias/aws/s3", "p", nil))
			return err
		},
		"GenerateDataKey": func() error {
			_, err := k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: &arn, KeySpec: new(kmsapi.DataKeySpecAes256)})
			return err
		},
		"Decrypt": func() error {
			_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{KeyId: &arn, CiphertextBlob: d.Blob, EncryptionContext: objectContext})
			return err
		},
	} {
		t.Run(action, func(t *testing.T) {
			wantError(t, call(), gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:"+action+" on resource: "+arn+" because no resource-based policy allows the kms:"+action+" action")
		})
	}
}

func TestServiceDataKey(t *testing.T) {
	k := newKit(t)
	var wg sync.WaitGroup
	made := make([]kms.DataKey, 8)
	for i := range made {
		wg.Go(func() {
			var err error
			if made[i], err = k.NewServiceDataKey(t.Context(), account, region); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k.reopen()
	for _, d := range made {
		opened, err := k.OpenServiceDataKey(t.Context(), account, region, d.Blob)
		if err != nil {
			t.Fatal(err)
		}
		if !sameKey(t, d.Handle, opened) {
			t.Error("the opened data key is another one")
		}
	}
	var names []string
	for _, r := range k.records() {
		names = append(names, r.EventName)
	}
	if !slices.Equal(names, []string{"CreateKey"}) {
		t.Errorf("records are of %v, want the making of the key alone", names)
	}
	if r := k.last("CreateKey"); len(r.Resources) != 1 || !strings.HasPrefix(r.Resources[0].ARN, "arn:aws:kms:us-east-1:111122223333:key/") || len(r.Resources[0].ARN) != 75 {
		t.Errorf("record is %s, want the key's ARN", r.raw)
	}
	keys, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{})
	k.check(err)
	if len(keys.Keys) != 0 {
		t.Errorf("ListKeys shows %+v, want nothing", keys.Keys)
	}
}

// Of a key that S3 did not get to make no record speaks, and the next use makes
// one.
func TestManagedKeysThatWereNotMade(t *testing.T) {
	for name, use := range map[string]func(context.Context, *kit) error{
		"aws/s3": func(ctx context.Context, k *kit) error {
			_, err := k.NewDataKey(ctx, root(), "", objectContext)
			return err
		},
		"S3's own": func(ctx context.Context, k *kit) error {
			_, err := k.NewServiceDataKey(ctx, account, region)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			ctx, cancel := context.WithCancel(t.Context())
			k.tick = cancel // after the key is thought up, before it is stored
			err := use(ctx, k)
			wantError(t, err, kmsapi.RequestAbortedException, "The request was aborted before it could be answered.")
			for _, r := range k.records() {
				if r.ErrorCode != "RequestAbortedException" || r.ResponseElements != nil || strings.Contains(r.raw, ":key/") {
					t.Errorf("record is %s, want a failure without a key", r.raw)
				}
			}
			k.tick = nil
			k.check(use(t.Context(), k))
		})
	}
}

func TestServiceDataKeyOpensNothingElse(t *testing.T) {
	k := newKit(t)
	d, err := k.NewServiceDataKey(t.Context(), account, region)
	k.check(err)
	elsewhere, err := k.NewServiceDataKey(t.Context(), other, region)
	k.check(err)
	user, err := k.NewDataKey(t.Context(), root(), *k.createKey().KeyId, nil)
	k.check(err)
	for name, blob := range map[string][]byte{
		"another account's": elsewhere.Blob, "a user's": user.Blob, "truncated": d.Blob[:len(d.Blob)-1],
		"extended": append(bytes.Clone(d.Blob), 0), "empty": nil,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.OpenServiceDataKey(t.Context(), account, region, blob)
			wantError(t, err, kmsapi.InvalidCiphertextException, "")
		})
	}
	_, err = k.OpenServiceDataKey(t.Context(), account, region2, d.Blob)
	wantError(t, err, kmsapi.InvalidCiphertextException, "")
}
