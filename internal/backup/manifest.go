package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// The manifest is JSON in lines: a header, a line for every file in the order
// of their paths, and an end with the sums of both. It is drawn in
// docs/formats/backup.md. A backup has it last, so one without is incomplete.
const (
	manifestName = "manifest.jsonl"
	manifestPart = manifestName + ".partial"
	formatNumber = 1
	maxLine      = 1 << 20 // bytes; the header's is the longest and far shorter
)

// Errors of a backup that is read.
var (
	// ErrIncomplete says that a directory holds no complete backup.
	ErrIncomplete = errors.New("it is no complete backup")
	// ErrDamaged says that a backup is not what was written.
	ErrDamaged = errors.New("damaged backup")
	// ErrNewer says that a newer release has made the backup.
	ErrNewer = errors.New("the backup was made by a newer release")
)

// Header is what a backup says of itself.
type Header struct {
	Format       int       `json:"strongroomBackup"` // 1
	Time         time.Time `json:"time"`             // of the snapshot, UTC
	Installation string    `json:"installation"`     // whose data it is; tells twins
	Generation   string    `json:"generation,omitempty"`
	Host         string    `json:"host,omitempty"`      // name of the machine it was taken on
	Endpoints    []string  `json:"endpoints,omitempty"` // where its server listens, or listened last
	Release      string    `json:"release,omitempty"`   // of the program that made it
	Schema       int       `json:"schema"`              // version of the database's schema
	RootKeyID    string    `json:"rootKeyId"`           // of the root key that opens it, which is not in it
	LastChange   int64     `json:"lastChange"`          // where the database's change feed ends
	Rows         int64     `json:"rows"`                // of documents in the database
}

// File is one file of a backup.
type File struct {
	Path   string `json:"path"`             // in the backup, with slashes
	Size   int64  `json:"size"`             // bytes
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	// Missing says that the source lacked the file, which holds an object's
	// bytes, when the backup was made.
	Missing bool `json:"missing,omitempty"`
}

// Totals is the sum of a backup's files.
type Totals struct {
	Files   int64 `json:"files"` // without those that are missing
	Bytes   int64 `json:"bytes"`
	Missing int64 `json:"missing,omitempty"`
}

func (t *Totals) add(f File) {
	if f.Missing {
		t.Missing++
		return
	}
	t.Files++
	t.Bytes += f.Size
}

// ending is the last line.
type ending struct {
	End    bool   `json:"end"` // true
	SHA256 string `json:"sha256"`
	Totals
}

// pathForm is what a backup can hold, and nothing else is ever written from
// one: a manifest cannot name a place outside the directory.
var pathForm = regexp.MustCompile(`^(audit/segment-[0-9]{12,18}\.log|objects/objects/([0-9a-f]{2})/([0-9a-f]{32})|strongroom\.db)$`)

const databaseName = "strongroom.db"

func (f File) check() error {
	m := pathForm.FindStringSubmatch(f.Path)
	sum, err := hex.DecodeString(f.SHA256)
	switch {
	case m == nil, m[3] != "" && m[3][:2] != m[2]:
		return fmt.Errorf("%q is no path of a backup", f.Path)
	case f.Missing && (f.SHA256 != "" || f.Size != 0 || m[3] == ""):
		return fmt.Errorf("%s cannot be missing like that", f.Path)
	case f.Missing:
		return nil
	case f.Size < 0 || err != nil || len(sum) != sha256.Size:
		return fmt.Errorf("%s has no size or no sum", f.Path)
	}
	return nil
}

// isBlob reports whether the file holds an object's bytes, and which.
func (f File) isBlob() (id string, ok bool) {
	m := pathForm.FindStringSubmatch(f.Path)
	if m == nil || m[3] == "" {
		return "", false
	}
	return m[3], true
}

// manifestWriter writes a manifest under another name until finish.
type manifestWriter struct {
	dir    string
	file   *os.File
	buf    *bufio.Writer
	sum    hash.Hash
	last   string
	totals Totals
}

// newManifest claims the directory: of two backups into one, the second gets
// fs.ErrExist.
func newManifest(dir string) (*manifestWriter, error) {
	f, err := os.OpenFile(filepath.Join(dir, manifestPart), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &manifestWriter{dir: dir, file: f, buf: bufio.NewWriterSize(f, 64<<10), sum: sha256.New()}, nil
}

func (w *manifestWriter) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	w.sum.Write(b)
	_, err = w.buf.Write(b)
	return err
}

func (w *manifestWriter) add(f File) error {
	if f.Path <= w.last {
		return fmt.Errorf("%s comes after %s", f.Path, w.last)
	}
	if err := f.check(); err != nil {
		return err
	}
	w.last = f.Path
	w.totals.add(f)
	return w.line(f)
}

