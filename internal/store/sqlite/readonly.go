package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/store"
)

// OpenReadOnly opens a store to look at it, also while a server has it open. It
// never makes a database or changes its schema, and every Update fails. Errors
// to test for: fs.ErrNotExist, [store.ErrDamaged].
func OpenReadOnly(ctx context.Context, path string) (*store.Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	d := dialect(path)
	read, err := openReaders(path, 2)
	if err != nil {
		return nil, d.Wrap(err)
	}
	// The store's writer gets connections that cannot write.
	write, err := openReaders(path, 1)
	if err != nil {
		return nil, errors.Join(d.Wrap(err), read.Close())
	}
	s, err := store.New(ctx, store.Backend{Write: write, Read: read, Dialect: d})
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return s, nil
}
