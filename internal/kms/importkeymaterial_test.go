package kms_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
)

// A key without material: nothing in its metadata says that it has some, and it
// can do nothing but wait (recorded from AWS: created-key, describe-key-before-import).
func TestCreateKeyExternal(t *testing.T) {
	k := newKit(t)
	key := k.createExternal("", "")
	for _, m := range []*kmsapi.KeyMetadata{key, k.describe(*key.KeyId)} {
		if *m.KeyState != kmsapi.KeyStatePendingImport || *m.Enabled || *m.Origin != kmsapi.OriginTypeExternal ||
			m.CurrentKeyMaterialId != nil || m.ExpirationModel != nil || m.ValidTo != nil || len(m.EncryptionAlgorithms) != 1 {
			t.Errorf("got %+v, want a key that waits for its material", m)
		}
	}
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
	wantError(t, err, kmsapi.KMSInvalidStateException, *key.Arn+" is pending import.")
	wantError(t, k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}), kmsapi.KMSInvalidStateException, *key.Arn+" is pending import.")
	if got := k.rotations(*key.KeyId, true, 0); len(got) != 0 {
		t.Errorf("got materials %v, want none", got)
	}
	for _, spec := range []kmsapi.KeySpec{kmsapi.KeySpecMlDsa44, kmsapi.KeySpecMlDsa65, kmsapi.KeySpecMlDsa87} {
		_, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{
			Origin: new(kmsapi.OriginTypeExternal), KeySpec: &spec, KeyUsage: new(kmsapi.KeyUsageTypeSignVerify),
		})
		wantError(t, err, kmsapi.UnsupportedOperationException, "KeySpec "+string(spec)+" is not supported with Origin EXTERNAL.")
	}
}

