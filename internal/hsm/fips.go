package hsm

import (
	"crypto/fips140"
	"fmt"
	"strings"
)

// FIPS says which cryptographic module is compiled in and whether its FIPS
// 140-3 mode is on, such as "Go Cryptographic Module v1.0.0, FIPS 140-3 mode
// on". Strongroom itself is not validated.
func FIPS() string {
	mode := "off"
	if fips140.Enabled() {
		mode = "on"
	}
	return fmt.Sprintf("Go Cryptographic Module %s, FIPS 140-3 mode %s", fips140.Version(), mode)
}

// service is a mechanism with the keys that it is used with.
type service struct {
	keys       []KeyType
	mechanisms []Mechanism
	approved   bool // by FIPS 140-3, and done by Go's module
	why        string
}

// services are all uses of KMS keys, and whether they are approved services of
// the module.
var services = []service{
	{[]KeyType{Symmetric}, []Mechanism{"SYMMETRIC_DEFAULT"}, true, "SP 800-38D, SP 800-108r1"},
	{[]KeyType{RSA2048, RSA3072, RSA4096}, []Mechanism{
		"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
		"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512"}, true, "FIPS 186-5"},
	{[]KeyType{RSA2048, RSA3072, RSA4096}, []Mechanism{"RSAES_OAEP_SHA_256"}, true, "SP 800-56B"},
	{[]KeyType{RSA2048, RSA3072, RSA4096}, []Mechanism{"RSAES_OAEP_SHA_1"}, false, "SHA-1 is not in the module"},
	{[]KeyType{P256}, []Mechanism{"ECDSA_SHA_256", mechECDH}, true, "FIPS 186-5, SP 800-56A"},
	{[]KeyType{P384}, []Mechanism{"ECDSA_SHA_384", mechECDH}, true, "FIPS 186-5, SP 800-56A"},
	{[]KeyType{P521}, []Mechanism{"ECDSA_SHA_512", mechECDH}, true, "FIPS 186-5, SP 800-56A"},
	{[]KeyType{Ed25519}, []Mechanism{mechEd25519, mechEd25519ph}, true, "FIPS 186-5"},
	{[]KeyType{HMAC224}, []Mechanism{"HMAC_SHA_224"}, true, "FIPS 198-1"},
	{[]KeyType{HMAC256}, []Mechanism{"HMAC_SHA_256"}, true, "FIPS 198-1"},
	{[]KeyType{HMAC384}, []Mechanism{"HMAC_SHA_384"}, true, "FIPS 198-1"},
	{[]KeyType{HMAC512}, []Mechanism{"HMAC_SHA_512"}, true, "FIPS 198-1"},
	{[]KeyType{Secp256k1}, []Mechanism{mechSecp256k1}, false, "not a curve of FIPS 186-5"},
	{[]KeyType{MLDSA44, MLDSA65, MLDSA87}, []Mechanism{mechMLDSA}, false, "FIPS 204, but not in the module"},
	{[]KeyType{SM2}, []Mechanism{mechSM2DSA, mechSM2PKE, mechECDH}, false, "not of NIST"},
}

// Unapproved lists the uses of KMS keys that are not approved services of the
// cryptographic module, each with the reason. They work in its FIPS 140-3 mode
// too: who must not use them leaves them out of policies.
func Unapproved() []string {
	var all []string
	for _, s := range services {
		if s.approved {
			continue
		}
		for _, mech := range s.mechanisms {
			keys := make([]string, len(s.keys))
			for i, key := range s.keys {
				keys[i] = key.String()
			}
			all = append(all, fmt.Sprintf("%s with %s (%s)", mech, strings.Join(keys, ", "), s.why))
		}
	}
	return all
}
