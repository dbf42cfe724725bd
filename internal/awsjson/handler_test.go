package awsjson_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/awsjson"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

const keyARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// serve starts a server that hands every request to h, unauthenticated, and
// returns an AWS SDK client for it.
func serve(t *testing.T, h *awsjson.Handler) *kms.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.Serve(w, r, identity.Caller{RequestID: "req-1"}, h.Operation(r.Header.Get("X-Amz-Target")), body)
	}))
	t.Cleanup(srv.Close)
	return kms.New(kms.Options{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(srv.URL),
		Credentials:      credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
		RetryMaxAttempts: 1,
	})
}

func newHandler(ops ...awsjson.Op) *awsjson.Handler {
	return awsjson.New(awsjson.Config{
		TargetPrefix: "TrentService", Ops: ops, Internal: kmsapi.KMSInternalException,
		Logger: slog.New(slog.DiscardHandler),
	})
}

func TestSDKEncrypt(t *testing.T) {
	var got *kmsapi.EncryptRequest
	client := serve(t, newHandler(awsjson.Bind("Encrypt", func(_ context.Context, _ identity.Caller, in *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
		got = in
		return &kmsapi.EncryptResponse{
			CiphertextBlob: []byte{1, 2, 3}, KeyId: new(keyARN), EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault),
		}, nil
	})))
	out, err := client.Encrypt(t.Context(), &kms.EncryptInput{
		KeyId: aws.String("alias/é\"\\\u2028😀"), Plaintext: []byte("secret"), DryRun: aws.Bool(false),
		EncryptionContext: map[string]string{"a\n": "b\x01", "": "é"}, GrantTokens: []string{"t1", "t2"},
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.CiphertextBlob, []byte{1, 2, 3}) || *out.KeyId != keyARN || out.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
		t.Errorf("got %+v", out)
	}
	if string(got.Plaintext.Expose()) != "secret" {
		t.Error("the plaintext is not what the client sent")
	}
	got.Plaintext = secret.Bytes{}
	want := &kmsapi.EncryptRequest{
		KeyId: new("alias/é\"\\\u2028😀"), DryRun: new(false),
		EncryptionContext: map[string]string{"a\n": "b\x01", "": "é"}, GrantTokens: []string{"t1", "t2"},
		EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSDKDescribeKey(t *testing.T) {
	created := time.UnixMilli(1607472987918).UTC()
	client := serve(t, newHandler(awsjson.Bind("DescribeKey", func(context.Context, identity.Caller, *kmsapi.DescribeKeyRequest) (*kmsapi.DescribeKeyResponse, error) {
		return &kmsapi.DescribeKeyResponse{KeyMetadata: &kmsapi.KeyMetadata{
			KeyId: new("1234abcd"), CreationDate: &created, Enabled: new(true), Description: new(""),
			KeyState: new(kmsapi.KeyStateEnabled), EncryptionAlgorithms: []kmsapi.EncryptionAlgorithmSpec{kmsapi.EncryptionAlgorithmSpecSymmetricDefault},
			MultiRegion: new(false),
		}}, nil
	})))
	out, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("x")})
	if err != nil {
		t.Fatal(err)
	}
	m := out.KeyMetadata
	if !m.CreationDate.Equal(created) || !m.Enabled || m.Description == nil || m.KeyState != types.KeyStateEnabled ||
		len(m.EncryptionAlgorithms) != 1 || m.MultiRegion == nil || m.SigningAlgorithms != nil {
		t.Errorf("got %+v", m)
	}
}

func TestSDKCreateKeyTags(t *testing.T) {
	var got *kmsapi.CreateKeyRequest
	client := serve(t, newHandler(awsjson.Bind("CreateKey", func(_ context.Context, _ identity.Caller, in *kmsapi.CreateKeyRequest) (*kmsapi.CreateKeyResponse, error) {
		got = in
		return &kmsapi.CreateKeyResponse{}, nil
	})))
	_, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{
		Policy: aws.String("{\n}"), KeySpec: types.KeySpecRsa2048, Tags: []types.Tag{{TagKey: aws.String("k"), TagValue: aws.String("")}}, MultiRegion: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &kmsapi.CreateKeyRequest{
		Policy: new("{\n}"), KeySpec: new(kmsapi.KeySpecRsa2048), Tags: []kmsapi.Tag{{TagKey: new("k"), TagValue: new("")}}, MultiRegion: new(true),
		BypassPolicyLockoutSafetyCheck: got.BypassPolicyLockoutSafetyCheck, // the SDK may send its false or leave it out
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSDKVoidOperation(t *testing.T) {
	called := false
	client := serve(t, newHandler(awsjson.BindVoid("EnableKey", func(_ context.Context, _ identity.Caller, in *kmsapi.EnableKeyRequest) error {
		called = *in.KeyId == "x"
		return nil
	})))
	if _, err := client.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String("x")}); err != nil || !called {
		t.Errorf("got %v, called %v", err, called)
	}
}

func TestSDKErrors(t *testing.T) {
	var answer error
	client := serve(t, newHandler(awsjson.BindVoid("EnableKey", func(context.Context, identity.Caller, *kmsapi.EnableKeyRequest) error { return answer })))
	call := func(err error) error {
		answer = err
		_, err = client.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String("x")})
		return err
	}
	err := call(fmt.Errorf("wrapped: %w", awserr.New(kmsapi.NotFoundException, "Invalid keyId '%s'", "x")))
	if e, ok := errors.AsType[*types.NotFoundException](err); !ok || e.ErrorMessage() != "Invalid keyId 'x'" {
		t.Errorf("got %v, want NotFoundException", err)
	}
	err = call(errors.New("a secret matter"))
	if e, ok := errors.AsType[*types.KMSInternalException](err); !ok || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want KMSInternalException with a fixed text", e)
	}
	err = call(awserr.New("AccessDenied", "User: x is not authorized"))
	if err == nil || !strings.Contains(err.Error(), "api error AccessDeniedException: User: x is not authorized") {
		t.Errorf("got %v, want AccessDeniedException", err)
	}
}

