package server

import (
	"errors"
	"strconv"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/sigv4"
	"github.com/strongroom/strongroom/internal/sts"
)

// What can be wrong before a caller is known, beside the kinds of sigv4.
var (
	errSessionToken = errors.New("a session token came with a long-term access key")
	errTooLarge     = errors.New("the body is larger than any request of the service")
	errBodyCut      = errors.New("the body did not arrive whole")
)

// authCode is how one refusal is named in the three protocols.
type authCode struct{ json, query, s3 awserr.Code }

const (
	incomplete       = "IncompleteSignatureException"
	invalidSignature = "InvalidSignatureException"
	mismatch         = "SignatureDoesNotMatch"
	headerMalformed  = "AuthorizationHeaderMalformed"
	invalidRequest   = "InvalidRequest"
)

// authCodes has every kind of sigv4; a test says so. Sources: the AWS Common
// Errors pages of KMS and STS, and the error table of the S3 API Reference.
var authCodes = map[sigv4.Kind]authCode{
	sigv4.NoSignature:            {"MissingAuthenticationTokenException", "MissingAuthenticationToken", "AccessDenied"},
	sigv4.Malformed:              {incomplete, "IncompleteSignature", headerMalformed}, // in a query: AuthorizationQueryParametersError
	sigv4.MissingDate:            {incomplete, "IncompleteSignature", "AccessDenied"},
	sigv4.Ambiguous:              {incomplete, "IncompleteSignature", "InvalidArgument"},
	sigv4.SigV2:                  {incomplete, "IncompleteSignature", invalidRequest},
	sigv4.SigV4a:                 {incomplete, "IncompleteSignature", invalidRequest},
	sigv4.WrongRegion:            {invalidSignature, mismatch, headerMalformed},
	sigv4.WrongService:           {invalidSignature, mismatch, headerMalformed},
	sigv4.WrongTerminator:        {invalidSignature, mismatch, headerMalformed},
	sigv4.DateMismatch:           {invalidSignature, mismatch, headerMalformed},
	sigv4.Skewed:                 {invalidSignature, mismatch, "RequestTimeTooSkewed"},
	sigv4.ExpiredPresign:         {invalidSignature, mismatch, "AccessDenied"},
	sigv4.NotYetValid:            {invalidSignature, mismatch, "AccessDenied"},
	sigv4.MissingPayloadHash:     {invalidSignature, mismatch, invalidRequest},
	sigv4.BadPayloadHash:         {invalidSignature, mismatch, "InvalidArgument"},
	sigv4.UnsignedHeaders:        {invalidSignature, mismatch, "AccessDenied"},
	sigv4.SignatureMismatch:      {invalidSignature, mismatch, mismatch},
	sigv4.PayloadMismatch:        {invalidSignature, mismatch, "XAmzContentSHA256Mismatch"},
	sigv4.MissingDecodedLength:   {invalidSignature, mismatch, "MissingContentLength"},
	sigv4.BadDecodedLength:       {invalidSignature, mismatch, "InvalidArgument"},
	sigv4.DecodedLengthMismatch:  {invalidSignature, mismatch, "IncompleteBody"},
	sigv4.Truncated:              {invalidSignature, mismatch, "IncompleteBody"},
	sigv4.ChunkMalformed:         {invalidSignature, mismatch, invalidRequest},
	sigv4.ChunkTooLarge:          {invalidSignature, mismatch, invalidRequest},
	sigv4.ChunkSignatureMismatch: {invalidSignature, mismatch, mismatch},
	sigv4.BadTrailerNames:        {invalidSignature, mismatch, invalidRequest},
	sigv4.TrailerMalformed:       {invalidSignature, mismatch, "MalformedTrailerError"},
}

const (
	textInvalidToken = "The security token included in the request is invalid."
	textExpiredToken = "The security token included in the request is expired"
)

// invalidToken reports whether err is of credentials that are none, for
// whatever reason: protocols other than S3 do not tell them apart.
func invalidToken(err error) bool {
	return noSuchKey(err) || errors.Is(err, errSessionToken) || errors.Is(err, sts.ErrToken)
}

// noSuchKey reports whether err says that an access key is nobody's, or nobody's
// any more.
func noSuchKey(err error) bool {
	return errors.Is(err, iam.ErrUnknownAccessKey) || errors.Is(err, sts.ErrPrincipal)
}

// headerTooLarge names errHeaderSection, in every protocol as S3 does (S3 API
// Reference, "Error responses").
func headerTooLarge() *awserr.Error {
	return awserr.New("RequestHeaderSectionTooLarge", "Your request header section exceeds the maximum allowed size.")
}

// jsonAuthError names a refusal in the AWS JSON protocol.
func jsonAuthError(err error) error {
	switch {
	case errors.Is(err, errHeaderSection):
		return headerTooLarge()
	case invalidToken(err):
		return awserr.New("UnrecognizedClientException", textInvalidToken)
	case errors.Is(err, sts.ErrExpired):
		return awserr.New("ExpiredTokenException", textExpiredToken)
	case errors.Is(err, errTooLarge):
		return awserr.New("RequestEntityTooLargeException", "The request body is larger than any valid one of this operation.")
	case errors.Is(err, errBodyCut):
		return awserr.Wrap(err, "SerializationException", "The request body did not arrive whole.")
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return awserr.New(authCodes[e.Kind].json, "%s", e.Message)
	}
	return err
}

// queryAuthError names a refusal in the Query protocol.
func queryAuthError(err error) error {
	switch {
	case errors.Is(err, errHeaderSection):
		return headerTooLarge()
	case invalidToken(err):
		return awserr.New("InvalidClientTokenId", textInvalidToken)
	case errors.Is(err, sts.ErrExpired):
		return awserr.New("ExpiredToken", textExpiredToken)
	case errors.Is(err, errTooLarge):
		return awserr.New("RequestEntityTooLarge", "The request body must be smaller than %d bytes.", maxQueryBody)
	case errors.Is(err, errBodyCut):
		return awserr.Wrap(err, "MalformedInput", "The request body did not arrive whole.")
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return awserr.New(authCodes[e.Kind].query, "%s", e.Message)
	}
	return err
}

// s3RequestError is s3AuthError for a request as a whole; sig is nil when there
// was none. S3 says which access key it does not know.
func s3RequestError(err error, sig *sigv4.Signature) error {
	out := s3AuthError(err)
	if e, ok := errors.AsType[*awserr.Error](out); ok && sig != nil && noSuchKey(err) {
		return e.With("AWSAccessKeyId", sig.KeyID)
	}
	return out
}

// s3AuthError names a refusal in S3, with the elements that S3's error body
// has beyond the usual ones.
func s3AuthError(err error) error {
	switch {
	case errors.Is(err, errHeaderSection):
		return headerTooLarge().With("MaxSizeAllowed", strconv.Itoa(maxURI))
	case noSuchKey(err):
		return awserr.New("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	case errors.Is(err, errSessionToken), errors.Is(err, sts.ErrToken):
		return awserr.New("InvalidToken", "The provided token is malformed or otherwise invalid.")
	case errors.Is(err, sts.ErrExpired):
		return awserr.New("ExpiredToken", "The provided token has expired.")
	}
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return err
	}
	code := authCodes[e.Kind].s3
	if e.Presigned && code == headerMalformed {
		code = "AuthorizationQueryParametersError"
	}
	out := awserr.Wrap(e.Err, code, "%s", e.S3Message)
	for name, value := range e.S3Fields() {
		out = out.With(name, value)
	}
	return out
}
