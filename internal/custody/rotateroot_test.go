package custody

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// rotateRoot is the command: no server has the directory.
func (k *kit) rotateRoot(from string) (RootRotation, error) {
	k.Helper()
	k.openStore()
	r, err := RotateRoot(k.Context(), k.cfg, from)
	k.close()
	return r, err
}

func rootKeyID(t testing.TB, path string) string {
	t.Helper()
	id, err := hsm.RootKeyFileID(path)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestRotateRoot: the new root key opens everything, the old one nothing, and no
// file of the database has what the old one opens.
func TestRotateRoot(t *testing.T) {
	k := newKit(t)
	k.put(5)
	token := k.row(store.KMSKeyTokens, region+"/key-0001").Doc
	old, err := readDomainKeys(t.Context(), k.cfg.Store)
	k.must(err)
	oldID := rootKeyID(t, rootKeyFile(k.dir))
	seq, err := k.cfg.Store.LastSeq(t.Context())
	k.must(err)
	k.close()
	for round := range 2 {
		r, err := k.rotateRoot("")
		k.must(err)
		if r.Finished || r.ID == oldID || r.ID != rootKeyID(t, r.File) || r.Retired != r.File+".retired-"+oldID || rootKeyID(t, r.Retired) != oldID {
			t.Errorf("got %+v after root key %s", r, oldID)
		}
		if info, err := os.Stat(r.File); err != nil || info.Mode() != 0o600 {
			t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
		}
		if round == 0 {
			b, err := os.ReadFile(database(k.dir))
			k.must(err)
			for _, d := range old {
				if bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString(d.Token))) {
					t.Errorf("the database has domain key %s under the old root key", d.Domain)
				}
			}
		}
		// The old key is refused by its id, and cannot open what lies there.
		other := k.on(k.dir)
		other.openStore()
		cfg := other.cfg
		cfg.RootKeyFile = r.Retired
		if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), oldID) || !strings.Contains(err.Error(), r.ID) {
			t.Errorf("with the old root key: got %v, want an error that names both", err)
		}
		m, err := hsm.Open(hsm.Config{RootKeyFile: r.Retired})
		k.must(err)
		docs, err := readDomainKeys(t.Context(), cfg.Store)
		k.must(err)
		for _, d := range docs {
			d.RootKeyID = oldID // as a forger would
			if err := m.InstallDomainKey(d.DomainKeyToken); !errors.Is(err, hsm.ErrTampered) {
				t.Errorf("%s under the old root key: got %v, want %v", d.row(), err, hsm.ErrTampered)
			}
		}
		other.close()
		oldID = r.ID

		k.open()
		k.check()
		k.work() // the rotation of the domain keys was requested
		k.wantVersions(region, uint32(round)+2)
		k.wantVersions(Global, uint32(round)+2)
		k.check()
		if round == 0 {
			if bytes.Equal(k.row(store.KMSKeyTokens, region+"/key-0001").Doc, token) {
				t.Error("the token is the one of before")
			}
			changes, err := k.cfg.Store.Changes(t.Context(), seq, 1)
			k.must(err)
			if got := string(changes[0].Record); !strings.Contains(got, `"eventName":"RotateRootKey"`) || !strings.Contains(got, r.ID) {
				t.Errorf("got record %s", got)
			}
		}
		k.must(k.cfg.Store.Check(t.Context()))
		k.close()
	}
}

// TestRotateRootToAGivenKey takes a key that was made elsewhere, and leaves its
// file alone.
func TestRotateRootToAGivenKey(t *testing.T) {
	k := newKit(t)
	k.put(1)
	k.close()
	from := filepath.Join(t.TempDir(), "made-elsewhere")
	k.must(hsm.CreateRootKeyFile(from))
	r, err := k.rotateRoot(from)
	k.must(err)
	if want := rootKeyID(t, from); r.ID != want || rootKeyID(t, rootKeyFile(k.dir)) != want {
		t.Errorf("got %+v, want root key %s", r, want)
	}
	for name, tt := range map[string]struct{ from, want string }{
		"in use":  {from, "which is the one in use"},
		"missing": {from + "-not", "missing"},
		"no key":  {database(k.dir), "malformed"},
	} {
		if _, err := k.rotateRoot(tt.from); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tt.want)
		}
	}
	k.open()
	k.check()
}

