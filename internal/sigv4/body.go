package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
)

// MaxSignedChunk is the largest chunk, in bytes, taken where chunks are signed:
// it is held in memory until its signature is verified. AWS's clients send
// 64 KiB to 1 MiB. Unsigned chunks are not held and have no bound.
const MaxSignedChunk = 16 << 20

// Body is the payload of an S3 request as its author wrote it: aws-chunked
// framing is taken off, and what x-amz-content-sha256 promises is verified.
//
//   - a hex SHA-256: bytes are handed out as they come and compared at the end
//   - UNSIGNED-PAYLOAD: only the length is checked
//   - STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER]: a chunk's bytes are handed
//     out after its signature has been verified
//   - STREAMING-UNSIGNED-PAYLOAD-TRAILER: the framing and the length are checked
//
// Read returns io.EOF only when everything has been verified; until then
// nothing may be made of the bytes that cannot be undone. Any other error is an
// *Error, and stays. A Body serves one goroutine.
type Body struct {
	source  source
	length  int64
	trailer http.Header
	err     error
}

// source yields verified payload. Its EOF is the Body's.
type source interface {
	read(p []byte) (int, error)
	// trailers returns the trailers, nil when there are none; valid after EOF.
	trailers() http.Header
}

// NewBody makes the Body of the S3 request that s signs. R is the body after
// HTTP's own transfer decoding, h the request's headers, contentLength the
// length of r in bytes or -1 when unknown. Sign is as in Verify, which must have
// succeeded: the chunks' signatures are chained to s.Value.
//
// All errors are *Error, of the kinds MissingPayloadHash, BadPayloadHash,
// SigV4a, MissingDecodedLength, BadDecodedLength, DecodedLengthMismatch and BadTrailerNames.
func NewBody(r io.Reader, s *Signature, h http.Header, contentLength int64, sign func(stringToSign []byte) [32]byte) (*Body, error) {
	if err := s.checkPayloadHash(s.PayloadHash); err != nil {
		return nil, err
	}
	switch s.PayloadHash {
	case StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer:
	default:
		p := &plain{r: r, length: contentLength, keyID: s.KeyID}
		if decodeHex(&p.want, s.PayloadHash) {
			p.hash = sha256.New()
		}
		return &Body{source: p, length: contentLength}, nil
	}
	length, err := decodedLength(h, contentLength)
	if err != nil {
		return nil, err
	}
	c := &chunked{
		r: bufio.NewReaderSize(r, lineBuffer), s: s, sign: sign, length: length,
		signed:  s.PayloadHash != StreamingUnsignedTrailer,
		trailed: s.PayloadHash != StreamingSigned,
	}
	copy(c.previous[:], s.provided)
	if c.announced, err = announcedTrailers(h[headerTrailer], c.trailed); err != nil {
		return nil, err
	}
	return &Body{source: c, length: length}, nil
}

// decodedLength reads x-amz-decoded-content-length.
func decodedLength(h http.Header, contentLength int64) (int64, error) {
	v := h[headerDecoded]
	if len(v) == 0 {
		const text = "You must provide the Content-Length HTTP header."
		return 0, &Error{Kind: MissingDecodedLength, Message: text, S3Message: text}
	}
	n, err := strconv.ParseUint(v[0], 10, 63)
	if err != nil || len(v) > 1 {
		const text = "x-amz-decoded-content-length is not a length."
		return 0, &Error{Kind: BadDecodedLength, Message: text, S3Message: text}
	}
	if contentLength >= 0 && int64(n) > contentLength {
		return 0, lengthMismatch()
	}
	return int64(n), nil
}

// Read implements [io.Reader].
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.source.read(p)
	if err != nil {
		b.err = err
		if err == io.EOF {
			b.trailer = b.source.trailers()
		}
	}
	return n, err
}

// DecodedLength returns the length of the payload in bytes, as announced; -1
// when it is not known. Read has delivered exactly that many at io.EOF.
func (b *Body) DecodedLength() int64 { return b.length }

// Trailer returns the trailers, x-amz-checksum-* and nothing else, under their
// canonical names; nil before io.EOF and when there are none. The caller owns it.
func (b *Body) Trailer() http.Header { return b.trailer }

// plain is a body without framing.
type plain struct {
	r      io.Reader
	length int64 // expected, or -1
	got    int64
	hash   hash.Hash // nil for UNSIGNED-PAYLOAD
	want   [32]byte
	keyID  string
}

func (p *plain) trailers() http.Header { return nil }

func (p *plain) read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.got += int64(n)
	if p.length >= 0 && p.got > p.length {
		return 0, lengthMismatch()
	}
	if p.hash != nil {
		p.hash.Write(b[:n])
	}
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, truncated(err)
	case p.got < p.length:
		return n, truncated(io.ErrUnexpectedEOF)
	}
	if p.hash != nil {
		// Not secret on either side, so an ordinary comparison.
		if got := [32]byte(p.hash.Sum(nil)); got != p.want {
			const text = "The provided 'x-amz-content-sha256' header does not match what was computed."
			return n, &Error{
				Kind: PayloadMismatch, KeyID: p.keyID, Message: text, S3Message: text,
				ClientSHA256: hex.EncodeToString(p.want[:]), ServerSHA256: hex.EncodeToString(got[:]),
			}
		}
	}
	return n, io.EOF
}

// truncated wraps what ended a body early. It is never io.EOF, through any wrapping.
func truncated(cause error) *Error {
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	const text = "The request body terminated unexpectedly"
	return &Error{Kind: Truncated, Message: text, S3Message: text, Err: cause}
}

func lengthMismatch() *Error {
	const text = "You did not provide the number of bytes specified by the Content-Length HTTP header"
	return &Error{Kind: DecodedLengthMismatch, Message: text, S3Message: text}
}
