package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/durable"
)

// copyBuffer is how much is read at once, in bytes.
const copyBuffer = 1 << 20

// copyFile copies the first size bytes of from into a new file to with
// permissions 0600, brings them to the disk and returns their SHA-256 in
// hexadecimal. The entry in to's directory is for the caller to sync. A source
// that is shorter is io.ErrUnexpectedEOF.
func copyFile(from *os.File, to string, size int64) (_ string, err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum, err := digest(from, f, size)
	if err != nil {
		return "", err
	}
	return sum, f.Sync()
}

// digest reads size bytes of r, writes them to w and returns their SHA-256.
func digest(r io.Reader, w io.Writer, size int64) (string, error) {
	h := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(h, w)}, struct{ io.Reader }{io.LimitReader(r, size)}, make([]byte, min(copyBuffer, size+1)))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// openRegular opens a file that is no link, device or pipe.
func openRegular(root *os.Root, path string) (*os.File, int64, error) {
	info, err := root.Lstat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", path)
	}
	f, err := root.Open(path)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// directories makes the directories of a copy, each once and with its parents
// below root, and syncs them all at the end: what is copied into them is
// complete by then.
type directories struct {
	root string
	made map[string]bool
	all  []string // parents first
}

func (d *directories) make(dir string) error {
	if dir == d.root || d.made[dir] {
		return nil
	}
	if err := d.make(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if d.made == nil {
		d.made = map[string]bool{}
	}
	d.made[dir] = true
	d.all = append(d.all, dir)
	return nil
}

func (d *directories) sync() error {
	for i := len(d.all) - 1; i >= 0; i-- {
		if err := durable.SyncDir(d.all[i]); err != nil {
			return err
		}
	}
	return durable.SyncDir(d.root)
}