// TestCrashDuringRootRotation goes on from what a process leaves that dies
// between any two steps: by starting the server, and by running the command
// again.
func TestCrashDuringRootRotation(t *testing.T) {
	k := newKit(t)
	k.put(3)
	k.close()
	oldID := rootKeyID(t, rootKeyFile(k.dir))
	var names []string
	images := map[string]string{}
	k.cfg.step = func(name string) {
		names = append(names, name)
		images[name] = k.image()
	}
	r, err := k.rotateRoot("")
	k.must(err)
	if got, want := fmt.Sprint(names), "[unnamed made committed retired renamed]"; got != want {
		t.Errorf("got steps %s, want %s", got, want)
	}
	for i, name := range names {
		wantID := r.ID
		if name == "unnamed" || name == "made" { // nothing has happened yet
			wantID = oldID
		}
		t.Run("start after "+name, func(t *testing.T) {
			crashed := k.on(k.dirCopy(t, images[name]))
			crashed.TB = t
			for range 2 {
				crashed.open()
				if got := crashed.c.Module.RootKeyID(); got != wantID {
					t.Errorf("got root key %s, want %s", got, wantID)
				}
				if got := rootKeyID(t, rootKeyFile(crashed.dir)); got != wantID {
					t.Errorf("got root key %s in place, want %s", got, wantID)
				}
				crashed.check()
				crashed.close()
			}
			if i >= 2 && rootKeyID(t, rootKeyFile(crashed.dir)+".retired-"+oldID) != oldID {
				t.Error("the old root key is not kept")
			}
			if i < 2 && !strings.Contains(crashed.log.String(), "left from a rotation that did not happen") {
				t.Errorf("the log does not tell of the file that is left:\n%s", crashed.log.String())
			}
		})
		t.Run("again after "+name, func(t *testing.T) {
			crashed := k.on(k.dirCopy(t, images[name]))
			crashed.TB = t
			again, err := crashed.rotateRoot("")
			crashed.must(err)
			if want := name == "committed" || name == "retired"; again.Finished != want || want && again.ID != r.ID {
				t.Errorf("got %+v, want it finished: %v", again, want)
			}
			if rootKeyID(t, again.File) != again.ID || rootKeyID(t, again.Retired) == again.ID {
				t.Errorf("got %+v", again)
			}
			crashed.open()
			crashed.check()
			crashed.work()
			crashed.check()
			s, err := Inspect(t.Context(), crashed.cfg, true)
			crashed.must(err)
			if s.Problems != nil {
				t.Errorf("got problems %q", s.Problems)
			}
		})
		t.Run("looked at after "+name, func(t *testing.T) {
			crashed := k.on(k.dirCopy(t, images[name]))
			crashed.TB = t
			crashed.openStore()
			s, err := Inspect(t.Context(), crashed.cfg, true)
			crashed.must(err)
			interrupted := name == "committed" || name == "retired"
			if got := strings.Join(s.Problems, "\n"); strings.Contains(got, "was interrupted") != interrupted || !interrupted && got != "" {
				t.Errorf("got problems %q, want an interrupted rotation: %v", got, interrupted)
			}
			if _, err := Look(t.Context(), crashed.cfg); err != nil {
				t.Error(err)
			}
		})
	}
}

// dirCopy copies an image once more, for a test to change.
func (k *kit) dirCopy(t *testing.T, dir string) string {
	other := k.on(dir)
	other.TB = t
	return other.image()
}