// finish writes the end, brings the manifest to the disk and gives it its name.
func (w *manifestWriter) finish() error {
	sum := hex.EncodeToString(w.sum.Sum(nil))
	err := w.line(ending{End: true, SHA256: sum, Totals: w.totals})
	if err == nil {
		err = w.buf.Flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.close()); err != nil {
		return err
	}
	return durable.Rename(filepath.Join(w.dir, manifestPart), filepath.Join(w.dir, manifestName))
}

func (w *manifestWriter) close() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}

// Manifest is a manifest that was read to its end and found whole.
type Manifest struct {
	Header
	Totals
	dir string
}

// ReadManifest reads the manifest of the backup in dir and checks it against
// itself; the files are for Verify. Errors to test for: [ErrIncomplete],
// [ErrDamaged], [ErrNewer].
func ReadManifest(dir string) (*Manifest, error) {
	m := &Manifest{dir: dir}
	for _, err := range m.read(true) {
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// All yields the backup's files in the order of their paths. An error, of
// reading or [ErrDamaged], is the last thing yielded.
func (m *Manifest) All() iter.Seq2[File, error] { return m.read(false) }

// read yields the files and, at the end, checks the sums; with fill it notes
// header and totals.
func (m *Manifest) read(fill bool) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		f, err := os.Open(filepath.Join(m.dir, manifestName))
		if errors.Is(err, fs.ErrNotExist) {
			yield(File{}, m.incomplete())
			return
		}
		if err != nil {
			yield(File{}, err)
			return
		}
		defer f.Close()
		h, t, err := parseManifest(f, func(f File) bool { return yield(f, nil) })
		if err == errStopped {
			return
		}
		if err != nil {
			yield(File{}, fmt.Errorf("%s: %w", filepath.Join(m.dir, manifestName), err))
			return
		}
		if fill {
			m.Header, m.Totals = h, t
		}
	}
}

// incomplete says why there is no manifest.
func (m *Manifest) incomplete() error {
	if _, err := os.Stat(m.dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(m.dir, manifestPart)); err == nil {
		return fmt.Errorf("%s: %w: it was interrupted, or is still being made", m.dir, ErrIncomplete)
	}
	return fmt.Errorf("%s: %w: it has no %s", m.dir, ErrIncomplete, manifestName)
}

var errStopped = errors.New("stopped")

// parseManifest gives the files of a manifest to visit, which can stop it, and
// returns its header and totals.
func parseManifest(r io.Reader, visit func(File) bool) (h Header, t Totals, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	lines.Split(wholeLines)
	sum := sha256.New()
	last, ended := "", false
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		damaged := func(why any) error { return fmt.Errorf("%w: line %d: %v", ErrDamaged, n, why) }
		switch {
		case ended:
			return h, t, damaged("it comes after the end")
		case n == 1:
			if err := parseHeader(line, &h); err != nil {
				if errors.Is(err, ErrNewer) {
					return h, t, err
				}
				return h, t, damaged(err)
			}
		case bytes.HasPrefix(line, []byte(`{"end":`)):
			var e ending
			if err := parseLine(line, &e); err != nil {
				return h, t, damaged(err)
			}
			if got := hex.EncodeToString(sum.Sum(nil)); !e.End || e.SHA256 != got || e.Totals != t {
				return h, t, damaged("the end does not agree with what is before it")
			}
			ended = true
		default:
			var f File
			err := parseLine(line, &f)
			if err == nil {
				err = f.check()
			}
			if err == nil && f.Path <= last {
				err = fmt.Errorf("%s is out of order", f.Path)
			}
			if err != nil {
				return h, t, damaged(err)
			}
			last = f.Path
			t.add(f)
			if !visit(f) {
				return h, t, errStopped
			}
		}
		sum.Write(line)
		sum.Write([]byte{'\n'})
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return h, t, fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return h, t, err
	}
	if !ended || last != databaseName { // which is the last in order
		return h, t, fmt.Errorf("%w: it ends in the middle", ErrDamaged)
	}
	return h, t, nil
}

// wholeLines splits at line feeds and takes nothing else off. A last line
// without one was cut.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("%w: it ends in the middle", ErrDamaged)
	}
	return 0, nil, nil
}

func parseHeader(line []byte, h *Header) error {
	var format struct {
		Format int `json:"strongroomBackup"`
	}
	if err := json.Unmarshal(line, &format); err != nil {
		return err
	}
	switch {
	case format.Format < 1:
		return errors.New("it is no header of a backup")
	case format.Format > formatNumber:
		return fmt.Errorf("%w: its format is %d and this one knows up to %d", ErrNewer, format.Format, formatNumber)
	}
	if err := parseLine(line, h); err != nil {
		return err
	}
	if h.Installation == "" || h.RootKeyID == "" || h.Schema < 1 || h.LastChange < 0 || h.Rows < 0 {
		return errors.New("the header has values that are never written")
	}
	return nil
}

// parseLine takes a line only in the one spelling that is written.
func parseLine(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, line) {
		return errors.New("it is not as it was written")
	}
	return nil
}
