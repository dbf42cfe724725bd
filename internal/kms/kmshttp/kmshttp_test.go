package kmshttp_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmshttp"
	"github.com/strongroom/strongroom/internal/model"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	region  = "us-east-1"
)

func newHandler(t *testing.T) (*kmshttp.Handler, *kms.Service) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	rootKey := filepath.Join(dir, "root.key")
	must(hsm.CreateRootKeyFile(rootKey))
	m, err := hsm.Open(hsm.Config{RootKeyFile: rootKey})
	must(err)
	macs := map[hsm.Purpose]*hsm.MACKey{}
	for _, domain := range []string{region, iam.Domain} {
		_, err = m.NewDomainKey(domain, 1)
		must(err)
	}
	for _, p := range []hsm.Purpose{hsm.PurposeRowMAC, hsm.PurposeBlobHeader} {
		b := hsm.Binding{Purpose: p, Domain: region, KeyID: "test"}
		token, err := m.GenerateKey(b)
		must(err)
		macs[p], err = m.LoadMACKey(token, b)
		must(err)
	}
	st, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "store.db")})
	must(err)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	trail, err := audit.Open(audit.Config{Dir: filepath.Join(dir, "audit"), Logger: quiet})
	must(err)
	t.Cleanup(func() {
		must(st.Close())
		must(trail.Close())
	})
	people, err := iam.New(t.Context(), iam.Config{Store: st, Module: m, RowMAC: macs[hsm.PurposeRowMAC], Clock: time.Now})
	must(err)
	must(people.PutAccount(t.Context(), account))
	s, err := kms.New(kms.Config{
		Store: st, Module: m, RowMAC: macs[hsm.PurposeRowMAC], HeaderMAC: macs[hsm.PurposeBlobHeader],
		Gate: gate.New(trail, people, nil), Regions: []string{region}, Logger: quiet,
	})
	must(err)
	return kmshttp.New(kmshttp.Config{Service: s, Logger: quiet}), s
}

// newClient makes an SDK client of a server that takes every caller for root.
func newClient(t *testing.T) *awskms.Client {
	t.Helper()
	h, _ := newHandler(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := identity.Caller{
			Type: identity.Root, AccountID: account, ARN: identity.RootARN(account), PrincipalID: account,
			Region: region, RequestID: "2a1a9a8e-0000-4000-8000-000000000001", UserAgent: r.UserAgent(),
		}
		op := h.Operation(r.Header.Get("X-Amz-Target"))
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody(op)))
		if err != nil {
			h.WriteError(w, c.RequestID, err)
			return
		}
		h.Serve(w, r, c, op, body)
	}))
	t.Cleanup(server.Close)
	return awskms.New(awskms.Options{
		BaseEndpoint: &server.URL, Region: region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
	})
}

