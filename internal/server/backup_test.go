package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestBackupUnderLoad takes backups while a server in another process makes
// keys and writes, replaces and deletes objects. Each backup is restored and
// served, and has what was acknowledged before it began.
func TestBackupUnderLoad(t *testing.T) {
	backups := 2
	if os.Getenv("STRONGROOM_TEST_LONG") != "" {
		backups = 10
	}
	dir := dataDirIn(t)
	server := startChild(t, dir)
	cl := client(t, server.endpoint, dir, 1)
	if _, err := cl.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(killBucket)}); err != nil {
		t.Fatal(err)
	}
	l := &backupLoad{world: world{objects: map[string]*object{}, requests: map[string]string{}}, cl: cl}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l.start(ctx, t)
	previous := ""
	for i := range backups {
		l.await(t, 30)
		before := l.look()
		dest := filepath.Join(t.TempDir(), "backup")
		s, err := Backup(t.Context(), BackupConfig{DataDir: dir, Dest: dest, Previous: previous})
		if err != nil {
			t.Fatal(err)
		}
		if s.Missing > 0 || previous != "" && s.Linked == 0 {
			t.Errorf("got %d blobs missing and %d files shared, want none and some", s.Missing, s.Linked)
		}
		after := l.look()
		previous = dest
		restored := filepath.Join(t.TempDir(), "restored")
		r, found, err := Restore(t.Context(), RestoreConfig{Source: dest, DataDir: restored, RootKeyFile: RootKeyFile(dir), VerifyObjects: true})
		if err != nil {
			t.Fatal(err)
		}
		if r.Faults.Count > 0 {
			t.Errorf("got faults %v", r.Faults.First)
		}
		if found.Keys < len(before.keys) {
			t.Errorf("got %d keys examined, want at least %d", found.Keys, len(before.keys))
		}
		l.checkRestored(t, dir, restored, before, after)
		t.Logf("backup %d: %d rows, %d blobs, %d bytes, %d files shared; %d keys and %d objects before it",
			i+1, s.Rows, s.Blobs, s.Bytes, s.Linked, len(before.keys), len(before.objects))
	}
	stop()
	l.done.Wait()
	server.stop(t)
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Errorf("the source after it all: %v", err)
	}
}

// backupLoad is clients that write, and what they know.
type backupLoad struct {
	world
	cl    clients
	done  sync.WaitGroup
	acked atomic.Int64
}

// seen is what was known at one moment.
type seen struct {
	keys    []killKey
	objects map[string]string // by name: what was written once
	acked   map[string]int    // by name: number of the last acknowledged write of one that changes
	begun   map[string]int    // and of the last one that may have been under way
}

func (l *backupLoad) start(ctx context.Context, t *testing.T) {
	work := func(f func(n int) error) {
		l.done.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				if err := f(n); err != nil {
					if ctx.Err() == nil {
						t.Errorf("under a backup: %v", err)
					}
					return
				}
				l.acked.Add(1)
			}
		})
	}
	work(func(n int) error { return l.makeKey(ctx, l.cl, fmt.Sprintf("alias/b-%d", n)) })
	work(func(n int) error {
		name := fmt.Sprintf("once/%d", n)
		return l.write(ctx, l.cl, name, fmt.Sprintf("written once %d. ", n), 1000*n%150_000, n%2 == 0)
	})
	for i := range 2 { // the same name again and again, and deleted now and then (see write)
		work(func(n int) error {
			return l.write(ctx, l.cl, fmt.Sprintf("churn/%d", i), fmt.Sprintf("write %d ", n), 40_000, i == 1)
		})
	}
	work(func(n int) error { return l.writeParts(ctx, l.cl, "churn/parts", fmt.Sprintf("parts %d ", n)) })
}

