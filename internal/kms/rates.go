package kms

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// Rates are request quotas: how many requests of a class an account may make in
// a region in each second. They are AWS's (KMS Developer Guide, "Request quotas"),
// but for those that were set. The zero value is AWS's alone.
type Rates struct{ own map[string]float64 }

// The classes of cryptographic operations, by the key that they are done with.
// GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext have a class for
// each spec of the pair, such as GenerateDataKeyPair(RSA_2048). Every other
// operation is a class of its own, by its name.
const (
	classSymmetric = "symmetric" // symmetric encryption keys and HMAC keys; GenerateRandom
	classRSA       = "RSA"
	classECC       = "ECC" // SM2 too
	classMLDSA     = "ML-DSA"
)

// pairClass is the class of data key pairs of a spec.
func pairClass(spec kmsapi.DataKeyPairSpec) string {
	return "GenerateDataKeyPair(" + string(spec) + ")"
}

// keyClass is the class of cryptographic operations on keys of a type.
func keyClass(t hsm.KeyType) string {
	switch spec := t.String(); {
	case strings.HasPrefix(spec, "RSA_"):
		return classRSA
	case strings.HasPrefix(spec, "ECC_"), spec == "SM2":
		return classECC
	case strings.HasPrefix(spec, "ML_DSA_"):
		return classMLDSA
	}
	return classSymmetric
}

// usualRates are AWS's, in requests per second.
var usualRates = map[string]float64{
	classSymmetric: 10_000, classRSA: 1000, classECC: 1000, classMLDSA: 1000,
	"CancelKeyDeletion": 5, "ConnectCustomKeyStore": 5, "CreateAlias": 5, "CreateCustomKeyStore": 5, "CreateGrant": 50, "CreateKey": 5,
	"DeleteAlias": 15, "DeleteCustomKeyStore": 5, "DeleteImportedKeyMaterial": 15, "DescribeCustomKeyStores": 5, "DescribeKey": 2000,
	"DisableKey": 5, "DisableKeyRotation": 5, "DisconnectCustomKeyStore": 5, "EnableKey": 5, "EnableKeyRotation": 15,
	"GenerateDataKeyPair(ECC_NIST_P256)": 100, "GenerateDataKeyPair(ECC_NIST_P384)": 100, "GenerateDataKeyPair(ECC_NIST_P521)": 100,
	"GenerateDataKeyPair(ECC_SECG_P256K1)": 100, "GenerateDataKeyPair(ECC_NIST_EDWARDS25519)": 100,
	"GenerateDataKeyPair(RSA_2048)": 20, "GenerateDataKeyPair(RSA_3072)": 4, "GenerateDataKeyPair(RSA_4096)": 1, "GenerateDataKeyPair(SM2)": 25,
	"GetKeyLastUsage": 5, "GetKeyPolicy": 1000, "GetKeyRotationStatus": 1000, "GetParametersForImport": 1, "GetPublicKey": 2000,
	"ImportKeyMaterial": 15, "ListAliases": 500, "ListGrants": 100, "ListKeyPolicies": 100, "ListKeyRotations": 100, "ListKeys": 500,
	"ListResourceTags": 2000, "ListRetirableGrants": 100, "PutKeyPolicy": 15, "ReplicateKey": 5, "RetireGrant": 50, "RevokeGrant": 50,
	"RotateKeyOnDemand": 5, "ScheduleKeyDeletion": 15, "TagResource": 10, "UntagResource": 5, "UpdateAlias": 5, "UpdateCustomKeyStore": 5,
	"UpdateKeyDescription": 5, "UpdatePrimaryRegion": 5,
}

// Regions in which the rate of symmetric keys is another than the usual one, and
// those of China, where that of RSA data key pairs is.
var (
	fastRegions  = []string{"us-east-1", "us-west-2", "eu-west-1"}
	quickRegions = []string{"us-east-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-2"}

	chinaRates = map[string]float64{
		"GenerateDataKeyPair(RSA_2048)": 1, "GenerateDataKeyPair(RSA_3072)": 0.5, "GenerateDataKeyPair(RSA_4096)": 0.1,
	}
)

// Set sets the rate of a class, in requests per second, for every region:
// symmetric, RSA, ECC, ML-DSA, GenerateDataKeyPair(SPEC), or another operation.
func (r *Rates) Set(class string, perSecond float64) error {
	if _, ok := usualRates[class]; !ok {
		return fmt.Errorf("%q is no class of requests: want one of %s", class, strings.Join(slices.Sorted(maps.Keys(usualRates)), ", "))
	}
	if math.IsNaN(perSecond) || perSecond < 0.001 || perSecond > 1e9 {
		return fmt.Errorf("%s=%v: want 0.001 to 1000000000 requests per second", class, perSecond)
	}
	if r.own == nil {
		r.own = make(map[string]float64)
	}
	r.own[class] = perSecond
	return nil
}

// of returns the rate of a class in a region.
func (r *Rates) of(class, region string) float64 {
	if rate, ok := r.own[class]; ok {
		return rate
	}
	if rate, ok := chinaRates[class]; ok && strings.HasPrefix(region, "cn-") {
		return rate
	}
	if class == classSymmetric {
		switch {
		case slices.Contains(fastRegions, region):
			return 100_000
		case slices.Contains(quickRegions, region):
			return 20_000
		}
	}
	return usualRates[class]
}
