package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
)

const (
	lineBuffer     = 4096 // bytes buffered of the wire; no line is longer
	maxChunkLine   = 128  // bytes of a chunk's line, where 97 are needed
	firstAllocated = 64 << 10
	chunkAlgorithm = "AWS4-HMAC-SHA256-PAYLOAD"
	signatureParam = ";chunk-signature="
	// emptySHA256 is the hash of no bytes; AWS reserves its place in the string to sign.
	emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// chunked reads aws-chunked encoding:
//
//	chunk   = hexsize [";chunk-signature=" 64hex] CRLF data CRLF
//	last    = "0"     [";chunk-signature=" 64hex] CRLF
//	trailer = name ":" value CRLF
//	body    = *chunk last *trailer ["x-amz-trailer-signature:" 64hex CRLF] CRLF
//
// The signatures are there in the signed modes, the trailers in the -TRAILER modes.
// "Transferring Payload in Multiple Chunks (Chunked Upload)" and "… Including
// Trailing Headers", Amazon S3 API Reference. That only the last chunk may be
// smaller than 8 KiB is not enforced: it is of no use to anyone.
type chunked struct {
	r    *bufio.Reader
	s    *Signature
	sign func(stringToSign []byte) [32]byte

	signed    bool     // chunks and trailers are signed
	trailed   bool     // trailers follow
	announced []string // trailers to come, lower case

	length    int64 // announced
	got       int64 // bytes of payload in the chunks begun so far
	remaining int64 // bytes of the present unsigned chunk still on the wire
	inChunk   bool  // the CRLF of an unsigned chunk is still to come

	previous [64]byte // hex signature that the next one is chained to
	chunk    []byte   // memory for a signed chunk
	ready    []byte   // its bytes, verified and not yet handed out
	sts      []byte   // string to sign
	trailer  http.Header
}

func (c *chunked) trailers() http.Header { return c.trailer }

func (c *chunked) read(p []byte) (int, error) {
	for {
		if len(c.ready) > 0 {
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			return n, nil
		}
		if c.remaining > 0 {
			n, err := c.r.Read(p[:min(int64(len(p)), c.remaining)])
			c.remaining -= int64(n)
			if err != nil {
				return n, truncated(err)
			}
			return n, nil
		}
		if c.inChunk {
			if err := c.crlf(); err != nil {
				return 0, err
			}
			c.inChunk = false
		}
		last, err := c.next()
		if err != nil {
			return 0, err
		}
		if last {
			return 0, c.finish()
		}
	}
}

// next takes a chunk's line and, where chunks are signed, the chunk.
func (c *chunked) next() (last bool, err error) {
	line, err := c.line()
	if err != nil {
		return false, err
	}
	size, signature, ok := c.parseLine(line)
	if !ok {
		return false, chunkMalformed("its line is not a size" + c.orSigned())
	}
	if size > c.length-c.got {
		return false, lengthMismatch()
	}
	c.got += size
	if !c.signed {
		c.remaining, c.inChunk = size, size > 0
		return size == 0, nil
	}
	if size > MaxSignedChunk {
		const text = "A signed chunk is larger than 16 MiB."
		return false, &Error{Kind: ChunkTooLarge, KeyID: c.s.KeyID, Message: text, S3Message: text}
	}
	if err := c.fill(int(size)); err != nil {
		return false, err
	}
	if size > 0 {
		if err := c.crlf(); err != nil {
			return false, err
		}
	}
	sum := sha256.Sum256(c.chunk)
	c.sts = c.s.appendStringToSign(c.sts[:0], chunkAlgorithm)
	c.sts = append(append(c.sts, c.previous[:]...), "\n"+emptySHA256+"\n"...)
	c.sts = hex.AppendEncode(c.sts, sum[:])
	if err := c.verify(&signature); err != nil {
		return false, err
	}
	c.ready = c.chunk
	return size == 0, nil
}

func (c *chunked) orSigned() string {
	if c.signed {
		return " and a signature"
	}
	return ""
}

// parseLine reads hexsize[;chunk-signature=64hex].
func (c *chunked) parseLine(line []byte) (size int64, signature [64]byte, ok bool) {
	digits := line
	if c.signed {
		var param []byte
		i := bytes.IndexByte(line, ';')
		if i < 0 {
			return 0, signature, false
		}
		digits, param = line[:i], line[i:]
		var value [32]byte
		if !bytes.HasPrefix(param, []byte(signatureParam)) ||
			!decodeHex(&value, string(param[len(signatureParam):])) {
			return 0, signature, false
		}
		copy(signature[:], param[len(signatureParam):])
	}
	if len(digits) == 0 || len(digits) > 16 || !isHex(digits[0]) { // ParseInt would take a sign
		return 0, signature, false
	}
	size, err := strconv.ParseInt(string(digits), 16, 64)
	return size, signature, err == nil
}

// fill reads size bytes into c.chunk. Memory grows with what arrives, not with
// what is announced.
func (c *chunked) fill(size int) error {
	c.chunk = c.chunk[:0]
	for len(c.chunk) < size {
		have := len(c.chunk)
		step := min(size-have, max(have, firstAllocated))
		c.chunk = slices.Grow(c.chunk, step)[:have+step]
		if _, err := io.ReadFull(c.r, c.chunk[have:]); err != nil {
			c.chunk = c.chunk[:0]
			return truncated(err)
		}
	}
	return nil
}

// verify compares the signature of c.sts with the one on the wire, and chains
// the next one to it.
func (c *chunked) verify(provided *[64]byte) error {
	sum := c.sign(c.sts)
	var want [64]byte
	hex.Encode(want[:], sum[:])
	if subtle.ConstantTimeCompare(want[:], provided[:]) != 1 {
		return &Error{
			Kind: ChunkSignatureMismatch, KeyID: c.s.KeyID, Message: textMismatch, S3Message: textMismatchS3,
			StringToSign: string(c.sts), SignatureProvided: string(provided[:]),
		}
	}
	c.previous = want
	return nil
}

// finish takes what follows the last chunk. It returns io.EOF when all is well.
func (c *chunked) finish() error {
	if c.got != c.length {
		return lengthMismatch()
	}
	if c.trailed {
		if err := c.readTrailer(); err != nil {
			return err
		}
	} else if err := c.crlf(); err != nil {
		return err
	}
	switch _, err := c.r.ReadByte(); {
	case err == io.EOF:
		return io.EOF
	case err == nil:
		return chunkMalformed("there are bytes after the last chunk")
	default:
		return truncated(err)
	}
}

// line reads up to CRLF, which it leaves out. What it returns is valid until the next read.
func (c *chunked) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || err == nil && len(line) > maxChunkLine {
		return nil, chunkMalformed("its line is too long")
	}
	if err != nil {
		return nil, truncated(err)
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return nil, chunkMalformed("its line does not end in CRLF")
	}
	return line, nil
}

// crlf reads the end of a chunk's data.
func (c *chunked) crlf() error {
	for _, want := range [...]byte{'\r', '\n'} {
		got, err := c.r.ReadByte()
		if err != nil {
			return truncated(err)
		}
		if got != want {
			return chunkMalformed("its data is not followed by CRLF")
		}
	}
	return nil
}

func chunkMalformed(why string) *Error {
	text := "A chunk of the body is malformed: " + why + "."
	return &Error{Kind: ChunkMalformed, Message: text, S3Message: text}
}
