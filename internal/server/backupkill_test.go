package server

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/s3/diskstore"
	"github.com/strongroom/strongroom/internal/store"
)

// backupEnv makes the test binary a backup of this data directory into
// backupDestEnv, or, with restoreKeyEnv, a restore of it into there, that stops
// for ever after its first two files.
const (
	backupEnv     = "STRONGROOM_TEST_BACKUP"
	backupDestEnv = "STRONGROOM_TEST_BACKUP_DEST"
	restoreKeyEnv = "STRONGROOM_TEST_RESTORE_KEY"
)

func backupAndStop(from, to string) {
	stop := func(t backup.Totals) {
		if t.Files == 2 {
			println("stopped")
			select {}
		}
	}
	if key := os.Getenv(restoreKeyEnv); key != "" {
		_, _, _ = Restore(context.Background(), RestoreConfig{Source: from, DataDir: to, RootKeyFile: key, Progress: stop})
	} else {
		_, _ = Backup(context.Background(), BackupConfig{DataDir: from, Dest: to, Progress: stop})
	}
	os.Exit(1) // it did not get that far
}

// startStopped runs backupAndStop in a process of its own until it has stopped.
func startStopped(t *testing.T, from, to, restoreKey string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), backupEnv+"="+from, backupDestEnv+"="+to, restoreKeyEnv+"="+restoreKey)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "stopped" { // the log comes the same way
	}
	if lines.Text() != "stopped" {
		t.Fatal("the process ended by itself")
	}
	return kill
}

// TestKilledRestore kills a restore in the middle: there is no data directory,
// and the next restore makes it.
func TestKilledRestore(t *testing.T) {
	dir, dest := sourceOf(t)
	restored := filepath.Join(t.TempDir(), "restored")
	startStopped(t, dest, restored, RootKeyFile(dir))()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(restored), "*"))
	if err != nil || len(left) != 1 || !strings.HasPrefix(left[0], restored+".restoring-") {
		t.Errorf("got %q (%v) left, want one directory that says what it was to be", left, err)
	}
	if _, err := New(t.Context(), Config{DataDir: left[0], RootKeyFile: RootKeyFile(dir), Listen: "127.0.0.1:0"}); err == nil {
		t.Error("half of a backup was served")
	}
	cfg := Config{DataDir: restored, RootKeyFile: RootKeyFile(dir)}
	if _, _, err := Restore(t.Context(), RestoreConfig{Source: dest, DataDir: restored, RootKeyFile: cfg.RootKeyFile}); err != nil {
		t.Fatal(err)
	}
	_, _ = start(t, cfg)
}

// TestKilledBackup kills a backup in the middle. While it ran nothing that it
// might need went away; afterwards it holds up nothing, and what it left is no
// backup.
func TestKilledBackup(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	defer stop()
	w := &world{objects: map[string]*object{}, requests: map[string]string{}}
	cl := client(t, s.Endpoint(), dir, 1)
	bucket := aws.String(killBucket)
	if _, err := cl.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := w.write(t.Context(), cl, name, "content ", 100_000, false); err != nil {
			t.Fatal(err)
		}
	}
	dest := filepath.Join(t.TempDir(), "backup")
	kill := startStopped(t, dir, dest, "")

	// Everything is deleted, and the server killed and started, in a manner of
	// speaking: Recover runs as at a start. The files stay.
	for _, name := range []string{"a", "b", "c"} {
		if _, err := cl.s3.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: bucket, Key: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.s3.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	doomed, err := s.store.List(t.Context(), store.Blobs, store.Query{Ref: "doomed", Limit: 10})
	if err != nil || len(doomed) != 3 {
		t.Fatalf("got %d doomed blobs, %v, want 3", len(doomed), err)
	}
	for _, b := range doomed {
		if !hasBlob(t, dir, b.Key) {
			t.Errorf("blob %s went away under a backup", b.Key)
		}
	}
	if _, ok, err := s.whileNoBackup(); ok || err != nil {
		t.Errorf("got %v, %v of the lock during a backup, want it refused", ok, err)
	}

	kill()
	for _, b := range doomed {
		for hasBlob(t, dir, b.Key) { // until the collector looks again
			if _, err := cl.s3.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: bucket}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := VerifyBackup(t.Context(), VerifyConfig{Source: dest}); !errors.Is(err, backup.ErrIncomplete) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v, want %v", err, backup.ErrIncomplete)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if _, _, err := Restore(t.Context(), RestoreConfig{Source: dest, DataDir: restored, RootKeyFile: RootKeyFile(dir)}); !errors.Is(err, backup.ErrIncomplete) {
		t.Errorf("got %v, want %v", err, backup.ErrIncomplete)
	}
	if _, err := Backup(t.Context(), BackupConfig{DataDir: dir, Dest: dest}); err == nil {
		t.Error("a backup over the rest of another worked")
	}
	if _, err := Backup(t.Context(), BackupConfig{DataDir: dir, Dest: dest + "-2"}); err != nil {
		t.Error(err)
	}
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

func hasBlob(t *testing.T, dir, id string) bool {
	t.Helper()
	for _, place := range diskstore.Places(id) {
		_, err := os.Stat(filepath.Join(objectsDir(dir), place))
		if err == nil {
			return true
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return false
}