// await waits until n more calls were acknowledged.
func (l *backupLoad) await(t *testing.T, n int64) {
	t.Helper()
	for want := l.acked.Load() + n; l.acked.Load() < want; {
		if t.Failed() {
			t.FailNow()
		}
		if _, err := l.cl.s3.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: aws.String(killBucket)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *backupLoad) look() seen {
	s := seen{objects: map[string]string{}, acked: map[string]int{}, begun: map[string]int{}}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.keys {
		s.keys = append(s.keys, killKey{id: k.id})
	}
	for name, o := range l.objects {
		o.mu.Lock()
		switch {
		case strings.HasPrefix(name, "churn/"):
			s.acked[name] = numberIn(o.acked)
			s.begun[name] = max(numberIn(o.acked), numberIn(o.pending))
		case o.acked != "" && !o.inDoubt:
			s.objects[name] = o.acked
		}
		o.mu.Unlock()
	}
	return s
}

// churn is what write n of an object that changes writes.
func churn(name string, n int) string {
	if name == "churn/parts" {
		return fill(fmt.Sprintf("parts %d ", n), 5<<20) + fill(fmt.Sprintf("the end of parts %d ", n), 70_000)
	}
	return fill(fmt.Sprintf("write %d ", n), 40_000)
}

// numberIn returns the number of a write in what it wrote; 0 for a delete.
func numberIn(content string) (n int) {
	var word string
	_, _ = fmt.Sscan(content, &word, &n)
	return n
}

// checkRestored serves the restored directory beside its source, and reads
// everything back.
func (l *backupLoad) checkRestored(t *testing.T, source, dir string, before, after seen) {
	t.Helper()
	cfg := Config{DataDir: dir, RootKeyFile: RootKeyFile(source), BesideTwin: true}
	s, stop := start(t, cfg)
	cl := client(t, s.Endpoint(), source, 1) // under the source's credential
	for _, k := range before.keys {
		enc, err := cl.kms.Encrypt(t.Context(), &awskms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
		if err != nil {
			t.Errorf("key %s, acknowledged before the backup: %v", k.id, err)
			continue
		}
		// The source and the copy have the same keys.
		if _, err := l.cl.kms.Decrypt(t.Context(), &awskms.DecryptInput{CiphertextBlob: enc.CiphertextBlob}); err != nil {
			t.Errorf("key %s at the source: %v", k.id, err)
		}
	}
	for name, want := range before.objects {
		got, err := readObject(t.Context(), cl, name)
		if err != nil || got != want {
			t.Errorf("%s: got %d bytes (%v), want the %d acknowledged before the backup", name, len(got), err, len(want))
		}
	}
	for name, acked := range before.acked {
		got, err := readObject(t.Context(), cl, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n, begun := numberIn(got), after.begun[name]
		if begun == 0 { // it was being deleted
			begun = n
		}
		if got != "" && (n < acked || n > begun || got != churn(name, n)) {
			t.Errorf("%s: got %d bytes of write %d, want all of one from %d to %d", name, len(got), n, acked, begun)
		}
	}
	stop()
	for _, f := range Doctor(t.Context(), cfg) {
		if f.Err != nil {
			t.Errorf("doctor: %s: %v", f.Subject, f.Err)
		}
	}
	r, err := VerifyAudit(t.Context(), dir)
	if err != nil {
		t.Errorf("audit verify: %v", err)
	}
	if r.Records == 0 {
		t.Error("got no records in the restored trail")
	}
}

// sourceOf makes a stopped data directory with a bit of everything, and a backup of it.
func sourceOf(t *testing.T) (dir, dest string) {
	t.Helper()
	dir = dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	l := &backupLoad{world: world{objects: map[string]*object{}, requests: map[string]string{}}, cl: client(t, s.Endpoint(), dir, 1)}
	if _, err := l.cl.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(killBucket)}); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(
		l.makeKey(t.Context(), l.cl, "alias/a"),
		l.write(t.Context(), l.cl, "plain", "content ", 200_000, false),
		l.write(t.Context(), l.cl, "kms", "content ", 10, true),
		l.writeParts(t.Context(), l.cl, "parts", "part "),
	)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	dest = filepath.Join(t.TempDir(), "backup")
	if _, err := Backup(t.Context(), BackupConfig{DataDir: dir, Dest: dest}); err != nil {
		t.Fatal(err)
	}
	return dir, dest
}

// TestDamagedBackup changes one thing after the other in a backup. Each is
// found, by verify and by restore, and a restore that fails leaves nothing.
func TestDamagedBackup(t *testing.T) {
	dir, dest := sourceOf(t)
	flip := func(at func(size int64) int64) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[at(int64(len(b)))] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	middle := func(size int64) int64 { return size / 2 }
	cut := func(t *testing.T, path string) {
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()-1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	link := func(t *testing.T, path string) {
		remove(t, path)
		if err := os.Symlink(filepath.Join(dest, filepath.Base(path)), path); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		file   string // a pattern below the backup
		damage func(*testing.T, string)
		blob   bool // damage that --accept-faults accepts
	}{
		{"bit of the manifest's header", "manifest.jsonl", flip(func(int64) int64 { return 40 }), false},
		{"bit of the manifest's middle", "manifest.jsonl", flip(middle), false},
		{"bit of the manifest's end", "manifest.jsonl", flip(func(size int64) int64 { return size - 4 }), false},
		{"manifest cut", "manifest.jsonl", cut, false},
		{"manifest gone", "manifest.jsonl", remove, false},
		{"bit of the database", "strongroom.db", flip(middle), false},
		{"database cut", "strongroom.db", cut, false},
		{"database gone", "strongroom.db", remove, false},
		{"database a link", "strongroom.db", link, false},
		{"bit of a segment", "audit/segment-*", flip(middle), false},
		{"segment cut", "audit/segment-*", cut, false},
		{"segment gone", "audit/segment-*", remove, false},
		{"bit of a blob", "objects/objects/*/*", flip(middle), true},
		{"blob cut", "objects/objects/*/*", cut, true},
		{"blob gone", "objects/objects/*/*", remove, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := filepath.Join(t.TempDir(), "bad")
			if err := os.CopyFS(bad, os.DirFS(dest)); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(bad, tt.file))
			if err != nil || len(files) == 0 {
				t.Fatalf("got %q (%v), want files", files, err)
			}
			tt.damage(t, files[0])
			r, _, err := VerifyBackup(t.Context(), VerifyConfig{Source: bad})
			if err = errors.Join(err, r.Faults.Err()); err == nil {
				t.Error("verify found nothing")
			}
			restored := filepath.Join(t.TempDir(), "restored")
			cfg := RestoreConfig{Source: bad, DataDir: restored, RootKeyFile: RootKeyFile(dir)}
			if _, _, err := Restore(t.Context(), cfg); err == nil {
				t.Error("restore worked")
			}
			if left, err := os.ReadDir(filepath.Dir(restored)); err != nil || len(left) > 0 {
				t.Errorf("got %v (%v) after a restore that failed, want nothing", left, err)
			}
			cfg.AcceptFaults = true
			r, _, err = Restore(t.Context(), cfg)
			if tt.blob != (err == nil) || tt.blob != (r.Faults.Count > 0) {
				t.Errorf("accepting faults: got %v with %d faults, want success %v", err, r.Faults.Count, tt.blob)
			}
		})
	}
}

