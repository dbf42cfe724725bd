package hsm

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync/atomic"
)

// A part record begins every stored part (docs/formats/object.md):
//
//	offset  size  content
//	0       4     "SRP1"
//	4       4     part number, big-endian
//	8       16    salt, random for every attempt to upload the part
//	24      28    nonce and tag of AES-256-GCM over an empty plaintext
//
// The seal's key is derived from the object key under "strongroom/1 part
// record" with context part number ‖ salt, its additional data is the first 24
// bytes. The chunks' key has the same context and another label: a part
// uploaded twice never meets the same key.
//
// All attempts at a part are sealed under the same object key, so that the
// record alone does not say which of them was taken. Whoever opens a part must
// know its salt from elsewhere, where the store cannot change it.

const (
	partMagic = "SRP1"
	partFixed = 24 // all but the seal
	// PartRecordSize is the size in bytes of a part record.
	PartRecordSize = partFixed + gcmOverhead
	// ChunkOverhead is how many bytes longer a sealed chunk is than its plaintext.
	ChunkOverhead = gcmOverhead
	// MaxChunks is how many chunks one part key seals: SP 800-38D section 8.3.
	MaxChunks = 1 << 32
)

// PartSalt tells an attempt to upload a part from all others. It is not secret.
type PartSalt [saltSize]byte

// PartKey seals and opens the chunks of one part. It is safe for concurrent use.
//
// It is the one AES key of this package that seals many messages, so it counts
// them, and only the key that NewPart returned seals: of one opened again
// nobody knows how often it has sealed before.
type PartKey struct {
	aead   cipher.AEAD
	number uint32
	salt   PartSalt
	fresh  bool // made by NewPart
	sealed atomic.Uint64
}

// NewPart makes the key of a new attempt to upload part number, counted from
// 1, and its part record of PartRecordSize bytes.
func (k *ObjectKey) NewPart(number uint32) (p *PartKey, record []byte, err error) {
	if number == 0 {
		return nil, nil, errors.New("hsm: part numbers begin with 1")
	}
	record = append(make([]byte, 0, PartRecordSize), partMagic...)
	record = binary.BigEndian.AppendUint32(record, number)
	record = record[:partFixed]
	_, _ = rand.Read(record[partFixed-saltSize:])
	context := record[len(partMagic):]
	fixed := append([]byte(nil), record...) // the seal's output may not overlap its additional data's array
	record = k.prf.aead(labelPartRecord, context).Seal(record, nil, nil, fixed)
	return &PartKey{aead: k.prf.aead(labelPartContent, context), number: number, salt: PartSalt(fixed[partFixed-saltSize : partFixed]), fresh: true}, record, nil
}

// OpenPart returns the key of a stored part: of the attempt to upload it that
// has this salt. It opens chunks and does not seal. The error is ErrAuth when
// record is damaged, of another object, part number or attempt.
func (k *ObjectKey) OpenPart(number uint32, salt PartSalt, record []byte) (*PartKey, error) {
	n, s, seal, ok := parsePartRecord(record)
	if !ok || n != number || s != salt {
		return nil, ErrAuth
	}
	context := record[len(partMagic):partFixed]
	if _, err := k.prf.aead(labelPartRecord, context).Open(nil, nil, seal, record[:partFixed]); err != nil {
		return nil, ErrAuth
	}
	return &PartKey{aead: k.prf.aead(labelPartContent, context), number: number, salt: salt}, nil
}

// parsePartRecord splits a part record without checking its seal.
func parsePartRecord(record []byte) (number uint32, salt PartSalt, seal []byte, ok bool) {
	if len(record) != PartRecordSize || string(record[:len(partMagic)]) != partMagic {
		return 0, salt, nil, false
	}
	number = binary.BigEndian.Uint32(record[len(partMagic):])
	return number, PartSalt(record[partFixed-saltSize : partFixed]), record[partFixed:], number != 0
}

// Salt returns what tells this attempt from all others. It is kept, sealed,
// where the part is referred to.
func (p *PartKey) Salt() PartSalt { return p.salt }

// SealChunk appends the sealed chunk to dst: nonce, ciphertext and tag,
// ChunkOverhead bytes longer than plaintext, which must not overlap dst's free
// capacity. index counts the part's chunks from 0; final marks the last one,
// and every part has exactly one. It panics when asked for more than MaxChunks
// seals, or on a key from OpenPart: both are errors of the program.
func (p *PartKey) SealChunk(dst, plaintext []byte, index uint64, final bool) []byte {
	if !p.fresh {
		panic("hsm: a part key that was opened does not seal")
	}
	if p.sealed.Add(1) > MaxChunks {
		panic("hsm: part key has sealed all the chunks it may")
	}
	aad := p.chunkAAD(index, final)
	return p.aead.Seal(dst, nil, plaintext, aad[:])
}

// OpenChunk appends the plaintext of a sealed chunk to dst, whose free capacity
// must not overlap sealed. The error is ErrAuth when the chunk is damaged, has
// another index or part, or differs in being the last.
func (p *PartKey) OpenChunk(dst, sealed []byte, index uint64, final bool) ([]byte, error) {
	aad := p.chunkAAD(index, final)
	out, err := p.aead.Open(dst, nil, sealed, aad[:])
	if err != nil {
		return nil, ErrAuth
	}
	return out, nil
}

// chunkAAD is part number (4 bytes) ‖ chunk index (8) ‖ 1 if final, else 0;
// numbers are big-endian.
func (p *PartKey) chunkAAD(index uint64, final bool) (aad [13]byte) {
	binary.BigEndian.PutUint32(aad[:], p.number)
	binary.BigEndian.PutUint64(aad[4:], index)
	if final {
		aad[12] = 1
	}
	return aad
}
