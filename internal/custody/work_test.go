package custody

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// TestRotationByAge: nothing before the age, one rotation at it.
func TestRotationByAge(t *testing.T) {
	k := newKit(t)
	k.put(3)
	k.work()
	k.wantVersions(region, 1)
	k.now = k.now.Add(24*time.Hour - time.Second)
	k.work()
	k.wantVersions(region, 1)
	k.now = k.now.Add(time.Second)
	k.work()
	k.work()
	k.wantVersions(region, 2)
	k.wantVersions(Global, 2)
	k.check()
	k.reopen()
	k.check()
	k.now = k.now.Add(-time.Hour) // a clock that is behind rotates nothing, and is told of
	k.work()
	k.wantVersions(region, 2)
	s, err := Inspect(t.Context(), k.cfg, true)
	if err != nil || len(s.Problems) != 2 || !strings.Contains(s.Problems[1], region) || !strings.Contains(s.Problems[1], "1h0m0s in the future") {
		t.Errorf("got problems %q, %v, want one of each domain", s.Problems, err)
	}
	k.request(region)
	k.work()
	k.wantVersions(region, 3)

	never := k.cfg
	never.Rotation = 0
	c, err := Open(t.Context(), never)
	k.must(err)
	k.c, k.now = c, k.now.Add(1000*time.Hour)
	k.work()
	k.wantVersions(region, 3)
	k.request(region)
	k.work()
	k.wantVersions(region, 4)
	k.wantVersions(Global, 2)
}

// TestRotationChangesNothingElse: re-wrapping leaves revisions and the change
// feed alone, and the rotation has two records.
func TestRotationChangesNothingElse(t *testing.T) {
	k := newKit(t)
	k.put(batchSize + pageSize + 1)
	before := map[string]store.Row{}
	for key := range k.want {
		before[key] = k.row(store.KMSKeyTokens, key)
	}
	seq, err := k.cfg.Store.LastSeq(t.Context())
	k.must(err)
	k.request(region)
	k.work()
	k.wantVersions(region, 2)
	k.check()
	for key, old := range before {
		now := k.row(store.KMSKeyTokens, key)
		if now.Rev != old.Rev || bytes.Equal(now.Doc, old.Doc) {
			t.Errorf("%s: got revision %d, want another token at revision %d", key, now.Rev, old.Rev)
		}
	}
	changes, err := k.cfg.Store.Changes(t.Context(), seq, 100)
	k.must(err)
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s/%s %d", c.Table, c.Key, c.Rev))
	}
	if want := []string{"domain_keys/us-east-1/0000000002 1", "domain_keys/us-east-1/0000000001 0"}; !slices.Equal(got, want) {
		t.Errorf("got changes %q, want %q", got, want)
	}
	for i, event := range []string{"RotateDomainKey", "DestroyDomainKeyVersions"} {
		if r := string(changes[i].Record); !strings.Contains(r, `"eventName":"`+event+`"`) || !strings.Contains(r, `"eventType":"AwsServiceEvent"`) || !strings.Contains(r, `"us-east-1"`) {
			t.Errorf("got record %s, want %s", r, event)
		}
	}
	k.must(k.cfg.Store.Check(t.Context()))
}

// TestRequests: one asks for the end of the versions there are, and is
// forgotten when they are gone.
func TestRequests(t *testing.T) {
	k := newKit(t)
	k.request(region)
	k.request(region) // twice is once
	k.work()
	k.wantVersions(region, 2)
	k.work()
	k.wantVersions(region, 2)
	if req, err := readRequest(t.Context(), k.cfg.Store, region); err != nil || req != nil {
		t.Errorf("got request %v, %v after it was met, want none", req, err)
	}
	err := k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return k.c.RequestRotation(tx, "mars-north-1") })
	if err == nil || !strings.Contains(err.Error(), "mars-north-1") {
		t.Errorf("got %v for a domain that is not there, want an error that names it", err)
	}
	// A request is part of its transaction.
	undone := errors.New("undone")
	err = k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return errors.Join(k.c.RequestRotation(tx, region), undone) })
	if !errors.Is(err, undone) {
		t.Error(err)
	}
	k.work()
	k.wantVersions(region, 2)

	// Another process asks by a file.
	k.must(AskRotation(k.cfg.DataDir))
	k.work()
	k.wantVersions(region, 3)
	k.wantVersions(Global, 2)
	if _, err := os.Stat(askFile(k.cfg.DataDir)); err == nil {
		t.Error("the file is still there")
	}
	k.work()
	k.wantVersions(region, 3)
}