// One story through the real SDK. (The operations of every day are in
// internal/server, TestDailyOperationsBySDK.)
func TestSDK(t *testing.T) {
	c := newClient(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	created, err := c.CreateKey(ctx, &awskms.CreateKeyInput{Description: new("through the SDK")})
	must(err)
	key := created.KeyMetadata
	if key.CreationDate.IsZero() || *key.CurrentKeyMaterialId == "" || key.KeyState != types.KeyStateEnabled {
		t.Errorf("metadata is %+v", key)
	}
	_, err = c.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: new("alias/app"), TargetKeyId: key.KeyId})
	must(err)
	described, err := c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: new("alias/app")})
	must(err)
	if got := described.KeyMetadata; *got.Arn != *key.Arn || !got.CreationDate.Equal(*key.CreationDate) {
		t.Errorf("DescribeKey is %s of %v, want %s of %v", *got.Arn, got.CreationDate, *key.Arn, key.CreationDate)
	}
	context := map[string]string{"tenant": "é\"1"}
	enc, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: new("alias/app"), Plaintext: []byte("attack at dawn"), EncryptionContext: context})
	must(err)
	dec, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: context})
	must(err)
	if string(dec.Plaintext) != "attack at dawn" || *dec.KeyId != *key.Arn {
		t.Errorf("Decrypt is %q of %s", dec.Plaintext, *dec.KeyId)
	}
	data, err := c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: key.KeyId, KeySpec: types.DataKeySpecAes256})
	must(err)
	opened, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: data.CiphertextBlob, KeyId: key.Arn})
	must(err)
	if !slices.Equal(opened.Plaintext, data.Plaintext) || len(data.Plaintext) != 32 {
		t.Error("the data key does not come back")
	}
	blind, err := c.GenerateDataKeyWithoutPlaintext(ctx, &awskms.GenerateDataKeyWithoutPlaintextInput{KeyId: key.KeyId, NumberOfBytes: new(int32(16))})
	must(err)
	if len(blind.CiphertextBlob) == 0 {
		t.Error("no blob")
	}
	keys, err := c.ListKeys(ctx, &awskms.ListKeysInput{})
	must(err)
	if len(keys.Keys) != 1 || *keys.Keys[0].KeyArn != *key.Arn || keys.Truncated {
		t.Errorf("ListKeys is %+v", keys)
	}
	aliases, err := c.ListAliases(ctx, &awskms.ListAliasesInput{KeyId: key.KeyId})
	must(err)
	if len(aliases.Aliases) != 1 || *aliases.Aliases[0].AliasName != "alias/app" {
		t.Errorf("ListAliases is %+v", aliases)
	}
	_, err = c.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: key.KeyId})
	must(err)
	_, err = c.Encrypt(ctx, &awskms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("p")})
	if disabled, ok := errors.AsType[*types.DisabledException](err); !ok || disabled.ErrorMessage() != *key.Arn+" is disabled." {
		t.Errorf("error is %v, want DisabledException", err)
	}
	_, err = c.EnableKey(ctx, &awskms.EnableKeyInput{KeyId: key.KeyId})
	must(err)
}

func TestSDKErrors(t *testing.T) {
	c := newClient(t)
	_, err := c.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: new("fake-key-id")})
	if e, ok := errors.AsType[*types.NotFoundException](err); !ok || e.ErrorMessage() != "Invalid keyId 'fake-key-id'" {
		t.Errorf("error is %v, want NotFoundException", err)
	}
	_, err = c.Decrypt(t.Context(), &awskms.DecryptInput{CiphertextBlob: []byte("no blob of ours")})
	if e, ok := errors.AsType[*types.InvalidCiphertextException](err); !ok || e.Message != nil {
		t.Errorf("error is %v, want InvalidCiphertextException without a text", err)
	}
	_, err = c.ListKeys(t.Context(), &awskms.ListKeysInput{}, awskms.WithAPIOptions(smithyhttp.SetHeaderValue("X-Amz-Target", "TrentService.MeltKey")))
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "UnknownOperationException" {
		t.Errorf("error is %v, want UnknownOperationException", err)
	}
}

// No operation without an action, a limit and a test, and none of the model
// left out.
func TestOperationTable(t *testing.T) {
	_, s := newHandler(t)
	tests, err := filepath.Glob("../*_test.go")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no test files of package kms: %v", err)
	}
	var source strings.Builder
	for _, name := range tests {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	var names []string
	for _, op := range kmshttp.Operations(s) {
		names = append(names, op.Name)
		action := "kms:" + op.Name
		if op.Name == "ReEncrypt" { // it takes two, and none of its own name
			action = "kms:ReEncryptFrom"
		}
		if op.Action != action {
			t.Errorf("%s: action is %q", op.Name, op.Action)
		}
		if op.MaxBody < 1<<10 || op.MaxBody > 1<<20 {
			t.Errorf("%s: body limit is %d", op.Name, op.MaxBody)
		}
		if op.Call == nil {
			t.Errorf("%s: no function", op.Name)
		}
		if !regexp.MustCompile(`func Test\w*` + op.Name).MatchString(source.String()) {
			t.Errorf("%s: no test of package kms is named for it", op.Name)
		}
	}
	slices.Sort(names)
	if want := model.KMS().Operations(); !slices.Equal(names, want) {
		t.Errorf("the table has %v, want the model's %v", names, want)
	}
	var served []string
	for op := range kms.Operations() {
		served = append(served, op.Name)
	}
	if slices.Sort(served); !slices.Equal(served, names) {
		t.Errorf("the service has %v, the table %v", served, names)
	}
}

