package s3http_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/diskstore"
	"github.com/strongroom/strongroom/internal/s3/s3http"
	"github.com/strongroom/strongroom/internal/sigv4"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "444455556666"
	region  = "us-east-1"
	region2 = "eu-west-1"
	bucket  = "bucket"
)

// kit is an S3 service over a real store, real custody, a real trail, real KMS
// and a real disk, behind a real HTTP server. The caller is given by the access
// key in the signature, which is parsed and not verified.
type kit struct {
	t       testing.TB
	dir     string
	store   *store.Store
	trail   *audit.Log
	kms     *kms.Service
	s3      *s3.Service
	iam     *iam.Service
	callers map[string]identity.Caller // by access key
	disk    *diskstore.Store
	handler *s3http.Handler
	server  *httptest.Server
	log     *lockedBuffer
	commits atomic.Int64 // that changed a row
	now     atomic.Pointer[time.Time]
	opening atomic.Pointer[func()] // runs before a data key of SSE-S3 is opened
	keys    []string               // ARNs of KMS keys that a test made

	*client.Client // as the root user of account
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// callers by access key. A kit's own have the unique ids of its users.
var callers = map[string]identity.Caller{
	"AKIAROOT":  {Type: identity.Root, AccountID: account, ARN: identity.RootARN(account), PrincipalID: account},
	"AKIAOTHER": {Type: identity.Root, AccountID: other, ARN: identity.RootARN(other), PrincipalID: other},
	"AKIANOONE": {Type: identity.IAMUser, AccountID: account, ARN: "arn:aws:iam::" + account + ":user/noone", UserName: "noone"},
	"AKIAADMIN": {Type: identity.IAMUser, AccountID: account, ARN: "arn:aws:iam::" + account + ":user/admin", UserName: "admin"},
	"AKIAALIEN": {Type: identity.IAMUser, AccountID: other, ARN: "arn:aws:iam::" + other + ":user/alien", UserName: "alien"},
	"AKIAALADM": {Type: identity.IAMUser, AccountID: other, ARN: "arn:aws:iam::" + other + ":user/aladm", UserName: "aladm"},
}

// administrators are the users who may do everything in their account; the
// others may do nothing.
var administrators = []string{"admin", "aladm"}

// putPeople stores the accounts and users of callers.
func (k *kit) putPeople() {
	k.t.Helper()
	k.callers = maps.Clone(callers)
	k.check(k.iam.PutAccount(k.t.Context(), account))
	k.check(k.iam.PutAccount(k.t.Context(), other))
	for key, c := range k.callers {
		if c.Type != identity.IAMUser {
			continue
		}
		u := iam.User{Account: c.AccountID, Name: c.UserName}
		if slices.Contains(administrators, u.Name) {
			u.PolicyARNs = []string{identity.AdministratorAccess}
		}
		k.check(k.iam.PutUser(k.t.Context(), u))
		c.PrincipalID, _ = k.iam.UniqueID(c.ARN)
		k.callers[key] = c
	}
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{t: t, dir: t.TempDir(), log: new(lockedBuffer)}
	k.now.Store(new(time.Date(2026, 11, 23, 11, 2, 3, 987_654_321, time.UTC)))
	clock := func() time.Time { return *k.now.Load() }
	logger := slog.New(slog.NewTextHandler(k.log, nil))
	root := filepath.Join(t.TempDir(), "root.key")
	k.check(hsm.CreateRootKeyFile(root))
	module, err := hsm.Open(hsm.Config{RootKeyFile: root})
	k.check(err)
	records := map[string]*hsm.RecordKey{}
	for _, domain := range []string{"global", region, region2} {
		_, err := module.NewDomainKey(domain, 1)
		k.check(err)
	}
	load := func(b hsm.Binding) []byte {
		token, err := module.GenerateKey(b)
		k.check(err)
		return token
	}
	mac := func(p hsm.Purpose) *hsm.MACKey {
		b := hsm.Binding{Purpose: p, Domain: "global", KeyID: "test"}
		m, err := module.LoadMACKey(load(b), b)
		k.check(err)
		return m
	}
	for _, r := range []string{region, region2} {
		b := hsm.Binding{Purpose: hsm.PurposeRecord, Domain: r, Region: r, KeyID: "records"}
		records[r], err = module.LoadRecordKey(load(b), b)
		k.check(err)
	}
	rowMAC := mac(hsm.PurposeRowMAC)
	k.trail, err = audit.Open(audit.Config{Dir: filepath.Join(k.dir, "audit"), Logger: logger})
	k.check(err)
	k.store, err = sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(k.dir, "store.db")})
	k.check(err)
	k.store.OnCommit(func(changes []store.Change) {
		k.commits.Add(1)
		for _, c := range changes {
			if c.Record != nil {
				if err := k.trail.AppendChange(c.Seq, c.Record); err != nil {
					k.t.Error(err)
				}
			}
		}
	})
	k.iam, err = iam.New(t.Context(), iam.Config{Store: k.store, Module: module, RowMAC: rowMAC, Clock: clock})
	k.check(err)
	k.putPeople()
	g := gate.New(k.trail, k.iam, clock)
	k.kms, err = kms.New(kms.Config{
		Store: k.store, Module: module, RowMAC: rowMAC, HeaderMAC: mac(hsm.PurposeBlobHeader), Gate: g,
		Regions: []string{region, region2}, Clock: clock, Logger: logger,
	})
	k.check(err)
	k.disk, err = diskstore.Open(filepath.Join(k.dir, "objects"))
	k.check(err)
	k.s3, err = s3.New(s3.Config{
		Store: k.store, RowMAC: rowMAC, RecordKeys: records, Keys: keys{k.kms, &k.opening}, Objects: k.disk, Gate: g, Principals: k.iam,
		Regions: []string{region, region2}, Clock: clock, Logger: logger,
	})
	k.check(err)
	k.check(k.s3.Recover(t.Context()))
	k.handler = s3http.New(s3http.Config{Service: k.s3, Logger: logger, Refused: func(c identity.Caller, op string, err error) error {
		return g.Refused(c, "s3.amazonaws.com", op, err)
	}})
	k.server = httptest.NewTLSServer(http.HandlerFunc(k.serve))
	k.Client = k.client("AKIAROOT", region)
	t.Cleanup(func() {
		k.server.Close()
		k.check(errors.Join(k.s3.Close(), k.store.Close(), k.disk.Close()))
		if err := k.trail.Close(); err != nil && !errors.Is(err, audit.ErrClosed) {
			t.Error(err)
		}
	})
	return k
}

