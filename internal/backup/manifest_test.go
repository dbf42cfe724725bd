package backup

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	testHeader = Header{
		Format: formatNumber, Time: time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC), Installation: "1f", Host: "a<b>&c\u2028",
		Endpoints: []string{"http://127.0.0.1:8650"}, Schema: 1, RootKeyID: "10", LastChange: 7, Rows: 9,
	}
	testSum   = strings.Repeat("0a", 32)
	testFiles = []File{
		{Path: "audit/segment-000000000001.log", Size: 64, SHA256: testSum},
		{Path: "objects/objects/ab/ab" + strings.Repeat("0", 30), Size: 0, SHA256: testSum},
		{Path: "objects/objects/ac/ac" + strings.Repeat("0", 30), Missing: true},
		{Path: "strongroom.db", Size: 4096, SHA256: testSum},
	}
)

// writeTest writes a manifest into a new directory and returns its bytes.
func writeTest(t testing.TB, h Header, files ...File) (dir string, b []byte) {
	t.Helper()
	dir = t.TempDir()
	w, err := newManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.line(h); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := w.add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(filepath.Join(dir, manifestName)); err != nil {
		t.Fatal(err)
	}
	return dir, b
}

func TestManifest(t *testing.T) {
	dir, b := writeTest(t, testHeader, testFiles...)
	m, err := ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Installation != testHeader.Installation || m.Host != testHeader.Host || m.LastChange != 7 || (m.Totals != Totals{Files: 3, Bytes: 4160, Missing: 1}) {
		t.Errorf("got %+v, want %+v", m, testHeader)
	}
	var got []File
	for f, err := range m.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if len(got) != len(testFiles) {
		t.Fatalf("got %d files, want %d", len(got), len(testFiles))
	}
	for i := range got {
		if got[i] != testFiles[i] {
			t.Errorf("got %+v, want %+v", got[i], testFiles[i])
		}
	}
	// No bit and no length but the one that was written is taken.
	check := func(what string, at int, b []byte) {
		t.Helper()
		if _, _, err := parseManifest(bytes.NewReader(b), func(File) bool { return true }); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Errorf("%s %d: got %v, want %v", what, at, err, ErrDamaged)
		}
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			check("flipped in byte", i, b)
			b[i] ^= 1 << bit
		}
		check("cut to", i, b[:i])
	}
	check("with a byte more than", len(b), append(bytes.Clone(b), '\n'))
	check("twice, from", len(b), append(bytes.Clone(b), b...))
	// Nor is a manifest under its unfinished name.
	if err := os.Rename(filepath.Join(dir, manifestName), filepath.Join(dir, manifestPart)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadManifest(dir); !errors.Is(err, ErrIncomplete) {
		t.Errorf("got %v, want %v", err, ErrIncomplete)
	}
	if _, err := newManifest(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v for a second manifest beside it, want %v", err, fs.ErrExist)
	}
}

// A manifest names only places of a backup, in order and once.
func TestManifestRefuses(t *testing.T) {
	blob := func(shard, id string) string { return "objects/objects/" + shard + "/" + id }
	id := "ab" + strings.Repeat("0", 30)
	for _, tt := range []struct {
		name string
		file File
	}{
		{"absolute", File{Path: "/etc/passwd", SHA256: testSum}},
		{"above", File{Path: "../x", SHA256: testSum}},
		{"above in the middle", File{Path: "audit/../../x", SHA256: testSum}},
		{"the mark", File{Path: "restored.json", SHA256: testSum}},
		{"the lock", File{Path: "lock", SHA256: testSum}},
		{"staging", File{Path: "objects/staging/" + id, SHA256: testSum}},
		{"a log of the database", File{Path: "strongroom.db-wal", SHA256: testSum}},
		{"a blob elsewhere", File{Path: blob("cd", id), SHA256: testSum}},
		{"a blob in capitals", File{Path: blob("AB", "AB"+id[2:]), SHA256: testSum}},
		{"a line feed", File{Path: "strongroom.db\n", SHA256: testSum}},
		{"empty", File{SHA256: testSum}},
		{"a size below zero", File{Path: "strongroom.db", Size: -1, SHA256: testSum}},
		{"no sum", File{Path: "strongroom.db"}},
		{"a short sum", File{Path: "strongroom.db", SHA256: testSum[2:]}},
		{"a database that is missing", File{Path: "strongroom.db", Missing: true}},
		{"missing with a size", File{Path: blob("ab", id), Missing: true, Size: 1}},
	} {
		w, err := newManifest(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.add(tt.file); err == nil {
			t.Errorf("%s: written", tt.name)
		}
		if err := w.close(); err != nil {
			t.Error(err)
		}
		if err := tt.file.check(); err == nil {
			t.Errorf("%s: read", tt.name)
		}
	}
	w, err := newManifest(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close() }()
	for _, step := range []struct {
		file int
		ok   bool
	}{{1, true}, {1, false}, {0, false}, {3, true}} {
		if err := w.add(testFiles[step.file]); (err == nil) != step.ok {
			t.Errorf("adding file %d: got %v, want success %v", step.file, err, step.ok)
		}
	}
}

func TestManifestOfNewerRelease(t *testing.T) {
	h := testHeader
	h.Format = formatNumber + 1
	dir, _ := writeTest(t, h, testFiles...)
	if _, err := ReadManifest(dir); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v, want %v", err, ErrNewer)
	}
}

// FuzzManifest: what is taken is what would be written.
func FuzzManifest(f *testing.F) {
	_, b := writeTest(f, testHeader, testFiles...)
	f.Add(b)
	_, b = writeTest(f, testHeader)
	f.Add(b)
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"strongroomBackup":1}` + "\n" + `{"end":true}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var files []File
		h, totals, err := parseManifest(bytes.NewReader(b), func(f File) bool {
			files = append(files, f)
			return true
		})
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Fatalf("got %v, want %v", err, ErrDamaged)
			}
			return
		}
		_, again := writeTest(t, h, files...)
		if !bytes.Equal(again, b) {
			t.Errorf("got\n%s\nwant\n%s", again, b)
		}
		var sum Totals
		for _, f := range files {
			sum.add(f)
		}
		if sum != totals {
			t.Errorf("got totals %+v, want %+v", totals, sum)
		}
	})
}
