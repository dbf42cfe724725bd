package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/backup"
)

// refused starts a server that must be refused because of a twin.
func refused(t *testing.T, cfg Config, want string) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	s, err := New(t.Context(), cfg)
	if err == nil {
		_ = s.Close()
	}
	if _, ok := errors.AsType[*TwinError](err); !ok || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want a *TwinError with %q", err, want)
	}
}

func events(t *testing.T, dir, name string) (n int) {
	t.Helper()
	for e, err := range audit.Entries(AuditDir(dir)) {
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(e.Record), `"eventName":"`+name+`"`)
	}
	return n
}

// The id is made once and stays, and no copy of the directory is served beside it.
func TestInstallation(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	first := s.installation.doc
	h, err := askHealth(t.Context(), s.Endpoint())
	if err != nil || h.Installation != first.ID || len(first.ID) != 32 || h.Generation != "" {
		t.Errorf("got %+v, %v of /_/health, want installation %s", h, err, first.ID)
	}
	stop()
	copied := filepath.Join(t.TempDir(), "copied")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s, stop = start(t, Config{DataDir: dir})
	if got := s.installation.doc; got.ID != first.ID || !got.Made.Equal(first.Made) {
		t.Errorf("got %+v at the second start, want %+v", got, first)
	}
	cfg := Config{DataDir: copied, RootKeyFile: RootKeyFile(dir)}
	refused(t, cfg, "by process")
	cfg.BesideTwin = true
	_, stopTwin := start(t, cfg)
	stopTwin()
	if got := events(t, copied, "StartBesideTwin"); got != 1 {
		t.Errorf("got %d records of the start beside a twin, want 1", got)
	}
	stop()
	cfg.BesideTwin = false
	_, stopTwin = start(t, cfg) // alone now
	refused(t, Config{DataDir: dir}, "by process")
	stopTwin()
	// Killed, a server takes the name with it.
	child := startChild(t, dir)
	refused(t, cfg, "by process")
	child.kill(t)
	_, stopTwin = start(t, cfg)
	stopTwin()
}

// TestRestoredAsksItsSource has another machine's server played by one that
// gives its answers: the name on this machine is free.
func TestRestoredAsksItsSource(t *testing.T) {
	dir, dest := sourceOf(t)
	m, err := backup.ReadManifest(dest)
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	serve := func(w http.ResponseWriter, r *http.Request) { answer(w, r) }
	plain := httptest.NewServer(http.HandlerFunc(serve))
	defer plain.Close()
	secured := httptest.NewTLSServer(http.HandlerFunc(serve))
	defer secured.Close()
	gone := httptest.NewServer(http.HandlerFunc(serve))
	gone.Close()
	write := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	twin := `{"status":"ok","installation":"` + m.Installation + `"}`
	for _, tt := range []struct {
		name      string
		endpoints []string
		answer    http.HandlerFunc
		twin      string // in the refusal; empty: none
	}{
		{"the twin", []string{plain.URL}, write(twin), "at " + plain.URL},
		{"the twin over TLS that nobody vouches for", []string{secured.URL}, write(twin), "at " + secured.URL},
		{"the twin behind others", []string{gone.URL, plain.URL}, write(twin), "at " + plain.URL},
		{"the twin refusing work", []string{plain.URL}, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			write(twin)(w, r)
		}, "at " + plain.URL},
		{"another installation", []string{plain.URL}, write(`{"status":"ok","installation":"0"}`), ""},
		{"a server of something else", []string{plain.URL}, write("<html>"), ""},
		{"an endless answer", []string{plain.URL}, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, ""},
		{"nobody", []string{gone.URL}, nil, ""},
		{"no endpoint", nil, nil, ""},
		{"a bad endpoint", []string{"::"}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			restored := filepath.Join(t.TempDir(), "restored")
			cfg := Config{DataDir: restored, RootKeyFile: RootKeyFile(dir)}
			if _, _, err := Restore(t.Context(), RestoreConfig{Source: dest, DataDir: restored, RootKeyFile: cfg.RootKeyFile}); err != nil {
				t.Fatal(err)
			}
			remark(t, restored, tt.endpoints)
			answer = tt.answer
			if tt.twin != "" {
				refused(t, cfg, tt.twin)
				cfg.BesideTwin = true
			}
			mark, err := backup.ReadMark(restored)
			if err != nil || mark == nil {
				t.Fatalf("got mark %v, %v before the first start that worked", mark, err)
			}
			s, stop := start(t, cfg)
			if got := s.installation.doc; got.ID != m.Installation || got.Generation != mark.Generation {
				t.Errorf("got %+v, want installation %s in generation %s", got, m.Installation, mark.Generation)
			}
			stop()
			if left, err := backup.ReadMark(restored); err != nil || left != nil {
				t.Errorf("got mark %v, %v after the first start, want none", left, err)
			}
			cfg.BesideTwin = false
			_, stop = start(t, cfg) // nobody is asked any more
			stop()
			if got := events(t, restored, "StartRestored"); got != 1 {
				t.Errorf("got %d records of the first start, want 1", got)
			}
		})
	}
}

// remark puts other endpoints into the mark of a restored directory.
func remark(t *testing.T, dir string, endpoints []string) {
	t.Helper()
	m, err := backup.ReadMark(dir)
	if err != nil {
		t.Fatal(err)
	}
	m.Endpoints = endpoints
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
}

// A first start that dies between its two steps is finished by the next.
func TestFirstStartDiesInTheMiddle(t *testing.T) {
	dir, dest := sourceOf(t)
	restored := filepath.Join(t.TempDir(), "restored")
	cfg := Config{DataDir: restored, RootKeyFile: RootKeyFile(dir)}
	if _, _, err := Restore(t.Context(), RestoreConfig{Source: dest, DataDir: restored, RootKeyFile: cfg.RootKeyFile}); err != nil {
		t.Fatal(err)
	}
	mark, err := backup.ReadMark(restored)
	if err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, cfg)
	stop()
	if err := mark.Write(restored); err != nil { // as if it had not been removed
		t.Fatal(err)
	}
	s, stop := start(t, cfg)
	if s.installation.doc.Generation != mark.Generation {
		t.Errorf("got generation %s, want %s", s.installation.doc.Generation, mark.Generation)
	}
	stop()
	if got := events(t, restored, "StartRestored"); got != 1 {
		t.Errorf("got %d records of the first start, want 1", got)
	}
	mark.Installation = strings.Repeat("0", 32)
	if err := mark.Write(restored); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "of another installation") {
		t.Errorf("got %v for the mark of another installation, want it refused", err)
	}
}

func TestAskHealthGivesUp(t *testing.T) {
	stuck := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	defer s.Close()
	defer close(stuck)
	if _, err := askHealth(t.Context(), s.URL); err == nil {
		t.Error("got an answer of a server that gives none")
	}
}