// TestForgedBackup changes rows as somebody does who can write to the backup
// and knows its formats: checksums and manifest fit. What the root key knows is
// found by restore; what it does not is in THREAT-MODEL.md.
func TestForgedBackup(t *testing.T) {
	dir, dest := sourceOf(t)
	for _, tt := range []struct {
		name, table string
		fn          func(*rawRow)
		want        string
	}{
		{"state of a key", "kms_keys", replaced(`"Enabled"`, `"Disabled"`), "changed outside the server"},
		{"alias", "kms_aliases", flipMAC, "changed outside the server"},
		{"account", "accounts", flipMAC, "changed outside the server"},
		{"access key", "access_keys", flipMAC, "changed outside the server"},
		{"bucket", "buckets", flipMAC, "changed outside the server"},
		{"key token", "kms_key_tokens", flipDoc, "does not authenticate"},
		{"the server's own key", "internal_keys", flipDoc, "does not authenticate"},
		{"object", "objects", flipAttributes, "1 faults in objects"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			forged := filepath.Join(t.TempDir(), "forged")
			if err := os.CopyFS(forged, os.DirFS(dest)); err != nil {
				t.Fatal(err)
			}
			changeAny(t, forged, tt.table, tt.fn)
			// A backup has the form of a data directory, so that a backup of
			// this one has a manifest that fits.
			if err := os.Remove(filepath.Join(forged, "manifest.jsonl")); err != nil {
				t.Fatal(err)
			}
			again := filepath.Join(t.TempDir(), "again")
			if _, err := Backup(t.Context(), BackupConfig{DataDir: forged, Dest: again}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := VerifyBackup(t.Context(), VerifyConfig{Source: again}); err != nil {
				t.Errorf("without the root key: got %v, want nothing found", err)
			}
			restored := filepath.Join(t.TempDir(), "restored")
			_, _, err := Restore(t.Context(), RestoreConfig{Source: again, DataDir: restored, RootKeyFile: RootKeyFile(dir)})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !IsBackupFault(err) {
				t.Errorf("got %v, want a fault with %q", err, tt.want)
			}
		})
	}
}

