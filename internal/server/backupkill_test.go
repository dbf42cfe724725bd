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
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/s3/diskstore"
	"github.com/strongroom/strongroom/internal/store"
)

// backupEnv makes the test binary a backup of this data directory into
// backupDestEnv that stops for ever after its first two files.
const (
	backupEnv     = "STRONGROOM_TEST_BACKUP"
	backupDestEnv = "STRONGROOM_TEST_BACKUP_DEST"
)

func backupAndStop(dir, dest string) {
	_, err := Backup(context.Background(), BackupConfig{DataDir: dir, Dest: dest, Progress: func(t backup.Totals) {
		if t.Files == 2 {
			println("stopped")
			select {}
		}
	}})
	println("the backup ended", err)
	os.Exit(1)
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
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), backupEnv+"="+dir, backupDestEnv+"="+dest)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "stopped\n" {
		t.Fatalf("got %q, %v from the backup", line, err)
	}

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

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
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
