package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestCreateKeyInCustomKeyStore(t *testing.T) {
	k := newKit(t)
	hsm := k.createStore(hsmStore(t, "h", testCluster))
	external := k.createStore(externalStore("x", "https://xks.example.com", "/kms/xks/v1"))
	inHSM, inExternal := kmsapi.OriginTypeAwsCloudhsm, kmsapi.OriginTypeExternalKeyStore
	type request = kmsapi.CreateKeyRequest
	for _, c := range []struct {
		name string
		req  request
		code awserr.Code
		text string
	}{
		{"no store", request{Origin: &inHSM}, kmsapi.ValidationException, "CustomKeyStoreId is required for Origin AWS_CLOUDHSM."},
		{"store alone", request{CustomKeyStoreId: &hsm}, kmsapi.ValidationException, "CustomKeyStoreId is not valid for Origin AWS_KMS."},
		{"store of imported material", request{Origin: new(kmsapi.OriginTypeExternal), CustomKeyStoreId: &hsm}, kmsapi.ValidationException, "CustomKeyStoreId is not valid for Origin EXTERNAL."},
		{"no external key", request{Origin: &inExternal, CustomKeyStoreId: &external}, kmsapi.ValidationException, "XksKeyId is required for Origin EXTERNAL_KEY_STORE."},
		{"external key in a cluster", request{Origin: &inHSM, CustomKeyStoreId: &hsm, XksKeyId: new("k")}, kmsapi.ValidationException, "XksKeyId is not valid for Origin AWS_CLOUDHSM."},
		{"external key alone", request{XksKeyId: new("k")}, kmsapi.ValidationException, "XksKeyId is not valid for Origin AWS_KMS."},
		{"asymmetric", request{Origin: &inHSM, CustomKeyStoreId: &hsm, KeySpec: new(kmsapi.KeySpecRsa2048), KeyUsage: new(kmsapi.KeyUsageTypeSignVerify)},
			kmsapi.UnsupportedOperationException, "KeySpec RSA_2048 is not supported in a custom key store."},
		{"multi-region", request{Origin: &inHSM, CustomKeyStoreId: &hsm, MultiRegion: new(true)}, kmsapi.UnsupportedOperationException, "Multi-Region keys are not supported in a custom key store."},
		{"absent store", request{Origin: &inHSM, CustomKeyStoreId: new("cks-1234567890abcdef0")}, kmsapi.CustomKeyStoreNotFoundException, ""},
		{"store of the other type", request{Origin: &inHSM, CustomKeyStoreId: &external}, kmsapi.ValidationException, "Origin AWS_CLOUDHSM is not valid for a custom key store of type EXTERNAL_KEY_STORE."},
		{"disconnected", request{Origin: &inHSM, CustomKeyStoreId: &hsm}, kmsapi.CustomKeyStoreInvalidStateException, stateText(hsm, "DISCONNECTED")},
		{"disconnected external", request{Origin: &inExternal, CustomKeyStoreId: &external, XksKeyId: new("k")}, kmsapi.CustomKeyStoreInvalidStateException, stateText(external, "DISCONNECTED")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.CreateKey(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
	k.connect(hsm)
	_, err := k.CreateKey(t.Context(), root(), &request{Origin: &inHSM, CustomKeyStoreId: &hsm})
	wantError(t, err, kmsapi.CustomKeyStoreInvalidStateException, stateText(hsm, "FAILED"))
}

func TestGenerateRandomOfCustomKeyStore(t *testing.T) {
	k := newKit(t)
	hsm := k.createStore(hsmStore(t, "h", testCluster))
	external := k.createStore(externalStore("x", "https://xks.example.com", "/kms/xks/v1"))
	for _, c := range []struct {
		name, id string
		code     awserr.Code
		text     string
	}{
		{"absent", "cks-1234567890abcdef0", kmsapi.CustomKeyStoreNotFoundException, ""},
		{"external", external, kmsapi.UnsupportedOperationException, "CustomKeyStoreId is not valid for a custom key store of type EXTERNAL_KEY_STORE."},
		{"disconnected", hsm, kmsapi.CustomKeyStoreInvalidStateException, stateText(hsm, "DISCONNECTED")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.GenerateRandom(t.Context(), root(), &kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(8)), CustomKeyStoreId: &c.id})
			wantError(t, err, c.code, c.text)
		})
	}
}
