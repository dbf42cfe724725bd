package nitro

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// enclave is a Nitro system of the test's own: a root, an intermediate, a leaf,
// and the RSA key of the enclave. Its parts are fields for a test to break.
type enclave struct {
	t         testing.TB
	now       time.Time
	curve     elliptic.Curve
	validFor  time.Duration // of the leaf
	interCA   bool
	leafUsage x509.KeyUsage
	rsa       *rsa.PrivateKey
	root      []byte // DER
	inter     []byte
	leaf      []byte
	leafKey   *ecdsa.PrivateKey
}

var enclaveKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newEnclave(t testing.TB, change func(*enclave)) *enclave {
	t.Helper()
	key, err := enclaveKey()
	if err != nil {
		t.Fatal(err)
	}
	e := &enclave{t: t, now: time.Now(), curve: elliptic.P384(), validFor: time.Hour, interCA: true, leafUsage: x509.KeyUsageDigitalSignature, rsa: key}
	if change != nil {
		change(e)
	}
	ca := func(name string, isCA bool) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: e.now.Add(-time.Hour), NotAfter: e.now.Add(24 * time.Hour),
			BasicConstraintsValid: true, IsCA: isCA, KeyUsage: x509.KeyUsageCertSign, SignatureAlgorithm: x509.ECDSAWithSHA384,
		}
		return c
	}
	root, inter, leaf := ca("root", true), ca("inter", e.interCA), ca("leaf", false)
	leaf.KeyUsage, leaf.NotAfter = e.leafUsage, e.now.Add(e.validFor)
	rootKey, interKey := e.key(elliptic.P384()), e.key(e.curve)
	e.leafKey = e.key(elliptic.P384())
	e.root = e.certify(root, root, &rootKey.PublicKey, rootKey)
	e.inter = e.certify(inter, root, &interKey.PublicKey, rootKey)
	e.leaf = e.certify(leaf, inter, &e.leafKey.PublicKey, interKey)
	return e
}

func (e *enclave) key(c elliptic.Curve) *ecdsa.PrivateKey {
	e.t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	return k
}

func (e *enclave) certify(c, parent *x509.Certificate, public *ecdsa.PublicKey, signer *ecdsa.PrivateKey) []byte {
	e.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
	if err != nil {
		e.t.Fatal(err)
	}
	return der
}

func (e *enclave) roots() []Root { return []Root{sha256.Sum256(e.root)} }

// fields are those of a good document.
func (e *enclave) fields() map[string]any {
	e.t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&e.rsa.PublicKey)
	if err != nil {
		e.t.Fatal(err)
	}
	return map[string]any{
		"module_id": "i-1-enc1", "digest": "SHA384", "timestamp": uint64(e.now.UnixMilli()),
		"pcrs":        map[int][]byte{0: make([]byte, 48), 1: make([]byte, 48)},
		"certificate": e.leaf, "cabundle": [][]byte{e.root, e.inter},
		"public_key": spki, "user_data": nil, "nonce": []byte("nonce"),
	}
}

func (e *enclave) encode(v any) []byte {
	e.t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		e.t.Fatal(err)
	}
	return b
}

func (e *enclave) sign(protected, payload []byte) []byte {
	e.t.Helper()
	signed, err := sigStructure(cbor.ByteString(protected), cbor.ByteString(payload))
	if err != nil {
		e.t.Fatal(err)
	}
	digest := sha512.Sum384(signed)
	r, s, err := ecdsa.Sign(rand.Reader, e.leafKey, digest[:])
	if err != nil {
		e.t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
}

// document signs fields, after change had them.
func (e *enclave) document(change func(map[string]any)) []byte {
	e.t.Helper()
	f := e.fields()
	if change != nil {
		change(f)
	}
	return e.signed(e.encode(f))
}

func (e *enclave) signed(payload []byte) []byte {
	e.t.Helper()
	return e.encode([]any{es384Header, map[int]int{}, payload, e.sign(es384Header, payload)})
}