func TestImportKeyMaterial(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	id := i.must(materialA, described("of the vault"))
	r := k.last("ImportKeyMaterial")
	wantParameters(t, r.RequestParameters, `{"expirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE","keyId":"`+i.id+`","keyMaterialDescription":"of the vault"}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+i.arn+`","keyMaterialId":"`+id+`"}`)
	for _, when := range []string{"at once", "after a restart"} {
		m := k.describe(i.id)
		if *m.KeyState != kmsapi.KeyStateEnabled || !*m.Enabled || *m.CurrentKeyMaterialId != id || len(id) != 64 ||
			*m.ExpirationModel != kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire || m.ValidTo != nil {
			t.Errorf("%s: got %+v, want an enabled key with material %s", when, m, id)
		}
		if got := k.materialOf(k.encrypt(i.id, "p", nil)); got != id {
			t.Errorf("%s: got a blob under %s, want %s", when, got, id)
		}
		k.reopen()
	}
	wantShown(t, k.rotations(i.id, true, 0), "CURRENT IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE of the vault")
	if got := k.rotations(i.id, false, 0); len(got) != 0 {
		t.Errorf("got rotations %v, want none", got)
	}
}

// The id is a function of the key's id and of the material.
func TestImportKeyMaterialID(t *testing.T) {
	k := newKit(t)
	a, b := k.importer(k.createExternal("", "")), k.importer(k.createExternal("", ""))
	first := a.must(materialA)
	if again := a.must(materialA); again != first {
		t.Errorf("got id %s for the same material in the same key, want %s", again, first)
	}
	if other := b.must(materialA); other == first {
		t.Errorf("got id %s for the same material in another key", other)
	}
}

// What was encrypted opens again when the same material is back.
func TestImportKeyMaterialAgain(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	id := i.must(materialA)
	blob := k.encrypt(i.id, "p", nil)
	i.delete("")
	_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
	wantError(t, err, kmsapi.KMSInvalidStateException, i.arn+" is pending import.")
	wantError(t, i.try(materialB), kmsapi.IncorrectKeyMaterialException, "")
	i.wantState(kmsapi.KeyStatePendingImport)
	if again := i.must(materialA); again != id {
		t.Errorf("got id %s, want %s", again, id)
	}
	i.wantState(kmsapi.KeyStateEnabled)
	if got := decrypted(t, k, blob, nil); got != "p" {
		t.Errorf("got %q, want p", got)
	}
}

// What was sent must be what the token is for.
func TestImportKeyMaterialRefuses(t *testing.T) {
	k := newKit(t)
	key, other := k.importer(k.createExternal("", "")), k.importer(k.createExternal("", ""))
	for _, tt := range []struct {
		name   string
		change func(*kmsapi.ImportKeyMaterialRequest)
		code   awserr.Code
		text   string
	}{
		{"token of another key", func(r *kmsapi.ImportKeyMaterialRequest) { r.ImportToken = other.p.ImportToken }, kmsapi.InvalidImportTokenException, ""},
		{"no token", func(r *kmsapi.ImportKeyMaterialRequest) { r.ImportToken = []byte("x") }, kmsapi.InvalidImportTokenException, ""},
		{"damaged token", func(r *kmsapi.ImportKeyMaterialRequest) {
			r.ImportToken = append([]byte(nil), r.ImportToken...)
			r.ImportToken[100] ^= 1
		}, kmsapi.InvalidImportTokenException, ""},
		{"wrapped for another token", func(r *kmsapi.ImportKeyMaterialRequest) {
			r.EncryptedKeyMaterial = other.request(materialA).EncryptedKeyMaterial
		}, kmsapi.InvalidCiphertextException, ""},
		{"wrapped with another hash", func(r *kmsapi.ImportKeyMaterialRequest) {
			r.EncryptedKeyMaterial = k.wrapped(key.p, kmsapi.AlgorithmSpecRsaesOaepSha1, materialA)
		}, kmsapi.InvalidCiphertextException, ""},
		{"of another length", func(r *kmsapi.ImportKeyMaterialRequest) { r.EncryptedKeyMaterial = make([]byte, 255) }, kmsapi.ValidationException, "Invalid encrypted key size."},
		{"hybrid", func(r *kmsapi.ImportKeyMaterialRequest) {
			r.EncryptedKeyMaterial = k.wrapped(key.p, kmsapi.AlgorithmSpecRsaAesKeyWrapSha256, materialA)
		}, kmsapi.ValidationException, "Invalid encrypted key size."},
		{"16 bytes", func(r *kmsapi.ImportKeyMaterialRequest) {
			r.EncryptedKeyMaterial = k.wrapped(key.p, kmsapi.AlgorithmSpecRsaesOaepSha256, materialA[:16])
		}, kmsapi.IncorrectKeyMaterialException, ""},
		{"33 bytes", func(r *kmsapi.ImportKeyMaterialRequest) {
			r.EncryptedKeyMaterial = k.wrapped(key.p, kmsapi.AlgorithmSpecRsaesOaepSha256, append([]byte{0}, materialA...))
		}, kmsapi.IncorrectKeyMaterialException, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := k.ImportKeyMaterial(t.Context(), root(), key.request(materialA, tt.change))
			wantError(t, err, tt.code, tt.text)
			key.wantState(kmsapi.KeyStatePendingImport)
		})
	}
}

// A token is good for 24 hours, and as often as one likes.
func TestImportTokenExpires(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	req := i.request(materialA)
	i.must(materialA)
	k.advance(24*time.Hour - time.Millisecond)
	_, err := k.ImportKeyMaterial(t.Context(), root(), req)
	k.check(err)
	k.reopen() // the token is not of the process
	k.advance(time.Millisecond)
	_, err = k.ImportKeyMaterial(t.Context(), root(), req)
	wantError(t, err, kmsapi.ExpiredImportTokenException, "")
}

