package kms_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "444455556666"
	region  = "us-east-1"
	region2 = "eu-west-1"
	region3 = "ap-south-1"
)

// kit is a service over a real store, real custody and a real trail.
type kit struct {
	*kms.Service
	t         testing.TB
	dir       string
	store     *store.Store
	module    *hsm.Module
	rowMAC    *hsm.MACKey
	headerMAC *hsm.MACKey
	imports   *hsm.ImportTokenKey
	trail     *audit.Log
	gate      *gate.Gate
	rights    *rights
	log       *strings.Builder // of the service; read it when nothing runs
	now       atomic.Pointer[time.Time]
	destroyed func(*store.Tx, string) error // Config.Destroyed from the next reopen on
	people    people                        // Config.Principals
	rates     *kms.Rates                    // Config.Rates likewise
	quotas    kms.Quotas                    // Config.Quotas from the next reopen on
	tick      func()                        // called when the service looks at the clock, if not nil
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{t: t, dir: t.TempDir(), log: new(strings.Builder), people: everybody()}
	k.now.Store(new(time.Date(2026, 11, 23, 11, 2, 3, 987_654_321, time.UTC)))
	root := filepath.Join(t.TempDir(), "root.key")
	k.check(hsm.CreateRootKeyFile(root))
	var err error
	k.module, err = hsm.Open(hsm.Config{RootKeyFile: root})
	k.check(err)
	for _, domain := range []string{"global", region, region2, region3} {
		_, err := k.module.NewDomainKey(domain, 1)
		k.check(err)
	}
	mac := func(p hsm.Purpose) *hsm.MACKey {
		b := hsm.Binding{Purpose: p, Domain: "global", KeyID: "test"}
		token, err := k.module.GenerateKey(b)
		k.check(err)
		m, err := k.module.LoadMACKey(token, b)
		k.check(err)
		return m
	}
	k.rowMAC, k.headerMAC = mac(hsm.PurposeRowMAC), mac(hsm.PurposeBlobHeader)
	b := hsm.Binding{Purpose: hsm.PurposeImport, Domain: "global", KeyID: "test"}
	token, err := k.module.GenerateKey(b)
	k.check(err)
	k.imports, err = k.module.LoadImportTokenKey(token, b)
	k.check(err)
	k.trail, err = audit.Open(audit.Config{Dir: filepath.Join(k.dir, "audit"), Logger: quiet})
	k.check(err)
	k.rights = newRights(t)
	k.gate = gate.New(k.trail, k.rights, func() time.Time { return *k.now.Load() })
	k.open()
	t.Cleanup(func() {
		k.check(k.store.Close())
		if err := k.trail.Close(); err != nil && !errors.Is(err, audit.ErrClosed) {
			t.Error(err)
		}
	})
	return k
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func (k *kit) check(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) dbPath() string { return filepath.Join(k.dir, "store.db") }

func (k *kit) open() {
	k.t.Helper()
	var err error
	k.store, err = sqlite.Open(k.t.Context(), sqlite.Config{Path: k.dbPath()})
	k.check(err)
	k.store.OnCommit(func(changes []store.Change) {
		for _, c := range changes {
			if c.Record != nil {
				if err := k.trail.AppendChange(c.Seq, c.Record); err != nil {
					k.t.Error(err)
				}
			}
		}
	})
	k.Service, err = kms.New(kms.Config{
		Store: k.store, Module: k.module, RowMAC: k.rowMAC, HeaderMAC: k.headerMAC, Imports: k.imports, Gate: k.gate,
		Regions: []string{region, region2, region3}, SM2Regions: []string{region}, Destroyed: k.destroyed,
		Principals: k.people, Quotas: k.quotas, Rates: k.rates,
		Clock: func() time.Time {
			if k.tick != nil {
				k.tick()
			}
			return *k.now.Load()
		},
		Logger: slog.New(slog.NewTextHandler(k.log, nil)),
	})
	k.check(err)
}

// reopen is a restart of the server: nothing cached is left.
func (k *kit) reopen() {
	k.t.Helper()
	k.check(k.store.Close())
	k.open()
}

// rot changes a byte in the document of a row, as a bad disk does, and restarts
// the server.
func (k *kit) rot(table, key string) {
	k.t.Helper()
	k.check(k.store.Close())
	db, err := sql.Open("sqlite", k.dbPath())
	k.check(err)
	r, err := db.ExecContext(k.t.Context(), `UPDATE `+table+` SET doc = CAST(X'FF' || substr(doc, 2) AS BLOB) WHERE key = ?`, key)
	k.check(err)
	if n, err := r.RowsAffected(); n != 1 || err != nil {
		k.t.Fatalf("%s/%s: %d rows were changed, %v; want 1", table, key, n, err)
	}
	k.check(db.Close())
	k.open()
}

// db gives the tests the records, with the seal of the server.
func (k *kit) db() *kmsdb.DB { return kmsdb.New(k.store, k.rowMAC) }

// change changes a key behind the service's operations, as operations do that
// are not there yet, with a good seal.
func (k *kit) change(id string, fn func(*kmsdb.Key)) {
	k.t.Helper()
	k.check(k.db().Update(k.t.Context(), func(tx *kmsdb.Tx) error {
		key, err := tx.Key(kmsdb.KeyRef{Account: account, Region: region, ID: id})
		if err != nil {
			return err
		}
		fn(&key)
		return tx.PutKey(&key)
	}))
}

// The actors. Root and alice may do everything in their account, bob nothing.
func caller(accountID, r string) identity.Caller {
	return identity.Caller{
		Type: identity.Root, AccountID: accountID, ARN: identity.RootARN(accountID), PrincipalID: accountID,
		AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Region: r, RequestID: "2a1a9a8e-0000-4000-8000-000000000001",
		SourceIP: "192.0.2.1", UserAgent: "aws-sdk-go-v2/1.47.7",
	}
}

func root() identity.Caller { return caller(account, region) }

func alice() identity.Caller {
	c := caller(account, region)
	c.Type, c.ARN, c.UserName, c.PrincipalID = identity.IAMUser, "arn:aws:iam::"+account+":user/alice", "alice", aliceID
	return c
}

func bob() identity.Caller {
	c := alice()
	c.ARN, c.UserName, c.PrincipalID = "arn:aws:iam::"+account+":user/bob", "bob", bobID
	return c
}

func (k *kit) createKey() *kmsapi.KeyMetadata {
	k.t.Helper()
	r, err := k.CreateKey(k.t.Context(), root(), &kmsapi.CreateKeyRequest{})
	k.check(err)
	return r.KeyMetadata
}

// createKeyOf makes a key of a spec and usage as root.
func (k *kit) createKeyOf(spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) *kmsapi.KeyMetadata {
	k.t.Helper()
	r, err := k.CreateKey(k.t.Context(), root(), &kmsapi.CreateKeyRequest{KeySpec: &spec, KeyUsage: &usage})
	k.check(err)
	return r.KeyMetadata
}

func (k *kit) createAlias(name, keyID string) {
	k.t.Helper()
	k.check(k.CreateAlias(k.t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: &name, TargetKeyId: &keyID}))
}

