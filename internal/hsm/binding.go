package hsm

import (
	"encoding/binary"
	"fmt"
)

// Purpose is what a wrapped key may be used for. The zero value is invalid.
// The numbers are part of the token format.
type Purpose uint8

// The purposes of keys.
const (
	PurposeBackingKey Purpose = 1  // key material of one KMS key version
	PurposeRowMAC     Purpose = 2  // MAC over authority rows of the store
	PurposeBlobHeader Purpose = 3  // MAC over headers of ciphertext blobs
	PurposeAccessKey  Purpose = 4  // secret of an access key, for Signature V4
	PurposeRecord     Purpose = 5  // sealing of S3 records
	PurposeSigning    Purpose = 6  // ECDSA P-256 key of a certificate
	PurposeSession    Purpose = 7  // sealing of session tokens
	PurposeKeyPair    Purpose = 8  // private key of an asymmetric KMS key
	PurposeHMACKey    Purpose = 9  // key material of an HMAC KMS key
	PurposeCredential Purpose = 10 // credential of a custom key store
	PurposeImport     Purpose = 11 // sealing of import tokens and their wrapping keys

	purposeDomainKey Purpose = 255 // a domain key, wrapped by the root key
)

// String returns the purpose in words.
func (p Purpose) String() string {
	switch p {
	case PurposeBackingKey:
		return "backing key"
	case PurposeRowMAC:
		return "row MAC key"
	case PurposeBlobHeader:
		return "blob header MAC key"
	case PurposeAccessKey:
		return "access key"
	case PurposeRecord:
		return "record key"
	case PurposeSigning:
		return "signing key"
	case PurposeSession:
		return "session key"
	case PurposeKeyPair:
		return "key pair"
	case PurposeHMACKey:
		return "HMAC key"
	case PurposeCredential:
		return "credential"
	case PurposeImport:
		return "import key"
	case purposeDomainKey:
		return "domain key"
	}
	return fmt.Sprintf("purpose %d", uint8(p))
}

func (p Purpose) valid() bool { return p >= PurposeBackingKey && p <= PurposeImport }

// Binding is what a key token is bound to: a token opens only with the binding
// it was made with, so one moved to another row does not open.
type Binding struct {
	Purpose Purpose
	// Domain names the domain key that wraps: a region, or "global".
	Domain string
	// Account, Region and KeyID are empty where the purpose has none.
	Account, Region, KeyID string
}

// String names the key for errors and logs.
func (b Binding) String() string {
	return fmt.Sprintf("%v %q of account %q, region %q, domain %q", b.Purpose, b.KeyID, b.Account, b.Region, b.Domain)
}

// appendAAD appends the additional data of the token with header h:
//
//	header (6 bytes) ‖ lp(domain) ‖ lp(account) ‖ lp(region) ‖ lp(key id)
//
// lp(x) is the length of x in bytes as a 32-bit big-endian number, then x.
func (b Binding) appendAAD(dst []byte, h tokenHeader) []byte {
	dst = h.append(dst)
	for _, s := range [...]string{b.Domain, b.Account, b.Region, b.KeyID} {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
		dst = append(dst, s...)
	}
	return dst
}
