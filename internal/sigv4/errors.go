package sigv4

import (
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
)

// Kind says what is wrong with a signature or a body. A Kind is itself an
// error: errors.Is(err, sigv4.Skewed) holds through any wrapping. The edge has
// one map per protocol from kinds to AWS's error codes.
type Kind uint8

// The kinds; the zero value is invalid. The S3 code each stands for is in brackets.
const (
	_ Kind = iota

	// From Parse.
	NoSignature // no Authorization header and no signature in the query (AccessDenied)
	Malformed   // not of the documented form, or beyond a bound (AuthorizationHeaderMalformed, AuthorizationQueryParametersError)
	MissingDate // neither X-Amz-Date nor Date, or one that is no date (AccessDenied)
	Ambiguous   // several Authorization headers, or header and query at once (InvalidArgument)
	SigV2       // Signature Version 2 (InvalidRequest)
	SigV4a      // the asymmetric AWS4-ECDSA-P256-SHA256 (InvalidRequest)

	// From Verify.
	WrongRegion        // scope is of a region not served (AuthorizationHeaderMalformed)
	WrongService       // scope is of another service (as above)
	WrongTerminator    // scope does not end in aws4_request (as above)
	DateMismatch       // scope's date is not the day of the request's time (as above)
	Skewed             // header signature too old or too new (RequestTimeTooSkewed)
	ExpiredPresign     // (AccessDenied)
	NotYetValid        // presigned too far in the future (AccessDenied)
	MissingPayloadHash // S3 without x-amz-content-sha256 (InvalidRequest)
	BadPayloadHash     // x-amz-content-sha256 is none of the allowed values (InvalidArgument)
	UnsignedHeaders    // host or an x-amz-* header is not signed (AccessDenied)
	SignatureMismatch  // (SignatureDoesNotMatch)

	// From NewBody and Body.Read.
	PayloadMismatch        // the body's hash is not x-amz-content-sha256 (XAmzContentSHA256Mismatch)
	MissingDecodedLength   // aws-chunked without x-amz-decoded-content-length (MissingContentLength)
	BadDecodedLength       // that header is no length (InvalidArgument)
	DecodedLengthMismatch  // the chunks hold more or fewer bytes than announced (IncompleteBody)
	Truncated              // the body ends early or cannot be read; wraps the cause (IncompleteBody)
	ChunkMalformed         // framing of a chunk, or bytes after the last (InvalidRequest)
	ChunkTooLarge          // a signed chunk above MaxSignedChunk (InvalidRequest)
	ChunkSignatureMismatch // (SignatureDoesNotMatch)
	BadTrailerNames        // x-amz-trailer announces something else than checksums (InvalidRequest)
	TrailerMalformed       // trailer missing, not announced, repeated or ill-formed (MalformedTrailerError)

	kindEnd
)

var kindNames = [kindEnd]string{
	NoSignature: "no signature", Malformed: "malformed", MissingDate: "missing date", Ambiguous: "ambiguous",
	SigV2: "signature version 2", SigV4a: "signature version 4a",
	WrongRegion: "wrong region", WrongService: "wrong service", WrongTerminator: "wrong terminator",
	DateMismatch: "date mismatch", Skewed: "skewed", ExpiredPresign: "expired", NotYetValid: "not yet valid",
	MissingPayloadHash: "missing payload hash", BadPayloadHash: "bad payload hash",
	UnsignedHeaders: "unsigned headers", SignatureMismatch: "signature mismatch",
	PayloadMismatch: "payload mismatch", MissingDecodedLength: "missing decoded length",
	BadDecodedLength: "bad decoded length", DecodedLengthMismatch: "decoded length mismatch",
	Truncated: "truncated", ChunkMalformed: "malformed chunk", ChunkTooLarge: "chunk too large",
	ChunkSignatureMismatch: "chunk signature mismatch", BadTrailerNames: "bad trailer names",
	TrailerMalformed: "malformed trailer",
}

// Kinds yields every kind, so that the edge can prove its maps complete.
func Kinds() iter.Seq[Kind] {
	return func(yield func(Kind) bool) {
		for k := NoSignature; k < kindEnd && yield(k); k++ {
		}
	}
}

