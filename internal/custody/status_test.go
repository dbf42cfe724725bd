package custody

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

func TestInspect(t *testing.T) {
	k := newKit(t)
	k.put(3)
	k.must(k.c.KeepSettings(t.Context()))
	look := func(check bool) Status {
		t.Helper()
		s, err := Inspect(t.Context(), k.cfg, check)
		k.must(err)
		return s
	}
	s := look(true)
	if s.Problems != nil || !s.Checked || len(s.Domains) != 2 || s.RootKey.ID != k.c.Module.RootKeyID() {
		t.Errorf("got %+v", s)
	}
	d := s.Domains[1]
	if d.Domain != region || len(d.Versions) != 1 || d.Versions[0].Tokens[store.KMSKeyTokens] != 3 || d.Versions[0].Tokens[store.InternalKeys] != 1 {
		t.Errorf("got %+v", d)
	}
	if want := k.now.Add(24 * time.Hour); !d.NextRotation.Equal(want) || !d.Requested.IsZero() {
		t.Errorf("got next rotation %v, requested %v, want %v", d.NextRotation, d.Requested, want)
	}

	k.request(region)
	if d := look(false).Domains[1]; !d.Requested.Equal(k.now) || !d.NextRotation.Equal(k.now) {
		t.Errorf("got %+v, want it requested", d)
	}
	k.c.cfg.step = func(name string) {
		if name != "installed" {
			return
		}
		d := look(true).Domains[1]
		if len(d.Versions) != 2 || d.Versions[0].Tokens[store.KMSKeyTokens] != 3 || len(d.Versions[1].Tokens) != 0 {
			t.Errorf("got %+v in the middle of a rotation, want all tokens under version 1", d)
		}
	}
	k.work()
	if d := look(true).Domains[1]; len(d.Versions) != 1 || d.Versions[0].Version != 2 || !d.Requested.IsZero() {
		t.Errorf("got %+v after the rotation", d)
	}

	// Without the root key it tells what it can.
	k.must(os.Rename(rootKeyFile(k.dir), rootKeyFile(k.dir)+"-away"))
	s = look(true)
	if s.Checked || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "is missing") || s.Domains[1].Versions[0].Tokens[store.KMSKeyTokens] != 3 {
		t.Errorf("got %+v without the root key", s)
	}
	k.must(os.Rename(rootKeyFile(k.dir)+"-away", rootKeyFile(k.dir)))

	// A token under a version that nobody has.
	r := k.row(store.KMSKeyTokens, region+"/key-0000")
	r.Doc[5] = 77
	k.overwrite(store.KMSKeyTokens, r)
	if s := look(false); len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "kms_key_tokens/"+r.Key) {
		t.Errorf("got %+v, want the row named", s)
	}
}

// TestInspectDuringRotations: a status that is taken while keys are rotated
// finds nothing wrong.
func TestInspectDuringRotations(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.put(100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 8 {
			err := k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return k.c.RequestRotation(tx, region) })
			if err := errors.Join(err, k.c.Work(t.Context())); err != nil {
				t.Error(err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s, err := Inspect(t.Context(), k.cfg, true)
		k.must(err)
		if s.Problems != nil {
			t.Errorf("got problems %q", s.Problems)
		}
	}
}

// TestBindingsOfInternalKeys: what makes a row of internal_keys and what
// re-wraps it agree.
func TestBindingsOfInternalKeys(t *testing.T) {
	k := newKit(t)
	for _, want := range []hsm.Binding{rowMACBinding, headerMACBinding, sessionBinding, recordBinding(region)} {
		got, err := internalTokens.Binding(nil, k.row(store.InternalKeys, InternalKeyRow(want)))
		if err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
}