// TestRequestDuringRotation: one that comes after the new version was made asks
// for the end of that one too.
func TestRequestDuringRotation(t *testing.T) {
	k := newKit(t)
	k.put(2)
	once := false
	k.c.cfg.step = func(name string) {
		if name == "installed" && !once {
			once = true
			k.request(region)
		}
	}
	k.request(region)
	k.work()
	k.work()
	k.wantVersions(region, 3)
	k.check()
}

// TestDestroyedVersionIsNowhere: neither the wrapped key nor tokens under it
// are in a file afterwards, while the store is open.
func TestDestroyedVersionIsNowhere(t *testing.T) {
	k := newKit(t)
	k.put(20)
	old, err := decodeDomainKey(k.row(store.DomainKeys, DomainKeyRow(region, 1)))
	k.must(err)
	token := k.row(store.KMSKeyTokens, region+"/key-0003")
	needles := [][]byte{[]byte(base64.StdEncoding.EncodeToString(old.Token)), token.Doc}
	find := func() (n int) {
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(database(k.dir) + suffix)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			for _, needle := range needles {
				n += bytes.Count(b, needle)
			}
		}
		return n
	}
	if find() == 0 {
		t.Fatal("the search does not find what must be there")
	}
	k.request(region)
	k.work()
	if n := find(); n != 0 {
		t.Errorf("found the destroyed key or what it wrapped %d times", n)
	}

	// Who kept a copy of the old version opens none of the new tokens with it.
	other := k.cfg
	m, _, err := openRootKey(other, nil)
	k.must(err)
	k.must(m.InstallDomainKey(old.DomainKeyToken))
	for key := range k.want {
		if err := m.CheckToken(k.row(store.KMSKeyTokens, key).Doc, testBinding(region, strings.TrimPrefix(key, region+"/"))); !errors.Is(err, hsm.ErrUnknownDomainKey) {
			t.Errorf("%s: got %v with the old version alone, want %v", key, err, hsm.ErrUnknownDomainKey)
		}
	}
	k.check()
}

// TestLogBusy: a reader that keeps the log from being truncated delays it.
func TestLogBusy(t *testing.T) {
	k := newKit(t)
	k.request(region)
	k.work()
	k.request(region)
	reader := openReader(t, database(k.dir))
	k.work()
	if _, err := k.cfg.Store.Get(t.Context(), store.Meta, truncateKey); err != nil {
		t.Errorf("got %v, want the log still to be truncated", err)
	}
	var err error
	for range retryRuns {
		err = errors.Join(err, k.c.Work(t.Context()))
	}
	if !errors.Is(err, store.ErrBusy) {
		t.Errorf("got %v after many runs, want %v", err, store.ErrBusy)
	}
	k.must(reader.Rollback())
	k.work()
	if _, err := k.cfg.Store.Get(t.Context(), store.Meta, truncateKey); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want the log truncated", err)
	}
}

// TestLateToken: its version was destroyed between its making and its storing.
// It is refused, not stored for nobody to open; one whose version is only old is
// re-wrapped on the way in.
func TestLateToken(t *testing.T) {
	k := newKit(t)
	token, material := k.make("late")
	k.c.cfg.step = func(name string) {
		if name == "installed" {
			k.must(k.store("late", token, material))
		}
	}
	k.request(region)
	k.work()
	k.c.cfg.step = func(string) {}
	k.wantVersions(region, 2)
	k.check()
	if err := k.store("later", token, material); !errors.Is(err, hsm.ErrUnknownDomainKey) || !strings.Contains(err.Error(), "later") {
		t.Errorf("got %v, want %v with the row", err, hsm.ErrUnknownDomainKey)
	}
	for name, doc := range map[string][]byte{"nothing": nil, "no token": []byte("x"), "another's": k.row(store.KMSKeyTokens, region+"/late").Doc} {
		if err := k.store(name, doc, material); !errors.Is(err, hsm.ErrTampered) {
			t.Errorf("%s: got %v, want %v", name, err, hsm.ErrTampered)
		}
	}
	if _, err := k.cfg.Store.Get(t.Context(), store.KMSKeyTokens, region+"/later"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want %v", err, store.ErrNotFound)
	}
}

