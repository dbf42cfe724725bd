package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/durable"
)

// createSegment makes a segment that has only its header, durably.
func createSegment(files durable.Files, path string, header []byte) error {
	err := files.CreateFile(path, header, 0o600)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// An attempt before this one came so far and then failed, at the
	// directory's sync for one. The lock keeps every other writer away.
	there, readErr := files.ReadFile(path)
	if readErr != nil {
		return readErr
	}
	if !bytes.Equal(there, header) {
		return fmt.Errorf("beginning an audit segment: %w", err)
	}
	return files.SyncDir(filepath.Dir(path))
}

// openForWriting opens a segment to add to it.
func openForWriting(files durable.Files, path string) (durable.File, error) {
	return files.FS().OpenFile(path, os.O_RDWR, 0)
}
