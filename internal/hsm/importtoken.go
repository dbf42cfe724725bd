package hsm

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/keywrap"
	"github.com/strongroom/strongroom/internal/secret"
)

// An import token carries the private key that unwraps key material on its way
// in, so that nothing has to be kept between the two calls
// (docs/formats/import-token.md):
//
//	offset  size  content
//	0       1     format version, 1
//	1       44+n  box of
//
//	offset  size  content
//	0       1     key type of the wrapping key
//	1       1     wrapping method
//	2       8     when it expires, Unix time in milliseconds, big-endian
//	10      n-10  private key, as tokens of key pairs hold it (keypair.go)
//
// The box has a key of its own (box.go), derived from the import key: the number
// of tokens is not limited. Its additional data is
//
//	format version (1 byte) ‖ purpose (1 byte) ‖ lp(account) ‖ lp(region) ‖ lp(key id)
//
// lp(x) is the length of x as a 32-bit big-endian number, then x. So a token
// opens for the KMS key that it was issued for and no other.

const (
	importVersion    = 1
	importHead       = 10 // key type, method, expiry
	minImportToken   = 1 + boxOverhead + importHead + 1
	maxImportToken   = 1 + boxOverhead + importHead + maxTypedKey
	transportKeySize = 32 // of the AES key in RSA_AES_KEY_WRAP
)

// WrappingMethod is how key material is wrapped on its way in, by the name of
// KMS's AlgorithmSpec.
type WrappingMethod string

// The wrapping methods. RSAES is the material itself under RSA-OAEP (RFC 8017,
// section 7.1). RSA_AES is an AES key of 32 bytes under RSA-OAEP, then the
// material under that key by RFC 5649 (CKM_RSA_AES_KEY_WRAP of PKCS #11).
const (
	WrapOAEPSHA1     WrappingMethod = "RSAES_OAEP_SHA_1"
	WrapOAEPSHA256   WrappingMethod = "RSAES_OAEP_SHA_256"
	WrapRSAAESSHA1   WrappingMethod = "RSA_AES_KEY_WRAP_SHA_1"
	WrapRSAAESSHA256 WrappingMethod = "RSA_AES_KEY_WRAP_SHA_256"
	WrapSM2PKE       WrappingMethod = "SM2PKE"
)

// wrappingMethods are numbered by the format; 0 is none.
var wrappingMethods = [...]struct {
	name   WrappingMethod
	mech   Mechanism // of the key pair
	hybrid bool      // an AES key comes between
}{
	1: {WrapOAEPSHA1, Mechanism(WrapOAEPSHA1), false},
	2: {WrapOAEPSHA256, Mechanism(WrapOAEPSHA256), false},
	3: {WrapRSAAESSHA1, Mechanism(WrapOAEPSHA1), true},
	4: {WrapRSAAESSHA256, Mechanism(WrapOAEPSHA256), true},
	5: {WrapSM2PKE, mechSM2PKE, false},
}

// number returns a method's number in the format, 0 for one that there is not,
// or that keys of type t are not used with.
func (w WrappingMethod) number(t KeyType) byte {
	for n := 1; n < len(wrappingMethods); n++ {
		if wrappingMethods[n].name == w && wrapsWith(t, byte(n)) {
			return byte(n)
		}
	}
	return 0
}

// wrapsWith reports whether method n is one of wrapping keys of type t.
func wrapsWith(t KeyType, n byte) bool {
	switch t {
	case RSA2048, RSA3072, RSA4096:
		return n >= 1 && n <= 4
	case SM2:
		return n == 5
	}
	return false
}

// ImportTokenKey seals import tokens. It is safe for concurrent use.
type ImportTokenKey struct{ prf *prf }

// LoadImportTokenKey opens a token of PurposeImport. Errors as for the other Load
// methods.
func (m *Module) LoadImportTokenKey(token []byte, b Binding) (*ImportTokenKey, error) {
	p, err := m.load(token, b, PurposeImport)
	if err != nil {
		return nil, err
	}
	return &ImportTokenKey{p}, nil
}

// Issue makes a wrapping key of type t, RSA2048 to RSA4096 or SM2, for material of
// the KMS key whose binding b is, and the import token with it, which is good
// until validTo. Public is the wrapping key's SubjectPublicKeyInfo in DER. With
// RSA4096 it takes seconds of processor time. The error is ErrMechanism for a
// method that keys of type t are not used with.
func (k *ImportTokenKey) Issue(b Binding, t KeyType, method WrappingMethod, validTo time.Time) (token, public []byte, err error) {
	n := method.number(t)
	if n == 0 {
		return nil, nil, fmt.Errorf("wrapping by %q with %v: %w", method, t, ErrMechanism)
	}
	private, err := generatePrivate(t)
	if err != nil {
		return nil, nil, fmt.Errorf("making a wrapping key: %w", err)
	}
	if public, err = private.spki(); err != nil {
		return nil, nil, fmt.Errorf("making a wrapping key: %w", err)
	}
	material, err := private.material()
	if err != nil {
		return nil, nil, fmt.Errorf("making a wrapping key: %w", err)
	}
	defer clear(material)
	plaintext := make([]byte, 0, importHead+len(material))
	plaintext = append(plaintext, byte(t), n)
	plaintext = binary.BigEndian.AppendUint64(plaintext, uint64(validTo.UnixMilli()))
	plaintext = append(plaintext, material...)
	defer clear(plaintext)
	return k.prf.seal([]byte{importVersion}, labelImportToken, plaintext, importAAD(b)), public, nil
}