// Every code of the model and of kmsapi's own list has the status that AWS
// gives it: 500 for the server's faults, else 400.
func TestStatusOfEveryCode(t *testing.T) {
	h, _ := newHandler(t)
	fault := map[awserr.Code]bool{
		gate.AccessDenied: false, kmsapi.AccessDeniedException: false, kmsapi.ExpiredTokenException: false,
		kmsapi.IncompleteSignatureException: false, kmsapi.InvalidSignatureException: false,
		kmsapi.MissingAuthenticationTokenException: false, kmsapi.NotAuthorizedException: false,
		kmsapi.SerializationException: false, kmsapi.ThrottlingException: false,
		kmsapi.UnknownOperationException: false, kmsapi.UnrecognizedClientException: false,
		kmsapi.ValidationException: false,
	}
	for _, name := range model.KMS().Operations() {
		for _, e := range model.KMS().Operation(name).Errors {
			sh := model.KMS().Shape(e.Shape)
			fault[awserr.Code(sh.Code())] = sh.Fault
		}
	}
	if !fault[kmsapi.KMSInternalException] || len(fault) < 30 {
		t.Fatalf("the codes are %v", fault)
	}
	for code, serverFault := range fault {
		w := httptest.NewRecorder()
		h.WriteError(w, "request-id", awserr.New(code, "text"))
		want := http.StatusBadRequest
		if serverFault {
			want = http.StatusInternalServerError
		}
		if w.Code != want {
			t.Errorf("%s: status is %d, want %d", code, w.Code, want)
		}
	}
	w := httptest.NewRecorder()
	h.WriteError(w, "request-id", errors.New("disk on fire"))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"KMSInternalException"`) || strings.Contains(w.Body.String(), "fire") {
		t.Errorf("an error without a code is %d %s", w.Code, w.Body)
	}
}

func TestVoidOperationsAnswerNoBody(t *testing.T) {
	h, s := newHandler(t)
	c := identity.Caller{Type: identity.Root, AccountID: account, Region: region, RequestID: "id"}
	r, err := s.CreateKey(t.Context(), c, &kmsapi.CreateKeyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	body := `{"KeyId":"` + *r.KeyMetadata.KeyId + `"}`
	h.Serve(w, httptest.NewRequest("POST", "/", nil), c, "DisableKey", []byte(body))
	if w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("answer is %d %q, want 200 and nothing", w.Code, w.Body)
	}
}

func TestUnknownOperationHasASmallLimit(t *testing.T) {
	h, _ := newHandler(t)
	if got := h.MaxBody("MeltKey"); got > 64<<10 {
		t.Errorf("limit is %d", got)
	}
	if got := h.Operation("TrentService.Encrypt"); got != "Encrypt" {
		t.Errorf("operation is %q", got)
	}
	if got := h.Operation("CloudTrail_20131101.LookupEvents"); got != "" {
		t.Errorf("operation of another service is %q", got)
	}
}

// That a client hangs up is in the log as information, not as a fault of ours.
func TestCallerThatWentAway(t *testing.T) {
	_, s := newHandler(t)
	var log strings.Builder
	h := kmshttp.New(kmshttp.Config{Service: s, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	c := identity.Caller{Type: identity.Root, AccountID: account, ARN: identity.RootARN(account), Region: region, RequestID: "r1"}
	h.Serve(w, httptest.NewRequest(http.MethodPost, "/", nil).WithContext(ctx), c, "CreateKey", []byte("{}"))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"__type":"RequestAbortedException"`) {
		t.Errorf("the answer is %d %s, want RequestAbortedException", w.Code, w.Body)
	}
	if got := log.String(); strings.Contains(got, "ERROR") || strings.Count(got, "\n") != 1 {
		t.Errorf("the log is %q, want one line, and no error", got)
	}
}
