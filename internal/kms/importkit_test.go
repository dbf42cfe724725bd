package kms_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/keywrap"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// createExternal makes a key that waits for its material; spec "" is a symmetric
// encryption key.
func (k *kit) createExternal(spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) *kmsapi.KeyMetadata {
	k.t.Helper()
	req := &kmsapi.CreateKeyRequest{Origin: new(kmsapi.OriginTypeExternal)}
	if spec != "" {
		req.KeySpec, req.KeyUsage = &spec, &usage
	}
	r, err := k.CreateKey(k.t.Context(), root(), req)
	k.check(err)
	return r.KeyMetadata
}

// parameters asks for a wrapping key of RSA_2048.
func (k *kit) parameters(id string, algorithm kmsapi.AlgorithmSpec) *kmsapi.GetParametersForImportResponse {
	k.t.Helper()
	r, err := k.GetParametersForImport(k.t.Context(), root(), &kmsapi.GetParametersForImportRequest{
		KeyId: &id, WrappingAlgorithm: &algorithm, WrappingKeySpec: new(kmsapi.WrappingKeySpecRsa2048),
	})
	k.check(err)
	return r
}

// wrapped wraps material for its import, as its owner does.
func (k *kit) wrapped(p *kmsapi.GetParametersForImportResponse, algorithm kmsapi.AlgorithmSpec, material []byte) []byte {
	k.t.Helper()
	public, err := x509.ParsePKIXPublicKey(p.PublicKey.Expose())
	k.check(err)
	hash := crypto.SHA1
	if strings.HasSuffix(string(algorithm), "_256") {
		hash = crypto.SHA256
	}
	seal := func(plaintext []byte) []byte {
		b, err := rsa.EncryptOAEP(hash.New(), rand.Reader, public.(*rsa.PublicKey), plaintext, nil)
		k.check(err)
		return b
	}
	if !strings.HasPrefix(string(algorithm), "RSA_AES") {
		return seal(material)
	}
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	inner, err := keywrap.WrapPad(kek, material)
	k.check(err)
	return append(seal(kek), inner...)
}

// importer imports material into one key, always with the same token.
type importer struct {
	*kit
	id, arn   string
	algorithm kmsapi.AlgorithmSpec
	p         *kmsapi.GetParametersForImportResponse
}

// importer gets what imports into a symmetric key take, whatever day it is.
func (k *kit) importer(key *kmsapi.KeyMetadata) *importer {
	k.t.Helper()
	algorithm := kmsapi.AlgorithmSpecRsaesOaepSha256
	if *key.KeyUsage != kmsapi.KeyUsageTypeGenerateVerifyMac && *key.KeySpec != kmsapi.KeySpecSymmetricDefault {
		algorithm = kmsapi.AlgorithmSpecRsaAesKeyWrapSha256
	}
	return &importer{k, *key.KeyId, *key.Arn, algorithm, k.parameters(*key.KeyId, algorithm)}
}

// request is an import that does not expire, changed by with.
func (i *importer) request(material []byte, with ...func(*kmsapi.ImportKeyMaterialRequest)) *kmsapi.ImportKeyMaterialRequest {
	i.t.Helper()
	if !i.now.Load().Before(*i.p.ParametersValidTo) {
		i.p = i.parameters(i.id, i.algorithm)
	}
	req := &kmsapi.ImportKeyMaterialRequest{
		KeyId: &i.id, ImportToken: i.p.ImportToken, EncryptedKeyMaterial: i.wrapped(i.p, i.algorithm, material),
		ExpirationModel: new(kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire),
	}
	for _, change := range with {
		change(req)
	}
	return req
}

func (i *importer) try(material []byte, with ...func(*kmsapi.ImportKeyMaterialRequest)) error {
	i.t.Helper()
	_, err := i.ImportKeyMaterial(i.t.Context(), root(), i.request(material, with...))
	return err
}

// must imports material and returns its id, "" of keys that show none.
func (i *importer) must(material []byte, with ...func(*kmsapi.ImportKeyMaterialRequest)) string {
	i.t.Helper()
	r, err := i.ImportKeyMaterial(i.t.Context(), root(), i.request(material, with...))
	i.check(err)
	if *r.KeyId != i.arn {
		i.t.Errorf("got key %s, want %s", *r.KeyId, i.arn)
	}
	if r.KeyMaterialId == nil {
		return ""
	}
	return *r.KeyMaterialId
}

func (i *importer) delete(material string) {
	i.t.Helper()
	req := &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &i.id}
	if material != "" {
		req.KeyMaterialId = &material
	}
	_, err := i.DeleteImportedKeyMaterial(i.t.Context(), root(), req)
	i.check(err)
}

// wantState checks the state of the key.
func (i *importer) wantState(want kmsapi.KeyState) {
	i.t.Helper()
	if got := *i.describe(i.id).KeyState; got != want {
		i.t.Errorf("got state %s, want %s", got, want)
	}
}

func asNew(r *kmsapi.ImportKeyMaterialRequest) {
	r.ImportType = new(kmsapi.ImportTypeNewKeyMaterial)
}

func asExisting(r *kmsapi.ImportKeyMaterialRequest) {
	r.ImportType = new(kmsapi.ImportTypeExistingKeyMaterial)
}

func expiring(at time.Time) func(*kmsapi.ImportKeyMaterialRequest) {
	return func(r *kmsapi.ImportKeyMaterialRequest) {
		r.ExpirationModel, r.ValidTo = new(kmsapi.ExpirationModelTypeKeyMaterialExpires), &at
	}
}

func described(text string) func(*kmsapi.ImportKeyMaterialRequest) {
	return func(r *kmsapi.ImportKeyMaterialRequest) { r.KeyMaterialDescription = &text }
}

func withMaterialID(id string) func(*kmsapi.ImportKeyMaterialRequest) {
	return func(r *kmsapi.ImportKeyMaterialRequest) { r.KeyMaterialId = &id }
}

// Key material of symmetric keys.
var (
	materialA = bytes.Repeat([]byte{0xa}, 32)
	materialB = bytes.Repeat([]byte{0xb}, 32)
	materialC = bytes.Repeat([]byte{0xc}, 32)
)
