package hsm

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/strongroom/strongroom/internal/secret"
)

// The derivation labels. One key under two labels gives two unrelated keys;
// the label is what binds a derived key to its use and format version.
const (
	labelRootKeyID    = "strongroom/1 root key id"
	labelKeyToken     = "strongroom/1 key token"
	labelMaterialID   = "strongroom/1 key material id"
	labelMessage      = "strongroom/1 message"
	labelBlobHeader   = "strongroom/1 portable blob header"
	labelRecord       = "strongroom/1 record"
	labelSessionToken = "strongroom/1 session token"
	labelImportToken  = "strongroom/1 import token"
	labelObjectKey    = "strongroom/1 object key"
	labelManifest     = "strongroom/1 manifest"
	labelPartRecord   = "strongroom/1 part record"
	labelPartContent  = "strongroom/1 part content"
)

// prf is HMAC-SHA-256 under one key. It is safe for concurrent use: keyed
// states are pooled, because keying one costs two blocks of SHA-256.
type prf struct {
	key  secret.Bytes
	pool sync.Pool // of *prfState
}

// prfState is one keyed HMAC with the scratch space of one computation, kept
// together so that a derivation allocates nothing.
type prfState struct {
	h   hash.Hash
	buf []byte            // input being assembled
	sum [sha256.Size]byte // last HMAC
}

// newPRF takes ownership of key, of any length but 0.
func newPRF(key secret.Bytes) *prf {
	p := &prf{key: key}
	p.pool.New = func() any {
		return &prfState{h: hmac.New(sha256.New, p.key.Expose()), buf: make([]byte, 0, 128)}
	}
	return p
}

// wipe overwrites the key and lets go of the keyed states, which cannot be
// overwritten: crypto/hmac has nothing for that. Nobody may be using p; a use
// after it panics rather than work with a key of zeros.
func (p *prf) wipe() {
	p.key.Wipe()
	p.pool = sync.Pool{New: func() any { panic("hsm: a wiped key was used") }}
}

func (p *prf) get() *prfState { return p.pool.Get().(*prfState) }

// put gives a state back without the derived key it may still hold.
func (p *prf) put(s *prfState) {
	clear(s.sum[:])
	p.pool.Put(s)
}

// mac computes HMAC-SHA-256 of data.
func (p *prf) mac(data []byte) [sha256.Size]byte {
	s := p.get()
	defer p.put(s)
	s.h.Reset()
	s.h.Write(data)
	s.h.Sum(s.sum[:0])
	return s.sum
}

// derive fills out with the key for label and context, each by SP 800-108r1
// section 4.1 (see [prfState.derive]).
func (p *prf) derive(out []byte, label string, context ...[]byte) {
	s := p.get()
	defer p.put(s)
	s.derive(out, label, context...)
}

// derive assembles the fixed input data of SP 800-108r1 section 4.1,
//
//	Label ‖ 0x00 ‖ Context ‖ [L]_32
//
// and expands it. Context is the concatenation of the given pieces; each label
// fixes their number and sizes. L is the length of out in bits.
func (s *prfState) derive(out []byte, label string, context ...[]byte) {
	s.buf = append(s.buf[:0], 0, 0, 0, 0) // the counter's place
	s.buf = append(s.buf, label...)
	s.buf = append(s.buf, 0)
	for _, c := range context {
		s.buf = append(s.buf, c...)
	}
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(out)*8))
	s.expand(out)
}

// expand is the loop of SP 800-108r1 section 4.1 with r = 32 and the counter
// before the fixed data: K(i) = HMAC(key, [i]_32 ‖ fixed input). s.buf holds
// four bytes for the counter, then the fixed input data.
func (s *prfState) expand(out []byte) {
	for i := uint32(1); len(out) > 0; i++ {
		binary.BigEndian.PutUint32(s.buf, i)
		s.h.Reset()
		s.h.Write(s.buf)
		s.h.Sum(s.sum[:0])
		out = out[copy(out, s.sum[:]):]
	}
}

// randomBytes returns n bytes of crypto/rand, which never fails: it ends the
// process instead.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
