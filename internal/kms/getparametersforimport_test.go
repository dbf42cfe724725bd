package kms_test

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

func TestGetParametersForImport(t *testing.T) {
	k := newKit(t)
	key := k.createExternal("", "")
	for spec, bits := range map[kmsapi.WrappingKeySpec]int{
		kmsapi.WrappingKeySpecRsa2048: 2048, kmsapi.WrappingKeySpecRsa3072: 3072, kmsapi.WrappingKeySpecRsa4096: 4096,
	} {
		r, err := k.GetParametersForImport(t.Context(), root(), &kmsapi.GetParametersForImportRequest{
			KeyId: key.KeyId, WrappingAlgorithm: new(kmsapi.AlgorithmSpecRsaesOaepSha256), WrappingKeySpec: &spec,
		})
		k.check(err)
		public, err := x509.ParsePKIXPublicKey(r.PublicKey.Expose())
		k.check(err)
		if got := public.(*rsa.PublicKey).N.BitLen(); got != bits {
			t.Errorf("%s: got a public key of %d bits, want %d", spec, got, bits)
		}
		if want := k.now.Load().Truncate(time.Millisecond).Add(24 * time.Hour); *r.KeyId != *key.Arn || !r.ParametersValidTo.Equal(want) {
			t.Errorf("%s: got %s until %v, want %s until %v", spec, *r.KeyId, r.ParametersValidTo, *key.Arn, want)
		}
		if n := len(r.ImportToken); n == 0 || n > 6144 {
			t.Errorf("%s: got a token of %d bytes, want 1 to 6144", spec, n)
		}
		wantParameters(t, k.last("GetParametersForImport").RequestParameters,
			`{"keyId":"`+*key.KeyId+`","wrappingAlgorithm":"RSAES_OAEP_SHA_256","wrappingKeySpec":"`+string(spec)+`"}`)
	}
}