func (k *kit) encrypt(keyID, plaintext string, context map[string]string) []byte {
	k.t.Helper()
	r, err := k.Encrypt(k.t.Context(), root(), encryptRequest(keyID, plaintext, context))
	k.check(err)
	return r.CiphertextBlob
}

func encryptRequest(keyID, plaintext string, context map[string]string) *kmsapi.EncryptRequest {
	return &kmsapi.EncryptRequest{KeyId: &keyID, Plaintext: secret.New([]byte(plaintext)), EncryptionContext: context}
}

func (k *kit) disable(keyID string) {
	k.t.Helper()
	k.check(k.DisableKey(k.t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: &keyID}))
}

// wantError checks code and text; text "" is no text at all.
func wantError(t testing.TB, err error, code awserr.Code, text string) {
	t.Helper()
	e, ok := errors.AsType[*awserr.Error](err)
	if !ok {
		t.Fatalf("error is %v, want %s", err, code)
	}
	if e.Code != code || e.Message != text {
		t.Errorf("error is\n%s: %q, want\n%s: %q", e.Code, e.Message, code, text)
	}
}

// record is a CloudTrail record as a reader of the trail decodes it.
type record struct {
	UserIdentity                    map[string]any
	EventTime, EventName, AWSRegion string
	SourceIPAddress, UserAgent      string
	ErrorCode, ErrorMessage         string
	RequestParameters               map[string]any
	ResponseElements                map[string]any
	AdditionalEventData             map[string]any
	RequestID                       string
	EventID, SharedEventID          string
	Recipient                       string `json:"recipientAccountId"`
	ReadOnly, ManagementEvent       bool
	Resources                       []struct{ AccountID, Type, ARN string }
	raw                             string
}

func (k *kit) records() []record {
	k.t.Helper()
	var rs []record
	for e, err := range audit.Entries(filepath.Join(k.dir, "audit")) {
		k.check(err)
		r := record{raw: string(e.Record)}
		k.check(json.Unmarshal(e.Record, &r))
		rs = append(rs, r)
	}
	return rs
}

// last returns the newest record, and checks that it is of the operation.
func (k *kit) last(operation string) record {
	k.t.Helper()
	rs := k.records()
	if len(rs) == 0 {
		k.t.Fatal("the trail is empty")
	}
	r := rs[len(rs)-1]
	if r.EventName != operation {
		k.t.Fatalf("the last record is of %s, want %s", r.EventName, operation)
	}
	return r
}

func wantParameters(t testing.TB, got map[string]any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
}
