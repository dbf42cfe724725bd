package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/strongroom/strongroom/internal/store"
)

// accessWrite is W_OK of access(2).
const accessWrite = 2

// readMode is how a database can be opened to look at it.
func readMode(path string) (string, error) {
	if !errors.Is(syscall.Access(filepath.Dir(path), accessWrite), syscall.EROFS) {
		return "ro", nil
	}
	if log, err := os.Stat(path + logSuffix); err == nil && log.Size() > 0 {
		return "", fmt.Errorf("%s has changes in its log and is on a read-only file system: mount it writable, or look at a copy", path)
	}
	return immutable, nil
}

// OpenReadOnly opens a store to look at it, also while a server has it open. It
// never makes a database or changes its schema, and every Update fails. Errors
// to test for: fs.ErrNotExist, [store.ErrDamaged], [store.ErrOlderSchema].
//
// On a read-only file system the log must be empty, as a server leaves it that
// was stopped in order: reading a log takes a file of shared memory beside it.
func OpenReadOnly(ctx context.Context, path string) (*store.Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	d := dialect(path)
	mode, err := readMode(path)
	if err != nil {
		return nil, err
	}
	read, err := openReaders(path, mode, 2)
	if err != nil {
		return nil, d.Wrap(err)
	}
	if err := store.CheckSchema(ctx, read, d); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	// The store's writer gets connections that cannot write.
	write, err := openReaders(path, mode, 1)
	if err != nil {
		return nil, errors.Join(d.Wrap(err), read.Close())
	}
	s, err := store.New(ctx, store.Backend{Write: write, Read: read, Dialect: d})
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return s, nil
}
