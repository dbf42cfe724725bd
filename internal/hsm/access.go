package hsm

import (
	"crypto/sha256"
	"strings"
	"sync"

	"github.com/strongroom/strongroom/internal/secret"
)

// AccessKey is the secret of an access key. It computes Signature V4 and
// nothing else. It is safe for concurrent use.
type AccessKey struct {
	first *prf // keyed with "AWS4" + secret

	mu      sync.RWMutex
	signers map[signingScope]func([]byte) [sha256.Size]byte // guarded by mu
}

// signingScope is a credential scope without its constant end.
type signingScope struct{ date, region, service string }

// maxSigners bounds the derived signing keys kept per access key: three
// services in some regions, on two days around midnight. Whoever knows only an
// access key id can ask for any scope, so when it is full all are dropped: a
// lost one costs four HMACs.
const maxSigners = 64

func newAccessKey(key secret.Bytes) *AccessKey {
	first := append([]byte("AWS4"), key.Expose()...)
	return &AccessKey{first: newPRF(secret.New(first)), signers: make(map[signingScope]func([]byte) [sha256.Size]byte)}
}

// SigV4 returns the function that signs a string to sign for the scope
// date/region/service/aws4_request; date is YYYYMMDD. The key it signs with is
// that of "Create a signed AWS API request" in the IAM User Guide:
//
//	HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")
//
// The function is safe for concurrent use and may be kept.
func (k *AccessKey) SigV4(date, region, service string) func(stringToSign []byte) [32]byte {
	scope := signingScope{date, region, service}
	k.mu.RLock()
	sign := k.signers[scope]
	k.mu.RUnlock()
	if sign != nil {
		return sign
	}
	p := k.first
	for _, step := range [...]string{date, region, service, "aws4_request"} {
		key := p.mac([]byte(step))
		if p != k.first {
			p.wipe()
		}
		p = newPRF(secret.New(key[:]))
	}
	sign = p.mac
	// The strings may be parts of a whole request: keep copies.
	scope = signingScope{strings.Clone(date), strings.Clone(region), strings.Clone(service)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.signers) >= maxSigners {
		clear(k.signers)
	}
	k.signers[scope] = sign
	return sign
}
