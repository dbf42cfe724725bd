package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// What docs/formats/audit-segment.md draws, read and written from that page alone.
const (
	segmentHeader = 64
	frameHeader   = 48
)

func cutRecordScript(ts *testscript.TestScript, neg bool, args []string) {
	forge := len(args) > 0 && args[0] == "-forge"
	if forge {
		args = args[1:]
	}
	usage(ts, neg, len(args) == 2, "cutrecord [-forge] FILE TEXT")
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	out := bytes.Clone(b[:segmentHeader])
	head := sha256.Sum256(out)
	found, cutAt := 0, len(b)
	for at := segmentHeader; at < len(b); {
		end := at + frameHeader + int(binary.BigEndian.Uint32(b[at+4:]))
		frame := bytes.Clone(b[at:end])
		at = end
		if bytes.Contains(frame[frameHeader:], []byte(args[1])) {
			found, cutAt = found+1, at-len(frame)
			continue
		}
		if forge {
			if len(frame) == frameHeader { // a mark: what it speaks of has moved
				if said := int(binary.BigEndian.Uint64(frame[8:])); said > cutAt {
					binary.BigEndian.PutUint64(frame[8:], uint64(said-(at-len(frame)-len(out))))
				}
			}
			record := sha256.Sum256(frame[frameHeader:])
			head = sha256.Sum256(append(append(head[:], frame[8:16]...), record[:]...))
			copy(frame[16:], head[:])
			binary.BigEndian.PutUint32(frame, crc32.Checksum(frame[4:frameHeader], crc32.MakeTable(crc32.Castagnoli)))
		}
		out = append(out, frame...)
	}
	if found != 1 {
		ts.Fatalf("%s: got %d records with %q, want 1", args[0], found, args[1])
	}
	ts.Check(os.WriteFile(path, out, 0o600))
}
