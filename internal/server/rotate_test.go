package server

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/store"
)

// schema1House unpacks testdata/schema1.tar.gz: a data directory that the last
// release with schema 1 of the store made, with its root key. It has the
// principals of principals_test.go, a KMS key, a ciphertext of "aGVsbG8=" under it
// with the context a=b, and two objects.
func schema1House(t *testing.T) (h *house) {
	t.Helper()
	h = &house{dir: dataDirIn(t)}
	f, err := os.Open(filepath.Join("testdata", "schema1.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(filepath.Dir(h.dir), e.Name)
		if e.FileInfo().IsDir() {
			err = os.MkdirAll(path, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := os.ReadFile(h.dir + ".made")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(made))
	h.key, h.blob = lines[0], lines[1]
	return h
}

// opens looks whether all that is in the house of schema 1 is still there.
func (h *house) opens(t *testing.T, when, endpoint string) {
	t.Helper()
	for _, id := range []string{aliceKey, bobKey, otherKey} {
		if a := askAs(t, endpoint, id, "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15")); a.status != 200 {
			t.Errorf("%s: access key %s: got %d %s", when, id, a.status, a.body)
		}
	}
	a := ask(t, endpoint, "kms", kmsCall("Decrypt", `{"CiphertextBlob":"`+h.blob+`","EncryptionContext":{"a":"b"}}`))
	if a.status != 200 || !strings.Contains(a.body, `"YUdWc2JHOD0="`) {
		t.Errorf("%s: the ciphertext: got %d %s", when, a.status, a.body)
	}
	if a := ask(t, endpoint, "kms", kmsCall("DescribeKey", `{"KeyId":"alias/app"}`)); a.status != 200 || !strings.Contains(a.body, h.key) {
		t.Errorf("%s: the alias: got %d %s", when, a.status, a.body)
	}
	for path, want := range map[string]string{"/bucket/sse-s3": "kept by the server alone", "/bucket/sse-kms": "kept under a KMS key"} {
		if a := ask(t, endpoint, "s3", message{method: "GET", path: path}); a.status != 200 || a.body != want {
			t.Errorf("%s: %s: got %d %q, want %q", when, path, a.status, a.body, want)
		}
	}
}

// TestRotations: what a release made that knew nothing of rotation opens after
// its secrets were moved, after its domain keys were rotated, and after its root
// key was, without a ciphertext being changed.
func TestRotations(t *testing.T) {
	h := schema1House(t)
	s, stop := start(t, wireConfig(h.dir))
	h.opens(t, "at first", s.Endpoint())
	// The age of the domain keys is not known: they are rotated at once.
	if err := s.custody.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.opens(t, "with handles that were open", s.Endpoint())
	stop()
	wantVersions(t, h.dir, 2)

	s, stop = start(t, wireConfig(h.dir))
	h.opens(t, "after the rotation of domain keys", s.Endpoint())
	stop()
	db := openRaw(t, h.dir)
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM access_keys WHERE instr(doc, '"Secret"')`).Scan(&n); err != nil || n != 0 {
		t.Errorf("got %d documents with a secret in them, %v, want none", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	r, err := RotateRootKey(t.Context(), wireConfig(h.dir), "")
	if err != nil {
		t.Fatal(err)
	}
	with := wireConfig(h.dir)
	with.Listen, with.RootKeyFile = "127.0.0.1:0", r.Retired
	if _, err := New(t.Context(), with); err == nil || !strings.Contains(err.Error(), "was made with root key "+r.ID) {
		t.Errorf("with the old root key: got %v, want an error that names the new one", err)
	}
	s, stop = start(t, wireConfig(h.dir))
	h.opens(t, "after the rotation of the root key", s.Endpoint())
	if err := s.custody.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.opens(t, "after the rotation that it asks for", s.Endpoint())
	stop()
	wantVersions(t, h.dir, 3)

	for _, f := range Doctor(t.Context(), wireConfig(h.dir)) {
		if f.Err != nil && f.Subject != "disk" {
			t.Errorf("doctor: %s: %v", f.Subject, f.Err)
		}
	}
	doc := readerDocument(t, h.dir)
	doc["blob"], doc["context"] = h.blob, map[string]string{"a": "b"}
	if got := runReader(t, "blob", doc); string(got) != "aGVsbG8=" {
		t.Errorf("the independent reader got %q", got)
	}
}

// wantVersions looks whether each domain key has just the one version.
func wantVersions(t *testing.T, dir string, want uint32) {
	t.Helper()
	s, err := KeysStatus(t.Context(), wireConfig(dir), true)
	if err != nil || s.Problems != nil {
		t.Errorf("got problems %q, %v", s.Problems, err)
	}
	for _, d := range s.Domains {
		if len(d.Versions) != 1 || d.Versions[0].Version != want {
			t.Errorf("domain key %s: got %+v, want version %d alone", d.Domain, d.Versions, want)
		}
	}
}

// TestRotationOfAnOldDirectory: the command alone, with no server before it,
// must not destroy what wraps the secrets inside documents.
func TestRotationOfAnOldDirectory(t *testing.T) {
	for name, rotate := range map[string]func(h *house) error{
		"domain keys": func(h *house) error { _, err := RotateDomainKeys(t.Context(), wireConfig(h.dir)); return err },
		"root key":    func(h *house) error { _, err := RotateRootKey(t.Context(), wireConfig(h.dir), ""); return err },
		"both": func(h *house) error {
			_, err := RotateRootKey(t.Context(), wireConfig(h.dir), "")
			_, err2 := RotateDomainKeys(t.Context(), wireConfig(h.dir))
			return errors.Join(err, err2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := schema1House(t)
			if err := rotate(h); err != nil {
				t.Fatal(err)
			}
			s, stop := start(t, wireConfig(h.dir))
			h.opens(t, "afterwards", s.Endpoint())
			stop()
			if _, err := VerifyAudit(t.Context(), h.dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRotationOfAReplacedDatabase: the check that a start makes is made here
// too; a change on top of an older database would hide that it is one.
func TestRotationOfAReplacedDatabase(t *testing.T) {
	h := schema1House(t)
	old, err := os.ReadFile(databasePath(h.dir))
	if err != nil {
		t.Fatal(err)
	}
	s, stop := start(t, wireConfig(h.dir))
	createKey(t, s.Endpoint())
	stop()
	if err := os.WriteFile(databasePath(h.dir), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := RotateRootKey(t.Context(), wireConfig(h.dir), ""); err == nil || !strings.Contains(err.Error(), "replaced by an older one") {
		t.Errorf("got %v, want an error that says the database is older than the trail", err)
	}
}

// TestKeysWhileServing: the state can be read, domain keys are rotated on
// request, and the root key is not.
func TestKeysWhileServing(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, wireConfig(dir))
	key := createKey(t, s.Endpoint())
	if _, err := RotateRootKey(t.Context(), wireConfig(dir), ""); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want an error that says a server runs", err)
	}
	if left, _ := filepath.Glob(RootKeyFile(dir) + ".*"); len(left) > 0 {
		t.Errorf("got %q left behind", left)
	}
	asked, err := RotateDomainKeys(t.Context(), wireConfig(dir))
	if err != nil || !asked {
		t.Fatalf("got %v, %v, want the server asked", asked, err)
	}
	if err := s.custody.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantVersions(t, dir, 2)
	mustAsk(t, s.Endpoint(), "kms", kmsCall("Encrypt", `{"KeyId":"`+key+`","Plaintext":"aGVsbG8="}`))
	stop()
	st, err := KeysStatus(t.Context(), wireConfig(dir), false)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(st); err != nil || strings.Contains(string(b), `"problems"`) {
		t.Errorf("got %s, %v", b, err)
	}
	if got := st.Domains[1].Versions[0].Tokens[store.KMSKeyTokens]; got != 1 {
		t.Errorf("got %d tokens of KMS keys, want 1", got)
	}
	if _, err := KeysStatus(t.Context(), wireConfig(dataDirIn(t)), false); err == nil || !strings.Contains(err.Error(), "holds no database") {
		t.Errorf("got %v of no data directory", err)
	}
}

// TestTokensOfEveryTable: custody is given every table that has key tokens.
func TestTokensOfEveryTable(t *testing.T) {
	given := map[store.Table]bool{store.InternalKeys: true}
	for _, tokens := range keyTokens() {
		given[tokens.Table] = true
	}
	for _, table := range store.Tables() {
		if want := strings.HasSuffix(string(table), "_tokens") || table == store.InternalKeys; given[table] != want {
			t.Errorf("%s: got %v, want %v", table, given[table], want)
		}
	}
}

// TestDestructionRotates: when a KMS key is destroyed, the domain key that
// wrapped it goes as well, though it is never rotated for its age.
func TestDestructionRotates(t *testing.T) {
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	cfg.DomainKeyRotation = -1
	s, stop := start(t, cfg)
	key, spare := createKey(t, s.Endpoint()), createKey(t, s.Endpoint())
	mustAsk(t, s.Endpoint(), "kms", kmsCall("ScheduleKeyDeletion", `{"KeyId":"`+key+`","PendingWindowInDays":7}`))
	if err := s.custody.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	wantVersions(t, dir, 1)

	cfg.Clock = func() time.Time { return wireTime.Add(8 * 24 * time.Hour) }
	s, stop = start(t, cfg)
	// The workers have begun to do the same.
	if err := s.destroyKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.custody.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	st, err := KeysStatus(t.Context(), cfg, true)
	if err != nil || st.Problems != nil {
		t.Errorf("got problems %q, %v", st.Problems, err)
	}
	for _, d := range st.Domains {
		want := uint32(1)
		if d.Domain == DefaultRegion {
			want = 2
		}
		if len(d.Versions) != 1 || d.Versions[0].Version != want {
			t.Errorf("domain key %s: got %+v, want version %d alone", d.Domain, d.Versions, want)
		}
	}
	db := openRaw(t, dir)
	for id, want := range map[string]int{key: 0, spare: 1} {
		var n int
		if err := db.QueryRow("SELECT count(*) FROM kms_key_tokens WHERE key LIKE ?", "%/"+id+"/%").Scan(&n); err != nil || n != want {
			t.Errorf("got %d tokens of key %s, %v, want %d", n, id, err, want)
		}
	}
}
