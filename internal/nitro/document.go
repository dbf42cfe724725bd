package nitro

import (
	"bytes"
	"fmt"
	"math"

	"github.com/fxamacker/cbor/v2"
)

// Limits of a document (Nitro Enclaves Attestation Process, 3.1 and 3.2.2.2).
const (
	maxPayload     = 16384
	maxCertificate = 1024
	maxPublicKey   = 1024
	maxUserData    = 512 // of the nonce too
	maxPCRs        = 32
	maxBundle      = 16 // ours: a bundle has four certificates
	signatureSize  = 96
)

// tagSign1 is CBOR tag 18, COSE_Sign1, which a document may have or lack.
const tagSign1 = 0xd2

// es384Header is the protected header {1: -35}, ES384 (RFC 9053, 2.1). With any
// other one, a critical parameter among them, a document is refused.
var es384Header = []byte{0xa1, 0x01, 0x38, 0x22}

// message is a COSE_Sign1 (RFC 9052, 4.2).
type message struct {
	_           struct{} `cbor:",toarray"`
	Protected   cbor.ByteString
	Unprotected map[int64]cbor.RawMessage
	Payload     cbor.ByteString
	Signature   cbor.ByteString
}

// payload is the attestation document in a message. Its optional members may
// also be null, as the Nitro Secure Module writes them.
type payload struct {
	ModuleID    string                     `cbor:"module_id"`
	Digest      string                     `cbor:"digest"`
	Timestamp   uint64                     `cbor:"timestamp"` // Unix time in milliseconds
	PCRs        map[uint64]cbor.ByteString `cbor:"pcrs"`
	Certificate cbor.ByteString            `cbor:"certificate"` // DER
	Bundle      []cbor.ByteString          `cbor:"cabundle"`    // DER, the root first
	PublicKey   *cbor.ByteString           `cbor:"public_key"`  // DER
	UserData    *cbor.ByteString           `cbor:"user_data"`
	Nonce       *cbor.ByteString           `cbor:"nonce"`
}

// strict refuses what could be read in two ways: a member twice, an unknown one,
// one in other case, lengths without end, tags, what follows the end.
var strict = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		MaxNestedLevels:   4,
		MaxArrayElements:  maxBundle,
		MaxMapPairs:       maxPCRs,
	}.DecMode()
	if err != nil {
		panic("nitro: " + err.Error())
	}
	return m
}()

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func parseMessage(b []byte) (*message, error) {
	if len(b) > 0 && b[0] == tagSign1 {
		b = b[1:]
	}
	var m message
	if err := strict.Unmarshal(b, &m); err != nil {
		return nil, malformed("no COSE_Sign1")
	}
	switch {
	case !bytes.Equal([]byte(m.Protected), es384Header):
		return nil, malformed("the protected header is not that of ES384")
	case m.Unprotected == nil || len(m.Unprotected) != 0:
		return nil, malformed("the unprotected header is not empty")
	case len(m.Payload) == 0 || len(m.Payload) > maxPayload:
		return nil, malformed("payload of %d bytes", len(m.Payload))
	case len(m.Signature) != signatureSize:
		return nil, malformed("signature of %d bytes", len(m.Signature))
	}
	return &m, nil
}

func parsePayload(b []byte) (*payload, error) {
	var p payload
	if err := strict.Unmarshal(b, &p); err != nil {
		return nil, malformed("payload")
	}
	switch {
	case p.ModuleID == "":
		return nil, malformed("no module_id")
	case p.Digest != "SHA384":
		return nil, malformed("digest is not SHA384")
	case p.Timestamp == 0 || p.Timestamp > math.MaxInt64/1_000_000: // nanoseconds fit too
		return nil, malformed("timestamp")
	case len(p.PCRs) == 0:
		return nil, malformed("no pcrs")
	case !within(&p.Certificate, 1, maxCertificate):
		return nil, malformed("certificate")
	case len(p.Bundle) == 0:
		return nil, malformed("no cabundle")
	case !within(p.PublicKey, 1, maxPublicKey):
		return nil, malformed("public_key")
	case !within(p.UserData, 0, maxUserData):
		return nil, malformed("user_data")
	case !within(p.Nonce, 0, maxUserData):
		return nil, malformed("nonce")
	}
	for i, pcr := range p.PCRs {
		if n := len(pcr); i >= maxPCRs || n != 32 && n != 48 && n != 64 {
			return nil, malformed("pcrs")
		}
	}
	for i := range p.Bundle {
		if !within(&p.Bundle[i], 1, maxCertificate) {
			return nil, malformed("cabundle")
		}
	}
	return &p, nil
}

// within reports whether a member that is there has from min to max bytes.
func within(b *cbor.ByteString, min, max int) bool {
	return b == nil || len(*b) >= min && len(*b) <= max
}

// optional returns the bytes of a member, nil without it.
func optional(b *cbor.ByteString) []byte {
	if b == nil {
		return nil
	}
	return []byte(*b)
}
