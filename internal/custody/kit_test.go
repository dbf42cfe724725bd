package custody

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

const region = "us-east-1"

// kit is a real data directory, and what a test knows of its keys.
type kit struct {
	testing.TB
	dir  string // of the database and the root key file
	cfg  Config
	c    *Custody
	log  bytes.Buffer
	now  time.Time
	want map[string]secret.Bytes // key material by row
}

// testTokens: a row of kms_key_tokens is REGION/ID.
var testTokens = Tokens{Table: store.KMSKeyTokens, Binding: func(_ func(store.Table, string) (store.Row, error), r store.Row) (hsm.Binding, error) {
	domain, id, ok := strings.Cut(r.Key, "/")
	if !ok {
		return hsm.Binding{}, errors.New("names no key")
	}
	return testBinding(domain, id), nil
}}

func testBinding(domain, id string) hsm.Binding {
	return hsm.Binding{Purpose: hsm.PurposeBackingKey, Domain: domain, Region: domain, KeyID: id}
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{TB: t, dir: t.TempDir(), now: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC), want: map[string]secret.Bytes{}}
	k.open()
	return k
}

func rootKeyFile(dir string) string { return filepath.Join(dir, "root-key") }
func database(dir string) string    { return filepath.Join(dir, "data", "db") }

// open opens the directory as a server does.
func (k *kit) open() {
	k.Helper()
	c, err := k.tryOpen()
	k.must(err)
	k.c = c
}

func (k *kit) openStore() {
	k.Helper()
	k.must(os.MkdirAll(filepath.Join(k.dir, "data"), 0o700))
	st, err := sqlite.Open(k.Context(), sqlite.Config{Path: database(k.dir)})
	k.must(err)
	k.Cleanup(func() { _ = st.Close() })
	step := k.cfg.step
	k.cfg = Config{
		Store: st, DataDir: filepath.Join(k.dir, "data"), RootKeyFile: rootKeyFile(k.dir), Regions: []string{region},
		Tokens: []Tokens{testTokens}, Account: "000000000000", Rotation: 24 * time.Hour,
		Clock: func() time.Time { return k.now }, Logger: slog.New(slog.NewTextHandler(&k.log, nil)), step: step,
	}
}

func (k *kit) tryOpen() (*Custody, error) {
	k.Helper()
	k.openStore()
	return Open(k.Context(), k.cfg)
}

func (k *kit) close() {
	k.Helper()
	k.must(k.cfg.Store.Close())
}

func (k *kit) reopen() {
	k.Helper()
	k.close()
	k.open()
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// work is a run of the worker.
func (k *kit) work() {
	k.Helper()
	k.must(k.c.Work(k.Context()))
}

// make makes a token, as a service does before its transaction.
func (k *kit) make(id string) (token []byte, material secret.Bytes) {
	k.Helper()
	material, err := k.c.Module.Random(32)
	k.must(err)
	token, err = k.c.Module.ImportKey(testBinding(region, id), material)
	k.must(err)
	return token, material
}

// store stores it, as the service's transaction does.
func (k *kit) store(id string, token []byte, material secret.Bytes) error {
	err := k.cfg.Store.Update(k.Context(), func(tx *store.Tx) error {
		_, err := tx.Put(store.KMSKeyTokens, store.Row{Key: region + "/" + id, Doc: token})
		return err
	})
	if err == nil {
		k.want[region+"/"+id] = material
	}
	return err
}

func (k *kit) put(n int) {
	k.Helper()
	for range n {
		id := fmt.Sprintf("key-%04d", len(k.want))
		token, material := k.make(id)
		k.must(k.store(id, token, material))
	}
}

func (k *kit) row(t store.Table, key string) store.Row {
	k.Helper()
	r, err := k.cfg.Store.Get(k.Context(), t, key)
	k.must(err)
	return r
}

// overwrite puts a row past its guard, as who has the file can.
func (k *kit) overwrite(t store.Table, r store.Row) {
	k.Helper()
	k.close()
	k.openStore() // no custody, no guard
	k.must(k.cfg.Store.Update(k.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(t, r) }))
	k.reopen()
}

// check opens every token that was stored and compares it with what it was made of.
func (k *kit) check() {
	k.Helper()
	for key, material := range k.want {
		r := k.row(store.KMSKeyTokens, key)
		same, err := k.c.Module.SameKey(r.Doc, testBinding(region, strings.TrimPrefix(key, region+"/")), material)
		if err != nil || !same {
			k.Errorf("%s: got %v, %v, want the material it was made of", key, same, err)
		}
		_, version, _ := hsm.ParseToken(r.Doc)
		if r.Ref != DomainKeyRow(region, version) {
			k.Errorf("%s: refers to %q and is under version %d", key, r.Ref, version)
		}
	}
}

// versions returns those of a domain in the database.
func (k *kit) versions(domain string) (list []uint32) {
	k.Helper()
	docs, err := readDomainKeys(k.Context(), k.cfg.Store)
	k.must(err)
	for _, d := range docs {
		if d.Domain == domain {
			list = append(list, d.Version)
		}
	}
	return list
}

func (k *kit) wantVersions(domain string, want ...uint32) {
	k.Helper()
	if got := fmt.Sprint(k.versions(domain)); got != fmt.Sprint(want) {
		k.Errorf("got versions %s of %s, want %v", got, domain, want)
	}
	if got := fmt.Sprint(k.c.Module.DomainKeyVersions(domain)); got != fmt.Sprint(want) {
		k.Errorf("got versions %s of %s in memory, want %v", got, domain, want)
	}
}

// request asks for a rotation as the destruction of a key does.
func (k *kit) request(domain string) {
	k.Helper()
	k.must(k.cfg.Store.Update(k.Context(), func(tx *store.Tx) error { return k.c.RequestRotation(tx, domain) }))
}

// image copies the directory as it is now, its log included: what a process
// that dies here leaves.
func (k *kit) image() string {
	k.Helper()
	to := k.TempDir()
	k.must(os.CopyFS(to, os.DirFS(k.dir)))
	keys, err := filepath.Glob(rootKeyFile(to) + "*")
	k.must(err)
	for _, key := range keys { // CopyFS takes no permissions along
		k.must(os.Chmod(key, 0o600))
	}
	return to
}

// on is a kit on an image.
func (k *kit) on(dir string) *kit {
	return &kit{TB: k.TB, dir: dir, now: k.now, want: maps.Clone(k.want)}
}