// keys is KMS as S3 sees it.
type keys struct {
	*kms.Service
	opening *atomic.Pointer[func()]
}

func (k keys) OpenServiceDataKey(ctx context.Context, account, region string, blob []byte) (*hsm.DataKey, error) {
	if fn := k.opening.Load(); fn != nil {
		(*fn)()
	}
	return k.Service.OpenServiceDataKey(ctx, account, region, blob)
}

func (k keys) NewDataKey(ctx context.Context, c identity.Caller, id string, pairs map[string]string) (s3.DataKey, error) {
	d, err := k.Service.NewDataKey(ctx, c, id, pairs)
	return s3.DataKey(d), err
}

func (k keys) NewServiceDataKey(ctx context.Context, account, region string) (s3.DataKey, error) {
	d, err := k.Service.NewServiceDataKey(ctx, account, region)
	return s3.DataKey(d), err
}

func (k *kit) check(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

var requests atomic.Uint64

func (k *kit) serve(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("%016X", requests.Add(1))
	sig, err := sigv4.Parse(r)
	if err != nil {
		k.handler.WriteError(w, r, id, err)
		return
	}
	c := k.callers[sig.KeyID]
	c.RequestID, c.Region, c.Host, c.UserAgent, c.AuthMethod, c.AccessKeyID = id, sig.Region, r.Host, r.UserAgent(), "AuthHeader", sig.KeyID
	c.TLSVersion, c.SourceIP = "TLSv1.3", "192.0.2.1"
	c.Signed, c.PayloadHash, c.Referer = sig.Time, sig.PayloadHash, r.Referer()
	if sig.Presigned {
		c.AuthMethod = "QueryString"
	}
	body, err := sigv4.NewBody(r.Body, sig, r.Header, r.ContentLength, signer(sig))
	if err != nil {
		k.handler.WriteError(w, r, id, err)
		return
	}
	sigv4.StripTransferCoding(r.Header)
	trailer := func(name string) string { return body.Trailer().Get(name) }
	k.handler.Serve(w, r, c, body, trailer, body.DecodedLength())
}

// signer is the signing key of the secret "secret".
func signer(s *sigv4.Signature) func([]byte) [32]byte {
	key := []byte("AWS4secret")
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request"} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return func(b []byte) [32]byte {
		m := hmac.New(sha256.New, key)
		m.Write(b)
		return [32]byte(m.Sum(nil))
	}
}

func (k *kit) client(keyID, region string) *client.Client {
	transport := k.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // a loopback test server
	return client.New(client.Options{
		BaseEndpoint: &k.server.URL, UsePathStyle: true, Region: region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keyID, "secret", ""),
		HTTPClient:  &http.Client{Transport: transport},
	})
}

