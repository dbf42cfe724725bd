package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// trimAlways trims the change feed again and again, for tests of what a crash
// leaves of it.
func trimAlways(ctx context.Context, s *Server) {
	for often := time.NewTicker(5 * time.Millisecond); ; { // and leave some of the machine to the load
		select {
		case <-ctx.Done():
			return
		case <-often.C:
		}
		if err := s.trimChanges(ctx, 1); err != nil && ctx.Err() == nil {
			println("trimming: " + err.Error())
		}
	}
}

// TestKillWhileTrimming is TestKill with a change feed that keeps what it must
// and no more: nothing that the trail lacks may have been trimmed.
func TestKillWhileTrimming(t *testing.T) {
	t.Setenv(trimEnv, "1")
	dir := killRounds(t, 8)
	st, err := sqlite.OpenReadOnly(t.Context(), databasePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	first, err := firstChange(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	last, err := st.LastSeq(t.Context())
	if err != nil || first < last/2 {
		t.Errorf("got changes %d to %d (%v), want most of them trimmed", first, last, err)
	}
}

// feed returns the positions of the first and last change of a directory.
func feed(t *testing.T, st *store.Store) (first, last int64) {
	t.Helper()
	first, err := firstChange(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	if last, err = st.LastSeq(t.Context()); err != nil {
		t.Fatal(err)
	}
	return first, last
}

func TestTrimChanges(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir, DurableAudit: true})
	c := client(t, s.Endpoint(), dir, 1)
	for range 10 {
		if _, err := c.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.kms.ListKeys(t.Context(), &awskms.ListKeysInput{}); err != nil { // waits for the disk
		t.Fatal(err)
	}
	_, last := feed(t, s.store)
	if err := s.trimChanges(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if first, _ := feed(t, s.store); first != 1 {
		t.Errorf("keeping everything: got the feed from %d on, want 1", first)
	}
	lock, err := durable.Share(backup.LockPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.trimChanges(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if first, _ := feed(t, s.store); first != 1 {
		t.Errorf("during a backup: got the feed from %d on, want 1", first)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.trimChanges(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if first, now := feed(t, s.store); first != last-5+1 || now != last {
		t.Errorf("keeping five: got changes %d to %d, want %d to %d", first, now, last-5+1, last)
	}
	if err := s.trimChanges(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if first, now := feed(t, s.store); first != s.trail.LastChange() || now != last {
		t.Errorf("got changes %d to %d, want them from the trail's last, %d", first, now, s.trail.LastChange())
	}
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Error(err)
	}
	stop()
	s, stop = start(t, Config{DataDir: dir})
	c = client(t, s.Endpoint(), dir, 1)
	keys, err := c.kms.ListKeys(t.Context(), &awskms.ListKeysInput{})
	if err != nil || len(keys.Keys) != 10 {
		t.Errorf("got %v, %v after a start on a trimmed feed, want 10 keys", keys, err)
	}
	known := s.trail.LastChange()
	stop()

	// Records that the database has handed over are missed when they go.
	pieces, err := audit.Cut(AuditDir(dir), known-1)
	if err != nil {
		t.Fatal(err)
	}
	end := pieces[len(pieces)-1]
	if err := os.Truncate(filepath.Join(AuditDir(dir), end.Name), end.Size); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyAudit(t.Context(), dir); err == nil {
		t.Error("audit verify found nothing missing")
	} else if _, ok := errors.AsType[*TrailCutError](err); !ok {
		t.Errorf("got %v, want a *TrailCutError", err)
	}
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0"}
	if s, err := New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "its end was cut off") {
		if err == nil {
			_ = s.Close()
		}
		t.Errorf("got %v, want a start refused", err)
	}
	cfg.NewTrail = true
	_, stop = start(t, cfg)
	stop()
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Errorf("after --new-trail: %v", err)
	}
}