func TestImportKeyMaterialValidTo(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	now := k.now.Load().Truncate(time.Millisecond)
	for _, tt := range []struct {
		name   string
		change func(*kmsapi.ImportKeyMaterialRequest)
		text   string
	}{
		{"expires never told when", func(r *kmsapi.ImportKeyMaterialRequest) {
			r.ExpirationModel = new(kmsapi.ExpirationModelTypeKeyMaterialExpires)
		}, "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
		{"by default", func(r *kmsapi.ImportKeyMaterialRequest) { r.ExpirationModel = nil }, "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
		{"does not expire then", func(r *kmsapi.ImportKeyMaterialRequest) { r.ValidTo = new(now.Add(day)) }, "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"},
		{"now", expiring(now), "The validTo date must be in the future"},
		{"too late", expiring(now.Add(365*day + time.Millisecond)), "The validTo date must be within 365 days"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantError(t, i.try(materialA, tt.change), kmsapi.ValidationException, tt.text) })
	}
	at := now.Add(365 * day)
	i.must(materialA, expiring(at))
	wantParameters(t, k.last("ImportKeyMaterial").RequestParameters, `{"expirationModel":"KEY_MATERIAL_EXPIRES","keyId":"`+i.id+`","validTo":"Nov 23, 2027, 11:02:03 AM"}`)
	if m := k.describe(i.id); *m.ExpirationModel != kmsapi.ExpirationModelTypeKeyMaterialExpires || !m.ValidTo.Equal(at) {
		t.Errorf("got %s, %v, want it to expire at %v", *m.ExpirationModel, m.ValidTo, at)
	}
	sooner := now.Add(day)
	i.must(materialA, func(r *kmsapi.ImportKeyMaterialRequest) { r.ExpirationModel, r.ValidTo = nil, &sooner })
	if m := k.describe(i.id); !m.ValidTo.Equal(sooner) {
		t.Errorf("got %v, want %v", m.ValidTo, sooner)
	}
	i.must(materialA)
	if m := k.describe(i.id); *m.ExpirationModel != kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire || m.ValidTo != nil {
		t.Errorf("got %s, %v, want that it does not expire", *m.ExpirationModel, m.ValidTo)
	}
}

// ImportType says whether material is to be new to the key. New material waits
// for its rotation, and other new material for its turn.
func TestImportKeyMaterialType(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	wantError(t, i.try(materialA, asExisting), kmsapi.IncorrectKeyMaterialException, "")
	a := i.must(materialA) // of a key without any the default is new
	wantError(t, i.try(materialA, asNew), kmsapi.IncorrectKeyMaterialException, "")
	wantError(t, i.try(materialB), kmsapi.IncorrectKeyMaterialException, "")
	b := i.must(materialB, asNew, described("second"))
	i.wantState(kmsapi.KeyStateEnabled)
	if got := *k.describe(i.id).CurrentKeyMaterialId; got != a {
		t.Errorf("got current material %s, want %s", got, a)
	}
	wantShown(t, k.rotations(i.id, true, 0), "CURRENT IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE", "PENDING_ROTATION IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE second")

	r, err := k.ImportKeyMaterial(t.Context(), root(), i.request(materialC, asNew))
	e := err.(*awserr.Error)
	if r != nil || e.Code != kmsapi.KMSInvalidStateException || !strings.HasPrefix(e.Message, "New key material (id: ") ||
		!strings.HasSuffix(e.Message, ") cannot be imported into KMS key "+i.arn+", because another key material (id: "+b+") is pending rotation.") {
		t.Errorf("error is %v", err)
	}
	wantError(t, i.try(materialB, asNew), kmsapi.IncorrectKeyMaterialException, "")
	i.must(materialB, asExisting) // what waits can be imported again

	i.must(materialA, withMaterialID(a))
	wantError(t, i.try(materialA, withMaterialID(b)), kmsapi.IncorrectKeyMaterialException, "")
	wantError(t, i.try(materialA, asNew, withMaterialID(a)), kmsapi.ValidationException, "KeyMaterialId cannot be specified with ImportType NEW_KEY_MATERIAL.")
}

// A key rotates to the material that waits; both open what they have sealed, and
// the key needs both.
func TestRotationOfImportedMaterial(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	a := i.must(materialA)
	first := k.encrypt(i.id, "p", nil)
	b := i.must(materialB, asNew)
	k.rotate(i.id)
	if r := k.records(); !strings.Contains(r[len(r)-2].raw, `"serviceEventDetails":{"rotationType":"ON_DEMAND","keyOrigin":"EXTERNAL","previousKeyMaterialId":"`+a+`","currentKeyMaterialId":"`+b+`"`) {
		t.Errorf("record is %s", r[len(r)-2].raw)
	}
	if got := *k.describe(i.id).CurrentKeyMaterialId; got != b {
		t.Errorf("got current material %s, want %s", got, b)
	}
	second := k.encrypt(i.id, "p", nil)
	if k.materialOf(first) != a || k.materialOf(second) != b {
		t.Error("a blob opens under other material than it was made with")
	}
	wantShown(t, k.rotations(i.id, true, 0), "NON_CURRENT IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE", "CURRENT ON_DEMAND IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE")
	_, err := k.RotateKeyOnDemand(t.Context(), root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: &i.id})
	wantError(t, err, kmsapi.KMSInvalidStateException, "No available key material pending rotation for the key: "+i.arn+".")

	i.delete(a)
	i.wantState(kmsapi.KeyStatePendingImport)
	i.delete("") // the current one
	wantShown(t, k.rotations(i.id, true, 0), "NON_CURRENT PENDING_IMPORT", "CURRENT ON_DEMAND PENDING_IMPORT")
	i.must(materialB)
	i.wantState(kmsapi.KeyStatePendingImport) // one of two
	i.must(materialA)
	i.wantState(kmsapi.KeyStateEnabled)
	if k.materialOf(first) != a || k.materialOf(second) != b || *k.describe(i.id).CurrentKeyMaterialId != b {
		t.Error("the key is not what it was")
	}
}

