package kms_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"runtime"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// pairSpecs are the specs of data key pairs, and those of them that crypto/x509
// knows. (The others are in the tests with openssl.)
var pairSpecs = map[kmsapi.DataKeyPairSpec]bool{
	kmsapi.DataKeyPairSpecRsa2048: true, kmsapi.DataKeyPairSpecRsa3072: true, kmsapi.DataKeyPairSpecRsa4096: true,
	kmsapi.DataKeyPairSpecEccNistP256: true, kmsapi.DataKeyPairSpecEccNistP384: true, kmsapi.DataKeyPairSpecEccNistP521: true,
	kmsapi.DataKeyPairSpecEccNistEdwards25519: true, kmsapi.DataKeyPairSpecEccSecgP256k1: false, kmsapi.DataKeyPairSpecSm2: false,
}

func TestGenerateDataKeyPair(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for spec, known := range pairSpecs {
		t.Run(string(spec), func(t *testing.T) {
			r, err := k.GenerateDataKeyPair(t.Context(), alice(), &kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId, KeyPairSpec: &spec, EncryptionContext: tenant})
			if err != nil {
				t.Fatal(err)
			}
			if *r.KeyId != *key.Arn || *r.KeyMaterialId != *key.CurrentKeyMaterialId || *r.KeyPairSpec != spec || r.CiphertextForRecipient != nil {
				t.Errorf("answer is of %s, %s, %s", *r.KeyId, *r.KeyMaterialId, *r.KeyPairSpec)
			}
			if n := len(r.PrivateKeyCiphertextBlob); n > 6144 {
				t.Errorf("the blob has %d bytes", n)
			}
			if decrypted(t, k, r.PrivateKeyCiphertextBlob, tenant) != string(r.PrivateKeyPlaintext.Expose()) {
				t.Error("the blob does not open to the private key")
			}
			if known {
				wantPair(t, spec, r.PrivateKeyPlaintext.Expose(), r.PublicKey)
			}
			_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: r.PrivateKeyCiphertextBlob})
			wantError(t, err, kmsapi.InvalidCiphertextException, "") // bound to the context
		})
	}
}

// wantPair says that the two keys are one pair of a spec.
func wantPair(t *testing.T, spec kmsapi.DataKeyPairSpec, pkcs8, spki []byte) {
	t.Helper()
	private, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	var is string
	var public any
	switch k := private.(type) {
	case *rsa.PrivateKey:
		public = &k.PublicKey
		is = map[int]string{2048: "RSA_2048", 3072: "RSA_3072", 4096: "RSA_4096"}[k.N.BitLen()]
	case *ecdsa.PrivateKey:
		public = &k.PublicKey
		is = map[string]string{"P-256": "ECC_NIST_P256", "P-384": "ECC_NIST_P384", "P-521": "ECC_NIST_P521"}[k.Curve.Params().Name]
	case ed25519.PrivateKey:
		public, is = k.Public(), "ECC_NIST_EDWARDS25519"
	}
	if is != string(spec) {
		t.Errorf("the private key is %T of %s, want %s", private, is, spec)
	}
	want, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(spki, want) {
		t.Errorf("the public key is %x, want that of the private key, %x", spki, want)
	}
}

func TestGenerateDataKeyPairWithoutPlaintext(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	r, err := k.GenerateDataKeyPairWithoutPlaintext(t.Context(), alice(), &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{
		KeyId: key.Arn, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP384), EncryptionContext: tenant,
	})
	k.check(err)
	if *r.KeyId != *key.Arn || *r.KeyMaterialId != *key.CurrentKeyMaterialId || *r.KeyPairSpec != kmsapi.DataKeyPairSpecEccNistP384 {
		t.Errorf("answer is of %s, %s, %s", *r.KeyId, *r.KeyMaterialId, *r.KeyPairSpec)
	}
	record := k.last("GenerateDataKeyPairWithoutPlaintext")
	wantPair(t, *r.KeyPairSpec, []byte(decrypted(t, k, r.PrivateKeyCiphertextBlob, tenant)), r.PublicKey)
	wantParameters(t, record.RequestParameters, `{"encryptionContext":{"tenant":"t1"},"keyId":"`+*key.Arn+`","keyPairSpec":"ECC_NIST_P384"}`)
	wantParameters(t, record.AdditionalEventData, `{"keyMaterialId":"`+*key.CurrentKeyMaterialId+`"}`)
	if !record.ReadOnly || record.ResponseElements != nil || len(record.Resources) != 1 || record.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a read of the key", record.raw)
	}
}

func TestGenerateDataKeyPairRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	_, err := k.GenerateDataKeyPair(t.Context(), alice(), &kmsapi.GenerateDataKeyPairRequest{KeyId: new("alias/app"), KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})
	k.check(err)
	record := k.last("GenerateDataKeyPair")
	wantParameters(t, record.RequestParameters, `{"keyId":"alias/app","keyPairSpec":"ECC_NIST_P256"}`)
	wantParameters(t, record.AdditionalEventData, `{"keyMaterialId":"`+*key.CurrentKeyMaterialId+`"}`)
	if !record.ReadOnly || record.ResponseElements != nil {
		t.Errorf("record is %s, want a read without an answer", record.raw)
	}
}

// Each refusal is that of both operations.
func TestGenerateDataKeyPairRefusals(t *testing.T) {
	k := newKit(t)
	key, disabled, rsa := k.createKey(), k.createKey(), k.rsaKey()
	k.disable(*disabled.KeyId)
	signing, hmac := k.createKeyOf(kmsapi.KeySpecEccNistP256, kmsapi.KeyUsageTypeSignVerify), k.createKeyOf(kmsapi.KeySpecHmac256, kmsapi.KeyUsageTypeGenerateVerifyMac)
	stored := map[kmsapi.OriginType]*kmsapi.KeyMetadata{}
	for _, origin := range []kmsapi.OriginType{kmsapi.OriginTypeAwsCloudhsm, kmsapi.OriginTypeExternalKeyStore} {
		stored[origin] = k.createKey()
		k.change(*stored[origin].KeyId, func(k *kmsdb.Key) { k.Origin, k.CustomKeyStore = origin, "cks-1234567890abcdef0" })
	}
	hsm, xks := stored[kmsapi.OriginTypeAwsCloudhsm], stored[kmsapi.OriginTypeExternalKeyStore]
	p256 := kmsapi.DataKeyPairSpecEccNistP256
	const asymmetric = "You cannot generate a data key with an asymmetric CMK"
	for _, c := range []struct {
		name   string
		region string
		req    kmsapi.GenerateDataKeyPairRequest
		code   awserr.Code
		text   func(operation string) string
	}{
		{"no spec", region, kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId}, kmsapi.ValidationException, always("1 validation error detected: Value null at 'keyPairSpec' failed to satisfy constraint: Member must not be null")},
		{"a spec that is none", region, kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId, KeyPairSpec: new(kmsapi.DataKeyPairSpec("RSA_1024"))}, kmsapi.ValidationException, always("1 validation error detected: Value 'RSA_1024' at 'keyPairSpec' failed to satisfy constraint: Member must satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, SM2, ECC_NIST_EDWARDS25519]")},
		{"no such key", region, kmsapi.GenerateDataKeyPairRequest{KeyId: new(absentID), KeyPairSpec: &p256}, kmsapi.NotFoundException, always("Key 'arn:aws:kms:us-east-1:111122223333:key/" + absentID + "' does not exist")},
		{"an RSA key", region, kmsapi.GenerateDataKeyPairRequest{KeyId: rsa.KeyId, KeyPairSpec: &p256}, kmsapi.InvalidKeyUsageException, always(asymmetric)},
		{"a signing key", region, kmsapi.GenerateDataKeyPairRequest{KeyId: signing.KeyId, KeyPairSpec: &p256}, kmsapi.InvalidKeyUsageException, func(op string) string {
			return *signing.Arn + " key usage is SIGN_VERIFY which is not valid for " + op + "."
		}},
		{"an HMAC key", region, kmsapi.GenerateDataKeyPairRequest{KeyId: hmac.KeyId, KeyPairSpec: &p256}, kmsapi.InvalidKeyUsageException, func(op string) string {
			return *hmac.Arn + " key usage is GENERATE_VERIFY_MAC which is not valid for " + op + "."
		}},
		{"a key of a CloudHSM key store", region, kmsapi.GenerateDataKeyPairRequest{KeyId: hsm.KeyId, KeyPairSpec: &p256}, kmsapi.UnsupportedOperationException, always(*hsm.Arn + " origin is AWS_CLOUDHSM which is not valid for this operation.")},
		{"a key of an external key store", region, kmsapi.GenerateDataKeyPairRequest{KeyId: xks.KeyId, KeyPairSpec: &p256}, kmsapi.UnsupportedOperationException, always(*xks.Arn + " origin is EXTERNAL_KEY_STORE which is not valid for this operation.")},
		{"a disabled key", region, kmsapi.GenerateDataKeyPairRequest{KeyId: disabled.KeyId, KeyPairSpec: &p256}, kmsapi.DisabledException, always(*disabled.Arn + " is disabled.")},
		{"a large context", region, kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId, KeyPairSpec: &p256, EncryptionContext: map[string]string{"k": string(make([]byte, 8<<10))}}, kmsapi.ValidationException, always("The encryption context exceeds the maximum of 8192 bytes.")},
		{"a grant token", region, kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId, KeyPairSpec: &p256, GrantTokens: []string{"t"}}, kmsapi.InvalidGrantTokenException, always("The grant token is not valid.")},
		{"dry run", region, kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId, KeyPairSpec: new(kmsapi.DataKeyPairSpecRsa4096), DryRun: new(true)}, kmsapi.DryRunOperationException, always(would)},
		{"SM2 outside of China", region2, kmsapi.GenerateDataKeyPairRequest{KeyPairSpec: new(kmsapi.DataKeyPairSpecSm2)}, kmsapi.UnsupportedOperationException, always("SM2 is not supported in this region.")},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller := caller(account, c.region)
			if c.req.KeyId == nil {
				r, err := k.CreateKey(t.Context(), caller, &kmsapi.CreateKeyRequest{})
				k.check(err)
				c.req.KeyId = r.KeyMetadata.KeyId
			}
			_, err := k.GenerateDataKeyPair(t.Context(), caller, &c.req)
			wantError(t, err, c.code, c.text("GenerateDataKeyPair"))
			_, err = k.GenerateDataKeyPairWithoutPlaintext(t.Context(), caller, &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{
				KeyId: c.req.KeyId, KeyPairSpec: c.req.KeyPairSpec, EncryptionContext: c.req.EncryptionContext, GrantTokens: c.req.GrantTokens, DryRun: c.req.DryRun,
			})
			wantError(t, err, c.code, c.text("GenerateDataKeyPairWithoutPlaintext"))
		})
	}
	_, err := k.GenerateDataKeyPair(t.Context(), bob(), &kmsapi.GenerateDataKeyPairRequest{KeyId: disabled.KeyId, KeyPairSpec: &p256})
	wantError(t, err, gate.AccessDenied, "User: "+bobARN+" is not authorized to perform: kms:GenerateDataKeyPair on resource: "+*disabled.Arn+" because no identity-based policy allows the kms:GenerateDataKeyPair action")
}