// Open returns the wrapping key in a token, expired or not. The error is ErrAuth,
// for a token that is damaged as for one that was issued for another KMS key.
func (k *ImportTokenKey) Open(b Binding, token []byte) (*WrappingKey, error) {
	if len(token) < minImportToken || len(token) > maxImportToken || token[0] != importVersion {
		return nil, ErrAuth
	}
	plaintext, err := k.prf.open(nil, labelImportToken, token[1:], importAAD(b))
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	t, n := KeyType(plaintext[0]), plaintext[1]
	if !wrapsWith(t, n) {
		return nil, ErrAuth // sealed by a newer version
	}
	private, err := parsePrivate(t, plaintext[importHead:])
	if err != nil {
		return nil, ErrAuth
	}
	validTo := time.UnixMilli(int64(binary.BigEndian.Uint64(plaintext[2:importHead]))).UTC()
	return &WrappingKey{keyType: t, method: n, validTo: validTo, private: private}, nil
}

// importAAD is the additional data of the tokens for the KMS key of a binding.
func importAAD(b Binding) []byte {
	aad := []byte{importVersion, byte(PurposeImport)}
	for _, s := range [...]string{b.Account, b.Region, b.KeyID} {
		aad = binary.BigEndian.AppendUint32(aad, uint32(len(s)))
		aad = append(aad, s...)
	}
	return aad
}

// WrappingKey unwraps key material. It is safe for concurrent use.
type WrappingKey struct {
	keyType KeyType
	method  byte
	validTo time.Time
	// private is behind a pointer, which fmt prints as an address at most.
	private privateKey
}

// ValidTo returns when the key expires, to the millisecond, in UTC.
func (w *WrappingKey) ValidTo() time.Time { return w.validTo }

// Fits reports whether wrapped key material can have a length, which is public.
func (w *WrappingKey) Fits(size int) bool {
	rsaSize := w.rsaSize()
	switch {
	case rsaSize == 0: // SM2: the length is that of the material and some DER
		return size > 0
	case wrappingMethods[w.method].hybrid:
		return size >= rsaSize+16 && (size-rsaSize)%8 == 0
	}
	return size == rsaSize
}

// rsaSize is the length of what the key decrypts, in bytes, 0 of SM2.
func (w *WrappingKey) rsaSize() int {
	switch w.keyType {
	case RSA2048:
		return 256
	case RSA3072:
		return 384
	case RSA4096:
		return 512
	}
	return 0
}

// unwrap returns the key material. The caller clears it. The error is ErrAuth.
func (w *WrappingKey) unwrap(wrapped []byte) ([]byte, error) {
	method := wrappingMethods[w.method]
	if !w.Fits(len(wrapped)) {
		return nil, ErrAuth
	}
	if !method.hybrid {
		return w.private.(encrypter).decrypt(method.mech, wrapped)
	}
	kek, err := w.private.(encrypter).decrypt(method.mech, wrapped[:w.rsaSize()])
	defer clear(kek)
	if err != nil {
		return nil, err
	}
	if len(kek) != transportKeySize {
		return nil, ErrAuth
	}
	material, err := keywrap.UnwrapPad(kek, wrapped[w.rsaSize():])
	if err != nil {
		return nil, ErrAuth
	}
	return material, nil
}

// ImportWrapped unwraps material of type t and wraps it for the binding b, under
// the newest key of b.Domain: 32 bytes of a symmetric key, an HMAC key as
// ImportHMACKey takes it, a private key in PKCS #8. The material does not leave
// the package. Errors to test for: ErrAuth when it does not unwrap, ErrMaterial
// when it is not one of type t, and those of GenerateKey.
func (m *Module) ImportWrapped(t KeyType, b Binding, w *WrappingKey, wrapped []byte) (token []byte, err error) {
	material, err := w.unwrap(wrapped)
	if err != nil {
		return nil, err
	}
	plain := secret.New(material)
	defer plain.Wipe()
	switch t.Purpose() {
	case PurposeKeyPair:
		return m.ImportKeyPair(t, b, plain)
	case PurposeHMACKey:
		return m.ImportHMACKey(t, b, plain)
	}
	if plain.Len() != keySize {
		return nil, fmt.Errorf("importing %v for %v: %w", t, b, ErrMaterial)
	}
	return m.ImportKey(b, plain)
}

// String keeps fmt from looking inside, whatever holds the handle.
func (WrappingKey) String() string { return "hsm.WrappingKey" }

// GoString is String for %#v.
func (WrappingKey) GoString() string { return "hsm.WrappingKey" }