// The first day on which anything goes is the key's.
func TestExpiryOfSeveralMaterials(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	now := k.now.Load().Truncate(time.Millisecond)
	i.must(materialA)
	i.must(materialB, asNew, expiring(now.Add(3*day)))
	if m := k.describe(i.id); m.ValidTo != nil {
		t.Errorf("got %v by material that is not the key's yet, want none", m.ValidTo)
	}
	k.rotate(i.id)
	i.must(materialA, expiring(now.Add(5*day)))
	if m := k.describe(i.id); *m.ExpirationModel != kmsapi.ExpirationModelTypeKeyMaterialExpires || !m.ValidTo.Equal(now.Add(3*day)) {
		t.Errorf("got %s, %v, want %v", *m.ExpirationModel, m.ValidTo, now.Add(3*day))
	}
}

// A description stays until another is given, also while its material is away.
func TestImportKeyMaterialDescription(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	i.must(materialA, described("one"))
	i.delete("")
	wantShown(t, k.rotations(i.id, true, 0), "CURRENT PENDING_IMPORT one")
	i.must(materialA)
	wantShown(t, k.rotations(i.id, true, 0), "CURRENT IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE one")
	i.must(materialA, described("two"))
	wantShown(t, k.rotations(i.id, true, 0), "CURRENT IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE two")
}

// A disabled key stays disabled: to import is not to enable.
func TestImportKeyMaterialIntoDisabledKey(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	i.must(materialA)
	k.disable(i.id)
	i.must(materialA)
	i.wantState(kmsapi.KeyStateDisabled)
}

func TestImportKeyMaterialIntoOtherKeys(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	own := k.createKey()
	text := *own.Arn + " origin is AWS_KMS which is not valid for this operation."
	into := func(id *string) func(*kmsapi.ImportKeyMaterialRequest) {
		return func(r *kmsapi.ImportKeyMaterialRequest) { r.KeyId = id }
	}
	wantError(t, i.try(materialA, into(own.KeyId)), kmsapi.UnsupportedOperationException, text)
	k.schedule(*own.KeyId, 7)
	wantError(t, i.try(materialA, into(own.KeyId)), kmsapi.UnsupportedOperationException, text)
	k.schedule(i.id, 7)
	wantError(t, i.try(materialA), kmsapi.KMSInvalidStateException, i.arn+" is pending deletion.")
	wantError(t, i.try(materialA, into(new("alias/none"))), kmsapi.NotFoundException, "Invalid keyId 'alias/none'")
}