// TestNewRootKeyCannotBePutInPlace: the key is used from where it is, and the
// log says so.
func TestNewRootKeyCannotBePutInPlace(t *testing.T) {
	k := newKit(t)
	k.put(1)
	k.close()
	var image string
	k.cfg.step = func(name string) {
		if name == "committed" {
			image = k.image()
		}
	}
	r, err := k.rotateRoot("")
	k.must(err)
	crashed := k.on(image)
	// Something that is no root key stands in its place.
	k.must(os.WriteFile(rootKeyFile(image), []byte("a note to myself\n"), 0o600))
	crashed.open()
	if got := crashed.c.Module.RootKeyID(); got != r.ID {
		t.Errorf("got root key %s, want %s", got, r.ID)
	}
	if b, err := os.ReadFile(rootKeyFile(image)); err != nil || string(b) != "a note to myself\n" {
		t.Errorf("got %q, %v, want the file left alone", b, err)
	}
	if !strings.Contains(crashed.log.String(), "cannot be put in the place") {
		t.Errorf("the log does not tell:\n%s", crashed.log.String())
	}
	crashed.check()
	crashed.close()
	k.must(os.Remove(rootKeyFile(image))) // now it can
	crashed.open()
	if got := rootKeyID(t, rootKeyFile(image)); got != r.ID {
		t.Errorf("got root key %s in place, want %s", got, r.ID)
	}
}

// TestRootKeyBehindALink is replaced where it is, not where the link is.
func TestRootKeyBehindALink(t *testing.T) {
	k := newKit(t)
	k.put(1)
	k.close()
	elsewhere := filepath.Join(t.TempDir(), "real")
	k.must(os.Rename(rootKeyFile(k.dir), elsewhere))
	k.must(os.Symlink(elsewhere, rootKeyFile(k.dir)))
	r, err := k.rotateRoot("")
	k.must(err)
	if target, err := os.Readlink(rootKeyFile(k.dir)); err != nil || target != elsewhere {
		t.Errorf("got a link to %q, %v, want %q", target, err, elsewhere)
	}
	if rootKeyID(t, elsewhere) != r.ID {
		t.Error("the key behind the link is the old one")
	}
	k.open()
	k.check()
}

// TestRotateRootRefuses: with a damaged domain key, without keys, or without
// its root key nothing is changed.
func TestRotateRootRefuses(t *testing.T) {
	empty := &kit{TB: t, dir: t.TempDir()}
	if _, err := empty.rotateRoot(""); err == nil || !strings.Contains(err.Error(), "no keys yet") {
		t.Errorf("in an unused directory: got %v", err)
	}
	k := newKit(t)
	k.put(1)
	whole := k.row(store.DomainKeys, DomainKeyRow(region, 1))
	k.close()
	for name, damage := range map[string]func(){
		"damaged domain key": func() {
			r := whole
			r.Doc = bytes.Replace(whole.Doc, []byte(`"Token":"Af`), []byte(`"Token":"Ag`), 1)
			if bytes.Equal(r.Doc, whole.Doc) {
				r.Doc = bytes.Replace(whole.Doc, []byte(`"Token":"A`), []byte(`"Token":"B`), 1)
			}
			k.openStore()
			k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(store.DomainKeys, r) }))
			k.close()
		},
		"no root key": func() { k.must(os.Rename(rootKeyFile(k.dir), rootKeyFile(k.dir)+"-away")) },
	} {
		damage()
		if r, err := k.rotateRoot(""); err == nil {
			t.Errorf("%s: got %+v, want an error", name, r)
		}
		if _, err := os.Stat(rootKeyFile(k.dir) + "-away"); err == nil {
			k.must(os.Rename(rootKeyFile(k.dir)+"-away", rootKeyFile(k.dir)))
		}
		k.openStore()
		k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(store.DomainKeys, whole) }))
		k.close()
	}
	if left, _ := filepath.Glob(rootKeyFile(k.dir) + ".*"); len(left) > 0 {
		t.Errorf("got %q left behind", left)
	}
	k.open()
	k.check()
}