// TestAnswers checks what goes over the wire, byte by byte.
func TestAnswers(t *testing.T) {
	h := newHandler(
		awsjson.Bind("ListKeys", func(context.Context, identity.Caller, *kmsapi.ListKeysRequest) (*kmsapi.ListKeysResponse, error) {
			return &kmsapi.ListKeysResponse{Truncated: new(false)}, nil
		}),
		awsjson.Bind("Decrypt", func(context.Context, identity.Caller, *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
			return nil, awserr.Bare(kmsapi.InvalidCiphertextException)
		}),
		awsjson.BindVoid("EnableKey", func(context.Context, identity.Caller, *kmsapi.EnableKeyRequest) error { return nil }),
		awsjson.Bind("DisableKey", func(context.Context, identity.Caller, *kmsapi.DisableKeyRequest) (*struct{}, error) { return nil, nil }),
		awsjson.BindVoid("CreateAlias", func(context.Context, identity.Caller, *kmsapi.CreateAliasRequest) error {
			return awserr.New("AccessDenied", "no \"x\"")
		}),
		awsjson.BindVoid("CreateKey", func(context.Context, identity.Caller, *kmsapi.CreateKeyRequest) error { return io.ErrUnexpectedEOF }),
	)
	for _, tt := range []struct {
		op, body string
		status   int
		want     string
	}{
		{"ListKeys", `{}`, 200, `{"Keys":[],"Truncated":false}`},
		{"EnableKey", `{}`, 200, ``},
		{"DisableKey", `{}`, 200, ``},
		{"Decrypt", `{}`, 400, `{"__type":"InvalidCiphertextException"}`},
		{"CreateAlias", `{}`, 400, `{"__type":"AccessDeniedException","Message":"no \"x\""}`},
		{"CreateKey", `{}`, 500, `{"__type":"KMSInternalException","message":"An internal error occurred. The request can be retried."}`},
		{"ListKeys", `{"Limit":"x"}`, 400, `{"__type":"SerializationException","message":"STRING_VALUE can not be converted to an Integer"}`},
		{"ListKeys", ``, 400, `{"__type":"SerializationException"}`},
		{"NoneSuch", `{}`, 400, `{"__type":"UnknownOperationException"}`},
		{"", `{}`, 400, `{"__type":"UnknownOperationException"}`},
	} {
		t.Run(tt.op+tt.body, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.Serve(w, httptest.NewRequest("POST", "/", nil), identity.Caller{RequestID: "req-1"}, tt.op, []byte(tt.body))
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.want)
			}
			header := w.Result().Header
			if got := map[string][]string(header)["x-amzn-RequestId"]; len(got) != 1 || got[0] != "req-1" {
				t.Errorf("got request id %q", got)
			}
			if got, want := header.Get("Content-Type"), "application/x-amz-json-1.1"; got != want {
				t.Errorf("got Content-Type %q, want %q", got, want)
			}
			if got, want := header.Get("Content-Length"), fmt.Sprint(len(tt.want)); got != want {
				t.Errorf("got Content-Length %q, want %q", got, want)
			}
		})
	}
}

func TestOperation(t *testing.T) {
	h := newHandler()
	for target, want := range map[string]string{
		"TrentService.Encrypt": "Encrypt", "TrentService.": "", "Other.Encrypt": "", "TrentServiceEncrypt": "", "": "",
	} {
		if got := h.Operation(target); got != want {
			t.Errorf("got %q for %q, want %q", got, target, want)
		}
	}
}

// TestCausesAreLogged makes sure that a cause reaches the log under the request
// id, and the hook sees the code that the caller saw.
func TestCausesAreLogged(t *testing.T) {
	var log bytes.Buffer
	var seen []awserr.Code
	h := awsjson.New(awsjson.Config{
		TargetPrefix: "TrentService", Internal: kmsapi.KMSInternalException,
		Status:  map[awserr.Code]int{kmsapi.KeyUnavailableException: 500},
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		OnError: func(c awserr.Code) { seen = append(seen, c) },
	})
	h.WriteError(httptest.NewRecorder(), "req-1", io.ErrUnexpectedEOF)
	h.WriteError(httptest.NewRecorder(), "req-2", awserr.Wrap(io.ErrClosedPipe, kmsapi.KeyUnavailableException, "x"))
	h.WriteError(httptest.NewRecorder(), "req-3", awserr.New(kmsapi.NotFoundException, "quiet"))
	for _, want := range []string{"level=ERROR", "requestID=req-1", "unexpected EOF", "requestID=req-2", "closed pipe"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("got log %q, want %q in it", log.String(), want)
		}
	}
	if strings.Contains(log.String(), "req-3") {
		t.Error("an error without a cause is the caller's and needs no line")
	}
	want := []awserr.Code{kmsapi.KMSInternalException, kmsapi.KeyUnavailableException, kmsapi.NotFoundException}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestNewRefusesDoubles(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic for two operations of one name")
		}
	}()
	op := awsjson.Op{Name: "X"}
	newHandler(op, op)
}