// flipAttributes changes a character of an object's sealed attributes.
func flipAttributes(r *rawRow) {
	i := bytes.Index(r.doc, []byte(`"attributes":"`)) + 50
	r.doc[i] = 'A' + 'B' - min(max(r.doc[i], 'A'), 'B') // B for A, A for any other
}

// changeAny changes the first row of a table that fn can change.
func changeAny(t *testing.T, dir, table string, fn func(*rawRow)) {
	t.Helper()
	db := openRaw(t, dir)
	var key string
	err := db.QueryRow("SELECT key FROM " + table + " ORDER BY key LIMIT 1").Scan(&key)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	change(t, dir, table, key, true, fn)
}

func TestRestoreWithAnotherRootKey(t *testing.T) {
	dir, dest := sourceOf(t)
	other := dataDirIn(t)
	_, stop := start(t, Config{DataDir: other})
	stop()
	restored := filepath.Join(t.TempDir(), "restored")
	_, _, err := Restore(t.Context(), RestoreConfig{Source: dest, DataDir: restored, RootKeyFile: RootKeyFile(other)})
	if err == nil || !strings.Contains(err.Error(), "holds root key") || IsBackupFault(err) {
		t.Errorf("got %v, want an error that names both root keys and blames neither", err)
	}
	if left, err := os.ReadDir(filepath.Dir(restored)); err != nil || len(left) > 0 {
		t.Errorf("got %v (%v) left, want nothing", left, err)
	}
	// The key may lie in neither of the two.
	inside := filepath.Join(dest, "root-key")
	if b, err := os.ReadFile(RootKeyFile(dir)); err != nil || os.WriteFile(inside, b, 0o600) != nil {
		t.Fatal(err)
	}
	if _, _, err := VerifyBackup(t.Context(), VerifyConfig{Source: dest, RootKeyFile: inside}); err == nil || !strings.Contains(err.Error(), "inside") {
		t.Errorf("got %v for a root key inside the backup, want it refused", err)
	}
}

// TestBackupOfLostBlob saves what is there, and says what is not.
func TestBackupOfLostBlob(t *testing.T) {
	dir, _ := sourceOf(t)
	files, err := filepath.Glob(filepath.Join(objectsDir(dir), "objects", "*", "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("got %q, %v", files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "backup")
	s, err := Backup(t.Context(), BackupConfig{DataDir: dir, Dest: dest})
	if err != nil || s.Missing != 1 || s.Blobs != int64(len(files)-1) {
		t.Errorf("got %d blobs and %d missing (%v), want %d and 1", s.Blobs, s.Missing, err, len(files)-1)
	}
	cfg := RestoreConfig{Source: dest, DataDir: filepath.Join(t.TempDir(), "restored"), RootKeyFile: RootKeyFile(dir)}
	if _, _, err := Restore(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "was missing when the backup was made") {
		t.Errorf("got %v, want what is missing", err)
	}
	cfg.AcceptFaults = true
	if _, _, err := Restore(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	_, _ = start(t, Config{DataDir: cfg.DataDir, RootKeyFile: cfg.RootKeyFile})
}