// TestTokenBehindTheScan is put under the old version, its transaction begun
// before the new one was in use and committed when its page had been read. It
// is found by the transaction that would destroy the version.
func TestTokenBehindTheScan(t *testing.T) {
	k := newKit(t)
	k.put(1)
	first := true
	k.c.cfg.step = func(name string) {
		if name != "re-wrapped" || !first {
			return
		}
		first = false
		// What the guard of a moment before would have let in.
		b := testBinding(region, "behind")
		m, _, err := openRootKey(k.cfg, nil)
		k.must(err)
		d, err := decodeDomainKey(k.row(store.DomainKeys, DomainKeyRow(region, 1)))
		k.must(err)
		k.must(m.InstallDomainKey(d.DomainKeyToken))
		material, err := m.Random(32)
		k.must(err)
		token, err := m.ImportKey(b, material)
		k.must(err)
		k.cfg.Store.Guard(store.KMSKeyTokens, func(_ *store.Tx, r *store.Row) error { r.Ref = DomainKeyRow(region, 1); return nil })
		k.must(k.store("behind", token, material))
		k.cfg.Store.Guard(store.KMSKeyTokens, func(tx *store.Tx, r *store.Row) error { return k.c.admit(tx, testTokens, r) })
	}
	k.request(region)
	k.work()
	if first {
		t.Fatal("nothing was re-wrapped")
	}
	k.wantVersions(region, 2)
	k.check()
}

// TestDeletedMeanwhile: a key that is deleted between the scan and the re-wrap
// stays deleted.
func TestDeletedMeanwhile(t *testing.T) {
	k := newKit(t)
	k.put(batchSize + 3)
	k.c.cfg.step = func(name string) {
		if name == "batch" {
			k.c.cfg.step = func(string) {}
			k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
				for _, id := range []string{"key-0000", "key-0066"} { // one before, one to come
					r, err := tx.Get(store.KMSKeyTokens, region+"/"+id)
					if err != nil {
						return err
					}
					if err := tx.Delete(store.KMSKeyTokens, r.Key, r.Rev); err != nil {
						return err
					}
					delete(k.want, r.Key)
				}
				return nil
			}))
		}
	}
	k.request(region)
	k.work()
	k.wantVersions(region, 2)
	k.check()
	rows, err := k.cfg.Store.List(t.Context(), store.KMSKeyTokens, store.Query{Limit: 1000})
	k.must(err)
	if len(rows) != len(k.want) {
		t.Errorf("got %d tokens, want %d", len(rows), len(k.want))
	}
}

// TestBadTokens: a row that does not open keeps its domain's old versions, is
// named, and gets its turn again when it is whole.
func TestBadTokens(t *testing.T) {
	const bad = region + "/key-0001"
	for _, tt := range []struct {
		name   string
		damage func(k *kit)
	}{
		{"flipped", func(k *kit) {
			r := k.row(store.KMSKeyTokens, bad)
			r.Doc = bytes.Clone(r.Doc)
			r.Doc[20] ^= 1
			k.overwrite(store.KMSKeyTokens, r)
		}},
		{"says the newest version", func(k *kit) {
			r := k.row(store.KMSKeyTokens, bad)
			r.Doc = bytes.Clone(r.Doc)
			r.Doc[5]++
			k.overwrite(store.KMSKeyTokens, r)
		}},
		{"no token at all", func(k *kit) { k.overwrite(store.KMSKeyTokens, store.Row{Key: bad, Doc: []byte("x")}) }},
		{"moved", func(k *kit) {
			r := k.row(store.KMSKeyTokens, region+"/key-0002")
			r.Key = bad
			k.overwrite(store.KMSKeyTokens, r)
		}},
		{"no key's", func(k *kit) {
			r := k.row(store.KMSKeyTokens, bad)
			r.Key = "nobody"
			k.overwrite(store.KMSKeyTokens, r)
		}},
		{"rotted", func(k *kit) { rot(k, store.KMSKeyTokens, bad) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.put(4)
			whole := k.row(store.KMSKeyTokens, bad)
			tt.damage(k)
			name := bad
			if tt.name == "no key's" {
				name = "nobody"
			}
			k.request(region)
			for range 2 {
				if err := k.c.Work(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("got %v, want an error that names %s", err, name)
				}
				k.wantVersions(region, 1, 2)
			}
			s, err := Inspect(t.Context(), k.cfg, true)
			k.must(err)
			if !strings.Contains(strings.Join(s.Problems, "\n"), name) {
				t.Errorf("got problems %q, want one that names %s", s.Problems, name)
			}
			// Others go on, and another domain too.
			k.put(1)
			k.request(Global)
			if err := k.c.Work(t.Context()); err == nil {
				t.Error("the bad row is forgotten")
			}
			if tt.name != "no key's" && tt.name != "rotted" { // those say nothing of a domain
				k.wantVersions(Global, 2)
			}

			if name == "nobody" {
				k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.KMSKeyTokens, name) }))
			} else {
				k.overwrite(store.KMSKeyTokens, whole)
			}
			for range retryRuns + 2 {
				_ = k.c.Work(t.Context())
			}
			k.work()
			k.wantVersions(region, 2)
			k.check()
		})
	}
}