func always(text string) func(string) string { return func(string) string { return text } }

// No private key leaves for an enclave that was not proved to be one.
func TestGenerateDataKeyPairForARecipientFailsClosed(t *testing.T) {
	k := newKit(t)
	_, err := k.GenerateDataKeyPair(t.Context(), root(), &kmsapi.GenerateDataKeyPairRequest{
		KeyId: k.createKey().KeyId, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256), Recipient: &kmsapi.RecipientInfo{AttestationDocument: []byte("document")},
	})
	wantError(t, err, kmsapi.UnsupportedOperationException, "The Recipient parameter is not supported yet.")
}

// When RSA keys are being generated, a call for another waits until its caller
// goes away; what needs no RSA key does not wait.
func TestGenerateDataKeyPairWaitsForItsTurn(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	external, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{Origin: new(kmsapi.OriginTypeExternal)})
	k.check(err)
	end, err := k.HoldTurns(t.Context(), other)
	defer end()
	k.check(err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := map[string]func() error{
		"GenerateDataKeyPair": func() error {
			_, err := k.GenerateDataKeyPair(ctx, root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId, KeyPairSpec: new(kmsapi.DataKeyPairSpecRsa2048)})
			return err
		},
		"CreateKey": func() error {
			_, err := k.CreateKey(ctx, root(), &kmsapi.CreateKeyRequest{KeySpec: new(kmsapi.KeySpecRsa2048), KeyUsage: new(kmsapi.KeyUsageTypeEncryptDecrypt)})
			return err
		},
		"GetParametersForImport": func() error {
			_, err := k.GetParametersForImport(ctx, root(), &kmsapi.GetParametersForImportRequest{KeyId: external.KeyMetadata.KeyId, WrappingAlgorithm: new(kmsapi.AlgorithmSpecRsaesOaepSha256), WrappingKeySpec: new(kmsapi.WrappingKeySpecRsa2048)})
			return err
		},
	}
	answers := make(chan error)
	for _, call := range calls {
		go func() { answers <- call() }()
	}
	for k.Waiting(account) < len(calls) {
		select {
		case err := <-answers:
			t.Fatalf("a call did not wait: %v", err)
		default:
			runtime.Gosched()
		}
	}
	_, err = k.GenerateDataKeyPair(t.Context(), root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: key.KeyId, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})
	k.check(err)
	k.encrypt(*key.KeyId, "p", nil)
	cancel()
	for range calls {
		wantError(t, <-answers, kmsapi.RequestAbortedException, "The request was aborted before it could be answered.")
	}
	if n := k.Waiting(account); n != 0 {
		t.Errorf("%d calls wait, want none", n)
	}
}
