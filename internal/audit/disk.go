package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/durable"
)

// file is a segment open for writing. It is an interface so that tests can
// make it fail as disks do.
type file interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error // the data and the size, as fdatasync(2)
}

// disk makes and opens segments.
type disk interface {
	// create makes a segment that has only its header, durably.
	create(path string, header []byte) error
	// open opens a segment for writing.
	open(path string) (file, error)
}

// osDisk is the real disk.
type osDisk struct{}

func (osDisk) create(path string, header []byte) error {
	err := durable.CreateFile(path, header, 0o600)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// An attempt before this one came so far and then failed, at the
	// directory's sync for one. The lock keeps every other writer away.
	there, readErr := os.ReadFile(path)
	if readErr != nil {
		return readErr
	}
	if !bytes.Equal(there, header) {
		return fmt.Errorf("beginning an audit segment: %w", err)
	}
	return durable.SyncDir(filepath.Dir(path))
}

func (osDisk) open(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// osFile is a real file whose Sync leaves out what fdatasync(2) leaves out.
type osFile struct{ *os.File }

func (f osFile) Sync() error { return dataSync(f.File) }
