package kms_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

const (
	enc   = kmsapi.KeyUsageTypeEncryptDecrypt
	sig   = kmsapi.KeyUsageTypeSignVerify
	mac   = kmsapi.KeyUsageTypeGenerateVerifyMac
	agree = kmsapi.KeyUsageTypeKeyAgreement
)

// kind is a spec and usage that a key can have, and what its metadata lists for
// it: the name of the one list of algorithms, as records have it, and what is in it.
type kind struct {
	spec       kmsapi.KeySpec
	usage      kmsapi.KeyUsageType
	list       string
	algorithms []string
}

// kinds has all of them. Source: KMS Developer Guide, "Key spec reference".
var kinds = func() (all []kind) {
	add := func(list string, usage kmsapi.KeyUsageType, algorithms string, specs ...kmsapi.KeySpec) {
		for _, s := range specs {
			all = append(all, kind{s, usage, list, strings.Fields(algorithms)})
		}
	}
	rsa := []kmsapi.KeySpec{kmsapi.KeySpecRsa2048, kmsapi.KeySpecRsa3072, kmsapi.KeySpecRsa4096}
	add("encryptionAlgorithms", enc, "SYMMETRIC_DEFAULT", kmsapi.KeySpecSymmetricDefault)
	add("encryptionAlgorithms", enc, "RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256", rsa...)
	add("encryptionAlgorithms", enc, "SM2PKE", kmsapi.KeySpecSm2)
	add("signingAlgorithms", sig, `RSASSA_PKCS1_V1_5_SHA_256 RSASSA_PKCS1_V1_5_SHA_384 RSASSA_PKCS1_V1_5_SHA_512
		RSASSA_PSS_SHA_256 RSASSA_PSS_SHA_384 RSASSA_PSS_SHA_512`, rsa...)
	add("signingAlgorithms", sig, "ECDSA_SHA_256", kmsapi.KeySpecEccNistP256, kmsapi.KeySpecEccSecgP256k1)
	add("signingAlgorithms", sig, "ECDSA_SHA_384", kmsapi.KeySpecEccNistP384)
	add("signingAlgorithms", sig, "ECDSA_SHA_512", kmsapi.KeySpecEccNistP521)
	add("signingAlgorithms", sig, "ED25519_PH_SHA_512 ED25519_SHA_512", kmsapi.KeySpecEccNistEdwards25519)
	add("signingAlgorithms", sig, "ML_DSA_SHAKE_256", kmsapi.KeySpecMlDsa44, kmsapi.KeySpecMlDsa65, kmsapi.KeySpecMlDsa87)
	add("signingAlgorithms", sig, "SM2DSA", kmsapi.KeySpecSm2)
	add("keyAgreementAlgorithms", agree, "ECDH", kmsapi.KeySpecEccNistP256, kmsapi.KeySpecEccNistP384, kmsapi.KeySpecEccNistP521, kmsapi.KeySpecSm2)
	add("macAlgorithms", mac, "HMAC_SHA_224", kmsapi.KeySpecHmac224)
	add("macAlgorithms", mac, "HMAC_SHA_256", kmsapi.KeySpecHmac256)
	add("macAlgorithms", mac, "HMAC_SHA_384", kmsapi.KeySpecHmac384)
	add("macAlgorithms", mac, "HMAC_SHA_512", kmsapi.KeySpecHmac512)
	return all
}()

// lists are those of metadata that are there, by the name that records have.
func lists(m *kmsapi.KeyMetadata) map[string]any {
	there := map[string]any{}
	if m.EncryptionAlgorithms != nil {
		there["encryptionAlgorithms"] = m.EncryptionAlgorithms
	}
	if m.SigningAlgorithms != nil {
		there["signingAlgorithms"] = m.SigningAlgorithms
	}
	if m.MacAlgorithms != nil {
		there["macAlgorithms"] = m.MacAlgorithms
	}
	if m.KeyAgreementAlgorithms != nil {
		there["keyAgreementAlgorithms"] = m.KeyAgreementAlgorithms
	}
	return there
}

// A key of every spec and usage says what it is when it is made, when it is
// described, and in the record.
func TestCreateKeyOfEverySpec(t *testing.T) {
	k := newKit(t)
	for _, c := range kinds {
		t.Run(string(c.spec)+" "+string(c.usage), func(t *testing.T) {
			made := k.createKeyOf(c.spec, c.usage)
			record := k.last("CreateKey").ResponseElements["keyMetadata"].(map[string]any)
			for name, m := range map[string]*kmsapi.KeyMetadata{"CreateKey": made, "DescribeKey": k.describe(*made.KeyId)} {
				if *m.KeySpec != c.spec || string(*m.CustomerMasterKeySpec) != string(c.spec) || *m.KeyUsage != c.usage ||
					*m.KeyState != kmsapi.KeyStateEnabled || !*m.Enabled || *m.Origin != kmsapi.OriginTypeAwsKms || *m.MultiRegion {
					t.Errorf("%s: metadata is %+v", name, m)
				}
				wantJSON(t, name, lists(m), map[string]any{c.list: c.algorithms})
				if got, want := m.CurrentKeyMaterialId != nil, c.spec == kmsapi.KeySpecSymmetricDefault; got != want {
					t.Errorf("%s: has CurrentKeyMaterialId: %t, want %t", name, got, want)
				}
			}
			recorded := map[string]any{}
			for name, value := range record {
				if strings.HasSuffix(name, "Algorithms") {
					recorded[name] = value
				}
			}
			wantJSON(t, "record", recorded, map[string]any{c.list: c.algorithms})
			if record["keySpec"] != string(c.spec) || record["customerMasterKeySpec"] != string(c.spec) || record["keyUsage"] != string(c.usage) ||
				(record["currentKeyMaterialId"] != nil) != (c.spec == kmsapi.KeySpecSymmetricDefault) {
				t.Errorf("record has %v", record)
			}
		})
	}
}

func wantJSON(t *testing.T, name string, got, want any) {
	t.Helper()
	a, err1 := json.Marshal(got)
	b, err2 := json.Marshal(want)
	if err1 != nil || err2 != nil || string(a) != string(b) {
		t.Errorf("%s: got %s, want %s", name, a, b)
	}
}

// Every other pair of spec and usage is refused.
func TestCreateKeyBadPairs(t *testing.T) {
	k := newKit(t)
	refused := 0
	specs := map[kmsapi.KeySpec]bool{}
	for _, c := range kinds {
		specs[c.spec] = true
	}
	for spec := range specs {
		for _, usage := range []kmsapi.KeyUsageType{enc, sig, mac, agree} {
			if slices.ContainsFunc(kinds, func(c kind) bool { return c.spec == spec && c.usage == usage }) {
				continue
			}
			_, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{KeySpec: &spec, KeyUsage: &usage})
			wantError(t, err, kmsapi.ValidationException, fmt.Sprintf("KeyUsage %s is not compatible with KeySpec %s", usage, spec))
			refused++
		}
	}
	if got, want := refused, 17*4-len(kinds); got != want {
		t.Errorf("%d pairs were refused, want %d", got, want)
	}
}