// Asymmetric and HMAC keys have one material for life, of which no id is shown.
func TestImportHMACKey(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal(kmsapi.KeySpecHmac384, kmsapi.KeyUsageTypeGenerateVerifyMac))
	for _, n := range []int{47, 129} {
		wantError(t, i.try(make([]byte, n)), kmsapi.IncorrectKeyMaterialException, "")
	}
	material := make([]byte, 100)
	_, _ = rand.Read(material)
	if id := i.must(material); id != "" {
		t.Errorf("got material %s, want no id", id)
	}
	wantParameters(t, k.last("ImportKeyMaterial").ResponseElements, `{"keyId":"`+i.arn+`"}`)
	if m := k.describe(i.id); *m.KeyState != kmsapi.KeyStateEnabled || m.CurrentKeyMaterialId != nil || *m.ExpirationModel != kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire {
		t.Errorf("got %+v, want an enabled key", m)
	}
	r, err := k.GenerateMac(t.Context(), root(), &kmsapi.GenerateMacRequest{KeyId: &i.id, MacAlgorithm: new(kmsapi.MacAlgorithmSpecHmacSha384), Message: secret.New([]byte("m"))})
	k.check(err)
	h := hmac.New(crypto.SHA384.New, material)
	h.Write([]byte("m"))
	if !hmac.Equal(r.Mac, h.Sum(nil)) {
		t.Error("the MAC is not one of the material")
	}
	wantError(t, i.try(make([]byte, 48)), kmsapi.IncorrectKeyMaterialException, "")
	i.must(material)
	for name, change := range map[string]func(*kmsapi.ImportKeyMaterialRequest){
		"ImportType": asNew, "KeyMaterialDescription": described("d"), "KeyMaterialId": withMaterialID(strings.Repeat("a", 64)),
	} {
		wantError(t, i.try(material, change), kmsapi.UnsupportedOperationException, name+" is supported for symmetric encryption KMS keys only.")
	}
	i.delete("")
	i.wantState(kmsapi.KeyStatePendingImport)
	i.must(material)
	if i.wantState(kmsapi.KeyStateEnabled); k.describe(i.id).ExpirationModel == nil {
		t.Error("the key shows no expiration model")
	}
}

func TestImportKeyPairs(t *testing.T) {
	k := newKit(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.check(err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	k.check(err)
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		k.check(err)
		return der
	}
	message := []byte("message")
	sum := sha256.Sum256(message)
	for _, tt := range []struct {
		spec      kmsapi.KeySpec
		material  []byte
		wrong     []byte
		algorithm kmsapi.SigningAlgorithmSpec
		verify    func(signature []byte) bool
	}{
		{kmsapi.KeySpecEccNistP256, pkcs8(ec), pkcs8(rsaKey), kmsapi.SigningAlgorithmSpecEcdsaSha256,
			func(signature []byte) bool { return ecdsa.VerifyASN1(&ec.PublicKey, sum[:], signature) }},
		{kmsapi.KeySpecRsa2048, pkcs8(rsaKey), pkcs8(ec), kmsapi.SigningAlgorithmSpecRsassaPkcs1V15Sha256,
			func(signature []byte) bool {
				return rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA256, sum[:], signature) == nil
			}},
	} {
		t.Run(string(tt.spec), func(t *testing.T) {
			i := k.importer(k.createExternal(tt.spec, kmsapi.KeyUsageTypeSignVerify))
			wantError(t, i.try(tt.wrong), kmsapi.IncorrectKeyMaterialException, "")
			wantError(t, i.try([]byte("no key at all")), kmsapi.IncorrectKeyMaterialException, "")
			i.must(tt.material)
			if !tt.verify(k.sign(i.id, tt.algorithm, kmsapi.MessageTypeRaw, string(message))) {
				t.Error("the signature is not one of the material")
			}
			i.delete("")
			i.must(tt.material)
		})
	}
}

// The record of an import has neither the token nor the material.
func TestImportRecordHoldsNoMaterial(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	i.must(materialA)
	_ = i.try(materialB)
	for _, r := range k.records() {
		for _, word := range []string{"importToken", "encryptedKeyMaterial", "publicKey"} {
			if strings.Contains(strings.ToLower(r.raw), strings.ToLower(word)) {
				t.Errorf("%q is in the record %s", word, r.raw)
			}
		}
	}
}

// Imports of the same material at once make one material.
func TestImportsAtOnce(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	req := i.request(materialA)
	done := make(chan error, 6)
	for range cap(done) {
		go func() {
			_, err := k.ImportKeyMaterial(t.Context(), root(), req)
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := len(k.rotations(i.id, true, 0)); got != 1 {
		t.Errorf("got %d materials, want 1", got)
	}
	k.materialOf(k.encrypt(i.id, "p", nil))
}

// A key whose record says that its material is here and which has none is damaged,
// and nobody is told that it waits for an import.
func TestLostImportedMaterial(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	id := i.must(materialA)
	k.check(k.db().Update(t.Context(), func(tx *kmsdb.Tx) error {
		return tx.DeleteToken(kmsdb.KeyRef{Account: account, Region: region, ID: i.id}, id)
	}))
	_, err := k.db().Examine(t.Context(), k.module)
	if err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("got %v, want an error that tells of lost material", err)
	}
}
