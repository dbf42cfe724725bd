package s3

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// An upload id is 32 bytes in 43 characters:
//
//	size  content
//	8     when the upload began: nanoseconds since 1970, big-endian
//	24    random
//
// Its digits are in bytewise order, so that the ids of one key are in the order
// in which its uploads began: ListMultipartUploads pages by the id and answers by
// the time, and the store's own order serves both. The random bytes keep it from
// being guessed.
const uploadIDDigits = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

const (
	uploadIDSize   = 32
	uploadIDLength = (uploadIDSize*8 + 5) / 6
)

// newUploadID makes the id of an upload that begins now. No two of a process have
// one time, and none has an earlier one than the id before it, whatever the clock
// does.
func (s *Service) newUploadID() string {
	var now int64
	for {
		last := s.lastUpload.Load()
		now = max(s.clock().UnixNano(), last+1)
		if s.lastUpload.CompareAndSwap(last, now) {
			break
		}
	}
	var id [uploadIDSize]byte
	binary.BigEndian.PutUint64(id[:], uint64(now))
	_, _ = rand.Read(id[8:]) // never fails: see crypto/rand
	return base64.NewEncoding(uploadIDDigits).WithPadding(base64.NoPadding).EncodeToString(id[:])
}

// validUploadID keeps what is no id of ours from the store.
func validUploadID(id string) bool {
	return len(id) == uploadIDLength && strings.Trim(id, uploadIDDigits) == ""
}