// How material can be wrapped depends on what it is.
func TestGetParametersForImportAlgorithms(t *testing.T) {
	k := newKit(t)
	oaep := []kmsapi.AlgorithmSpec{kmsapi.AlgorithmSpecRsaesOaepSha1, kmsapi.AlgorithmSpecRsaesOaepSha256}
	hybrid := []kmsapi.AlgorithmSpec{kmsapi.AlgorithmSpecRsaAesKeyWrapSha1, kmsapi.AlgorithmSpecRsaAesKeyWrapSha256}
	rsa2048, rsa3072, sm2 := kmsapi.WrappingKeySpecRsa2048, kmsapi.WrappingKeySpecRsa3072, kmsapi.WrappingKeySpecSm2
	for _, tt := range []struct {
		spec       kmsapi.KeySpec
		usage      kmsapi.KeyUsageType
		wrapping   kmsapi.WrappingKeySpec
		algorithms []kmsapi.AlgorithmSpec
		want       bool
	}{
		{kmsapi.KeySpecSymmetricDefault, kmsapi.KeyUsageTypeEncryptDecrypt, rsa2048, oaep, true},
		{kmsapi.KeySpecSymmetricDefault, kmsapi.KeyUsageTypeEncryptDecrypt, rsa2048, hybrid, false},
		{kmsapi.KeySpecHmac512, kmsapi.KeyUsageTypeGenerateVerifyMac, rsa2048, oaep, true},
		{kmsapi.KeySpecHmac512, kmsapi.KeyUsageTypeGenerateVerifyMac, rsa2048, hybrid, false},
		{kmsapi.KeySpecEccNistP256, kmsapi.KeyUsageTypeSignVerify, rsa2048, append(oaep, hybrid...), true},
		{kmsapi.KeySpecEccNistP521, kmsapi.KeyUsageTypeSignVerify, rsa2048, oaep, false},
		{kmsapi.KeySpecEccNistP521, kmsapi.KeyUsageTypeSignVerify, rsa2048, hybrid, true},
		{kmsapi.KeySpecEccNistP521, kmsapi.KeyUsageTypeSignVerify, rsa3072, oaep[1:], true},
		{kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeEncryptDecrypt, rsa2048, oaep, false},
		{kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeEncryptDecrypt, rsa2048, hybrid, true},
		{kmsapi.KeySpecSymmetricDefault, kmsapi.KeyUsageTypeEncryptDecrypt, rsa2048, []kmsapi.AlgorithmSpec{kmsapi.AlgorithmSpecSm2pke}, false},
	} {
		key := k.createExternal(tt.spec, tt.usage)
		for _, algorithm := range tt.algorithms {
			t.Run(fmt.Sprint(tt.spec, tt.wrapping, algorithm), func(t *testing.T) {
				_, err := k.GetParametersForImport(t.Context(), root(), &kmsapi.GetParametersForImportRequest{
					KeyId: key.KeyId, WrappingAlgorithm: &algorithm, WrappingKeySpec: &tt.wrapping,
				})
				if tt.want {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantError(t, err, kmsapi.UnsupportedOperationException, fmt.Sprintf("WrappingAlgorithm %s and WrappingKeySpec %s are not supported for KMS keys with KeySpec %s.", algorithm, tt.wrapping, tt.spec))
			})
		}
	}
	key := k.createExternal("", "")
	_, err := k.GetParametersForImport(t.Context(), root(), &kmsapi.GetParametersForImportRequest{
		KeyId: key.KeyId, WrappingAlgorithm: new(kmsapi.AlgorithmSpecRsaesPkcs1V15), WrappingKeySpec: &rsa2048,
	})
	wantError(t, err, kmsapi.UnsupportedOperationException, "WrappingAlgorithm RSAES_PKCS1_V1_5 is not supported.")
	// SM2 is for China; the first region of the kit is taken for one there.
	_, err = k.GetParametersForImport(t.Context(), root(), &kmsapi.GetParametersForImportRequest{
		KeyId: key.KeyId, WrappingAlgorithm: new(kmsapi.AlgorithmSpecSm2pke), WrappingKeySpec: &sm2,
	})
	k.check(err)
	there := caller(account, region2)
	r, err := k.CreateKey(t.Context(), there, &kmsapi.CreateKeyRequest{Origin: new(kmsapi.OriginTypeExternal)})
	k.check(err)
	_, err = k.GetParametersForImport(t.Context(), there, &kmsapi.GetParametersForImportRequest{
		KeyId: r.KeyMetadata.KeyId, WrappingAlgorithm: new(kmsapi.AlgorithmSpecSm2pke), WrappingKeySpec: &sm2,
	})
	wantError(t, err, kmsapi.UnsupportedOperationException, "SM2 is not supported in this region.")
}

// Origin comes before state: only keys of origin EXTERNAL take material.
func TestGetParametersForImportOfOtherKeys(t *testing.T) {
	k := newKit(t)
	try := func(id *string) error {
		_, err := k.GetParametersForImport(t.Context(), root(), &kmsapi.GetParametersForImportRequest{
			KeyId: id, WrappingAlgorithm: new(kmsapi.AlgorithmSpecRsaesOaepSha256), WrappingKeySpec: new(kmsapi.WrappingKeySpecRsa2048),
		})
		return err
	}
	own := k.createKey()
	text := *own.Arn + " origin is AWS_KMS which is not valid for this operation."
	wantError(t, try(own.KeyId), kmsapi.UnsupportedOperationException, text)
	k.schedule(*own.KeyId, 7)
	wantError(t, try(own.Arn), kmsapi.UnsupportedOperationException, text)
	external := k.createExternal("", "")
	k.change(*external.KeyId, func(key *kmsdb.Key) { key.State = kmsapi.KeyStateDisabled })
	k.check(try(external.KeyId))
	k.schedule(*external.KeyId, 7)
	wantError(t, try(external.KeyId), kmsapi.KMSInvalidStateException, *external.Arn+" is pending deletion.")
	wantError(t, try(new("alias/none")), kmsapi.NotFoundException, "Invalid keyId 'alias/none'")
}
