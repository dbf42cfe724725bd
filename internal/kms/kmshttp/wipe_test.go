package kmshttp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/awsjson"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

// The plaintext of a request is gone when the operation is done, whether it
// succeeded or not.
func TestPlaintextOfARequestIsWiped(t *testing.T) {
	for name, outcome := range map[string]error{"success": nil, "failure": awserr.Bare(kmsapi.DisabledException)} {
		t.Run(name, func(t *testing.T) {
			plaintext := []byte("plain")
			seen := ""
			_, _ = wiping(func(_ context.Context, _ identity.Caller, req *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
				seen = string(req.Plaintext.Expose())
				return nil, outcome
			}, func(r *kmsapi.EncryptRequest) { r.Plaintext.Wipe() })(t.Context(), identity.Caller{}, &kmsapi.EncryptRequest{Plaintext: secret.New(plaintext)})
			if seen != "plain" || string(plaintext) != "\x00\x00\x00\x00\x00" {
				t.Errorf("the operation saw %q, and %q is left", seen, plaintext)
			}
		})
	}
}

// The plaintext of an answer is gone when it is written.
func TestPlaintextOfAnAnswerIsWiped(t *testing.T) {
	plaintext := []byte("plain")
	h := awsjson.New(awsjson.Config{TargetPrefix: TargetPrefix, Internal: kmsapi.KMSInternalException, Ops: []awsjson.Op{
		awsjson.Bind("Decrypt", func(context.Context, identity.Caller, *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
			return &kmsapi.DecryptResponse{Plaintext: secret.New(plaintext)}, nil
		}),
	}})
	w := httptest.NewRecorder()
	h.Serve(w, httptest.NewRequest(http.MethodPost, "/", nil), identity.Caller{}, "Decrypt", []byte("{}"))
	if !strings.Contains(w.Body.String(), `"Plaintext":"cGxhaW4="`) || string(plaintext) != "\x00\x00\x00\x00\x00" {
		t.Errorf("the answer is %s, and %q is left", w.Body, plaintext)
	}
}
