package server

import (
	"errors"
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/sigv4"
	"github.com/strongroom/strongroom/internal/sts"
)

// TestEveryKindHasCodes walks all kinds of refusal, so that none is answered
// as an internal error.
func TestEveryKindHasCodes(t *testing.T) {
	n := 0
	for k := range sigv4.Kinds() {
		n++
		err := fmt.Errorf("verifying: %w", &sigv4.Error{Kind: k, Message: "text", S3Message: "s3 text"})
		for name, got := range map[string]error{"json": jsonAuthError(err), "query": queryAuthError(err), "s3": s3AuthError(err)} {
			if awserr.CodeOf(got) == "" {
				t.Errorf("%v has no code in %s", k, name)
			}
		}
		if r := reason(err); r == "internal" {
			t.Errorf("%v has no metric label", k)
		}
	}
	if n != len(authCodes) {
		t.Errorf("got %d kinds and %d entries in the table, want as many", n, len(authCodes))
	}
}

func TestAuthErrorsOfTheEdge(t *testing.T) {
	for _, tt := range []struct {
		name            string
		err             error
		json, query, s3 awserr.Code
	}{
		{"unknown key", iam.ErrUnknownAccessKey, "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"},
		{"session token", errSessionToken, "UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken"},
		{"damaged token", sts.ErrToken, "UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken"},
		{"expired token", sts.ErrExpired, "ExpiredTokenException", "ExpiredToken", "ExpiredToken"},
		{"principal gone", sts.ErrPrincipal, "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"},
		{"too large", errTooLarge, "RequestEntityTooLargeException", "RequestEntityTooLarge", ""},
		{"cut", errBodyCut, "SerializationException", "MalformedInput", ""},
		{"presigned and malformed", &sigv4.Error{Kind: sigv4.Malformed, Presigned: true}, "IncompleteSignatureException", "IncompleteSignature", "AuthorizationQueryParametersError"},
		{"something else", errors.New("disk on fire"), "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := awserr.CodeOf(jsonAuthError(tt.err)); got != tt.json {
				t.Errorf("json: got %q, want %q", got, tt.json)
			}
			if got := awserr.CodeOf(queryAuthError(tt.err)); got != tt.query {
				t.Errorf("query: got %q, want %q", got, tt.query)
			}
			if got := awserr.CodeOf(s3AuthError(tt.err)); got != tt.s3 {
				t.Errorf("s3: got %q, want %q", got, tt.s3)
			}
		})
	}
}

// TestRefusalKeepsFieldsOutOfTheLog: the canonical request goes back to the
// client and nowhere else.
func TestRefusalKeepsFieldsOutOfTheLog(t *testing.T) {
	err := s3AuthError(&sigv4.Error{Kind: sigv4.SignatureMismatch, S3Message: "no", CanonicalRequest: "customer key in here"})
	e, ok := errors.AsType[*awserr.Error](err)
	if !ok {
		t.Fatalf("got %T, want *awserr.Error", err)
	}
	found := false
	for _, f := range e.Fields {
		found = found || f.Name == "CanonicalRequest" && f.Value == "customer key in here"
	}
	if !found {
		t.Error("the answer must carry the canonical request")
	}
	if got := err.Error(); got != "SignatureDoesNotMatch: no" {
		t.Errorf("got log text %q, want the code and message alone", got)
	}
}