// raw sends a request with a signature that is only parsed.
func (k *kit) raw(method, target string, headers map[string]string, body string) *http.Response {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), method, k.server.URL, strings.NewReader(body))
	k.check(err)
	r.URL.Opaque = target
	r.Header.Set("X-Amz-Date", "20261123T110203Z")
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAROOT/20261123/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	resp, err := k.server.Client().Do(r)
	k.check(err)
	k.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (k *kit) createBucket() {
	k.t.Helper()
	_, err := k.CreateBucket(k.t.Context(), &client.CreateBucketInput{Bucket: aws.String(bucket)})
	k.check(err)
}

// setPolicy sets the policy of the bucket.
func (k *kit) setPolicy(text string) {
	k.t.Helper()
	_, err := k.PutBucketPolicy(k.t.Context(), &client.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: &text})
	k.check(err)
}

func (k *kit) put(key string, data []byte) {
	k.t.Helper()
	_, err := k.PutObject(k.t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(data)})
	k.check(err)
}

// get returns an object's bytes, or the error of either the call or the read.
func (k *kit) get(key string) ([]byte, error) {
	out, err := k.GetObject(k.t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Body.Close() }()
	return io.ReadAll(out.Body)
}

func (k *kit) wantGet(key string, want []byte) {
	k.t.Helper()
	got, err := k.get(key)
	k.check(err)
	if !bytes.Equal(got, want) {
		k.t.Errorf("got %d bytes of %q, want the %d that were put", len(got), key, len(want))
	}
}

// createKey makes a KMS key and returns its ARN.
func (k *kit) createKey() string {
	k.t.Helper()
	c := callers["AKIAROOT"]
	c.Region = region
	out, err := k.kms.CreateKey(k.t.Context(), c, &kmsapi.CreateKeyRequest{})
	k.check(err)
	return *out.KeyMetadata.Arn
}

func (k *kit) createAlias(name, key string) {
	k.t.Helper()
	c := callers["AKIAROOT"]
	c.Region = region
	k.check(k.kms.CreateAlias(k.t.Context(), c, &kmsapi.CreateAliasRequest{AliasName: &name, TargetKeyId: &key}))
}

func (k *kit) disableKey(arn string) {
	k.t.Helper()
	c := callers["AKIAROOT"]
	c.Region = region
	k.check(k.kms.DisableKey(k.t.Context(), c, &kmsapi.DisableKeyRequest{KeyId: &arn}))
}

// wantCode checks the code and status of an SDK error.
func wantCode(t testing.TB, err error, code string, status int) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	http, _ := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	if api.ErrorCode() != code || http == nil || http.HTTPStatusCode() != status {
		t.Errorf("got %v, want %s with status %d", err, code, status)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// blobs returns the paths of all stored blobs.
func (k *kit) blobs() []string {
	k.t.Helper()
	var paths []string
	k.check(filepath.WalkDir(filepath.Join(k.dir, "objects"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the collector was faster
		}
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

// waitBlobs waits until the collector has left n blobs, all in their place: it
// works beside the requests, and has no one to tell.
func (k *kit) waitBlobs(n int) {
	k.t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	settled := func() bool {
		paths := k.blobs()
		return len(paths) == n && !slices.ContainsFunc(paths, func(p string) bool { return strings.Contains(p, "/staging/") })
	}
	for !settled() {
		select {
		case <-limit:
			k.t.Fatalf("got %d blobs, want %d", len(k.blobs()), n)
		case <-tick.C:
		}
	}
}

// records returns the CloudTrail records of one event name.
func (k *kit) records(name string) []map[string]any {
	k.t.Helper()
	var out []map[string]any
	for e, err := range audit.Entries(filepath.Join(k.dir, "audit")) {
		k.check(err)
		var r map[string]any
		k.check(json.Unmarshal(e.Record, &r))
		if r["eventName"] == name {
			out = append(out, r)
		}
	}
	return out
}

// row and putRow read and write rows behind the service.
func (k *kit) row(table store.Table, key string) store.Row {
	k.t.Helper()
	row, err := k.store.Get(k.t.Context(), table, key)
	k.check(err)
	return row
}

func (k *kit) putRow(table store.Table, row store.Row) {
	k.t.Helper()
	k.check(k.store.Update(k.t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(table, row) }))
}

func (k *kit) flip(path string, offset int64) {
	k.t.Helper()
	b, err := os.ReadFile(path)
	k.check(err)
	b[offset] ^= 1
	k.check(os.WriteFile(path, b, 0o600))
}