// TestCrashDuringRotation goes on from what a process leaves that dies between
// any two steps.
func TestCrashDuringRotation(t *testing.T) {
	k := newKit(t)
	k.put(batchSize*2 + 7)
	images := map[string]string{}
	k.c.cfg.step = func(name string) { images[fmt.Sprintf("%02d %s", len(images), name)] = k.image() }
	k.request(region)
	k.request(Global)
	k.work()
	k.wantVersions(region, 2)
	if len(images) < 12 {
		t.Errorf("got %d steps: %v", len(images), images)
	}
	for name, dir := range images {
		t.Run(name, func(t *testing.T) {
			crashed := k.on(dir)
			crashed.TB = t
			crashed.open()
			crashed.check()
			crashed.put(3)
			crashed.work()
			crashed.work()
			crashed.wantVersions(region, 2)
			crashed.wantVersions(Global, 2)
			crashed.check()
			crashed.reopen()
			crashed.check()
			crashed.must(crashed.cfg.Store.Check(t.Context()))
		})
	}
}

// TestOldRows: rows of a release that knew neither ages nor references.
func TestOldRows(t *testing.T) {
	k := newKit(t)
	k.put(3)
	r := k.row(store.DomainKeys, DomainKeyRow(region, 1))
	i := bytes.Index(r.Doc, []byte(`,"Created"`))
	r.Doc = append(bytes.Clone(r.Doc[:i]), '}')
	k.close()
	k.openStore()
	k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.PutUnlogged(store.DomainKeys, r); err != nil {
			return err
		}
		for key := range k.want {
			row, err := tx.Get(store.KMSKeyTokens, key)
			if err != nil {
				return err
			}
			row.Ref = ""
			if err := tx.PutUnlogged(store.KMSKeyTokens, row); err != nil {
				return err
			}
		}
		return nil
	}))
	k.reopen()
	k.work()
	k.wantVersions(region, 2)
	k.wantVersions(Global, 1)
	k.check()
}

// TestLostVersion: a row of domain_keys that is deleted while the server has
// the key in memory costs nothing: the tokens are re-wrapped.
func TestLostVersion(t *testing.T) {
	k := newKit(t)
	k.put(5)
	k.c.cfg.step = func(name string) {
		if name == "installed" {
			k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
				return tx.DeleteUnlogged(store.DomainKeys, DomainKeyRow(region, 1))
			}))
		}
	}
	k.request(region)
	k.work()
	k.wantVersions(region, 2)
	k.check()
	k.reopen()
	k.check()
}

// TestRefusedRotation: one that cannot be stored has not happened.
func TestRefusedRotation(t *testing.T) {
	k := newKit(t)
	k.put(3)
	full := errors.New("no room")
	k.cfg.Store.Guard(store.DomainKeys, func(*store.Tx, *store.Row) error { return full })
	k.request(region)
	for range 2 {
		if err := k.c.Work(t.Context()); !errors.Is(err, full) {
			t.Errorf("got %v, want %v", err, full)
		}
	}
	k.wantVersions(region, 1)
	k.put(1)
	k.cfg.Store.Guard(store.DomainKeys, func(*store.Tx, *store.Row) error { return nil })
	k.work()
	k.wantVersions(region, 2)
	k.check()
}