// String implements [fmt.Stringer].
func (k Kind) String() string {
	if k == 0 || k >= kindEnd {
		return "invalid kind " + strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// Error implements error.
func (k Kind) Error() string { return "sigv4: " + k.String() }

// KindOf returns the kind of the first *Error in err's chain, or 0.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return 0
}

// Error is a refusal. Which fields are set depends on Kind. StringToSign and
// CanonicalRequest hold what the client sent, a customer's SSE-C key among it:
// they may go back to that client and never into a log. Error() leaves them out.
type Error struct {
	Kind      Kind
	Presigned bool   // the signature was, or should have been, in the query
	Message   string // AWS's text in the JSON and Query protocols
	S3Message string // AWS's text in S3

	KeyID             string // from Verify and NewBody
	Region            string // the region expected: WrongRegion
	StringToSign      string // SignatureMismatch, ChunkSignatureMismatch
	CanonicalRequest  string // SignatureMismatch
	SignatureProvided string // SignatureMismatch, ChunkSignatureMismatch

	RequestTime time.Time     // Skewed, ExpiredPresign, NotYetValid
	ServerTime  time.Time     // as above
	MaxSkew     time.Duration // the window: as above
	Expires     time.Duration // the life of a presigned request: ExpiredPresign

	HeadersNotSigned []string // lower case, sorted: UnsignedHeaders

	ClientSHA256 string // hex: PayloadMismatch
	ServerSHA256 string // hex: PayloadMismatch

	Err error // cause: Truncated
}

// Error implements error; it is the text for the log.
func (e *Error) Error() string {
	s := e.Kind.Error()
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Format implements [fmt.Formatter]: no verb prints the fields.
func (e *Error) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(e.Error())) }

// Is reports whether target is e's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// StringToSignBytes returns the string to sign as S3 prints it: two hex digits
// per byte, with spaces between.
func (e *Error) StringToSignBytes() string { return spacedHex(e.StringToSign) }

// CanonicalRequestBytes is StringToSignBytes for the canonical request.
func (e *Error) CanonicalRequestBytes() string { return spacedHex(e.CanonicalRequest) }

// MaxAllowedSkewMilliseconds returns the window as S3 prints it.
func (e *Error) MaxAllowedSkewMilliseconds() int64 { return e.MaxSkew.Milliseconds() }

// S3Fields yields the further elements of the S3 error body, name and value, in
// AWS's order (observed in S3's answers; the names are in the API's error reference).
func (e *Error) S3Fields() iter.Seq2[string, string] {
	const iso = "2006-01-02T15:04:05Z"
	var f []string
	switch e.Kind {
	case WrongRegion:
		f = []string{"Region", e.Region}
	case SignatureMismatch:
		f = []string{"AWSAccessKeyId", e.KeyID, "StringToSign", e.StringToSign,
			"SignatureProvided", e.SignatureProvided, "StringToSignBytes", e.StringToSignBytes(),
			"CanonicalRequest", e.CanonicalRequest, "CanonicalRequestBytes", e.CanonicalRequestBytes()}
	case ChunkSignatureMismatch:
		f = []string{"AWSAccessKeyId", e.KeyID, "StringToSign", e.StringToSign,
			"SignatureProvided", e.SignatureProvided, "StringToSignBytes", e.StringToSignBytes()}
	case Skewed:
		f = []string{"RequestTime", e.RequestTime.UTC().Format(timeFormat), "ServerTime", e.ServerTime.UTC().Format(iso),
			"MaxAllowedSkewMilliseconds", strconv.FormatInt(e.MaxAllowedSkewMilliseconds(), 10)}
	case ExpiredPresign:
		f = []string{"X-Amz-Expires", strconv.FormatInt(int64(e.Expires/time.Second), 10),
			"Expires", e.RequestTime.Add(e.Expires).UTC().Format(iso), "ServerTime", e.ServerTime.UTC().Format(iso)}
	case NotYetValid:
		f = []string{"ServerTime", e.ServerTime.UTC().Format(iso)}
	case UnsignedHeaders:
		f = []string{"HeadersNotSigned", strings.Join(e.HeadersNotSigned, ", ")}
	case PayloadMismatch:
		f = []string{"ClientComputedContentSHA256", e.ClientSHA256, "S3ComputedContentSHA256", e.ServerSHA256}
	}
	return func(yield func(string, string) bool) {
		for i := 0; i < len(f) && yield(f[i], f[i+1]); i += 2 {
		}
	}
}

// spacedHex writes the bytes of s as "41 57 53".
func spacedHex(s string) string {
	if s == "" {
		return ""
	}
	b := make([]byte, 0, 3*len(s))
	for i := range len(s) {
		b = hex.AppendEncode(b, []byte{s[i]})
		b = append(b, ' ')
	}
	return string(b[:len(b)-1])
}
