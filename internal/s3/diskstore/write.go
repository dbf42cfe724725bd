package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/s3"
)

// Create implements [s3.ObjectStore].
func (s *Store) Create(context.Context) (s3.BlobWriter, error) {
	id := newID()
	f, err := s.root.OpenFile(stagingOf(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating blob: %w", noSpace(err))
	}
	return &writer{store: s, file: f, id: id}, nil
}

// writebackStep is after how many bytes the kernel is told to begin writing:
// the sync of a long blob then waits for its last bytes alone, and not for all.
const writebackStep = 4 << 20

type writer struct {
	store   *Store
	file    durable.File // nil after Commit or Abort
	id      string
	size    int64 // written
	started int64 // of which the kernel was told
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if w.size += int64(n); w.size-w.started >= writebackStep {
		durable.StartWriteback(w.file, w.started, w.size-w.started)
		w.started = w.size
	}
	if err != nil {
		err = fmt.Errorf("writing blob %s: %w", w.id, noSpace(err))
	}
	return n, err
}

// Commit syncs the file, then the directory that names it: the id it returns
// is good after a power cut.
func (w *writer) Commit() (string, error) {
	if w.file == nil {
		return "", errors.New("diskstore: Commit after Commit or Abort")
	}
	err := w.file.Sync()
	if err == nil {
		err = w.file.Close()
	}
	if err == nil {
		err = w.store.syncDir(staging)
	}
	if err != nil {
		w.Abort()
		return "", fmt.Errorf("committing blob %s: %w", w.id, noSpace(err))
	}
	w.file = nil
	return w.id, nil
}

// Abort leaves nothing behind, unless the removal itself fails: then Recover
// finds a staged blob that no row knows, and removes it at the next start.
func (w *writer) Abort() {
	if w.file == nil {
		return
	}
	_ = w.file.Close()
	_ = w.store.root.Remove(stagingOf(w.id))
	w.file = nil
}

// Publish implements [s3.ObjectStore]. The blob gets its second name and that
// name is made durable before the first one goes, so that no order in which a
// file system may lose unsynced changes loses the blob.
func (s *Store) Publish(_ context.Context, id string) error {
	if !validID(id) {
		return fmt.Errorf("publishing blob: %w", s3.ErrNoBlob)
	}
	err := s.root.Link(stagingOf(id), placeOf(id))
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
	case errors.Is(err, fs.ErrNotExist):
		// Published before, unless it never was.
		if _, statErr := s.root.Stat(placeOf(id)); statErr != nil {
			return fmt.Errorf("publishing blob %s: %w", id, s3.ErrNoBlob)
		}
		return nil
	default:
		return fmt.Errorf("publishing blob %s: %w", id, noSpace(err))
	}
	if err := s.syncDir(shardOf(id)); err != nil {
		return fmt.Errorf("publishing blob %s: %w", id, err)
	}
	if err := s.root.Remove(stagingOf(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("publishing blob %s: %w", id, err)
	}
	return nil
}

// Recover implements [s3.ObjectStore]. Files whose name is no id are not ours
// and are left alone.
func (s *Store) Recover(ctx context.Context, live func(id string) (bool, error)) error {
	entries, err := s.root.ReadDir(staging)
	if err != nil {
		return fmt.Errorf("recovering object store: %w", err)
	}
	for _, e := range entries {
		id := e.Name()
		if !validID(id) {
			continue
		}
		keep, err := live(id)
		if err != nil {
			return fmt.Errorf("recovering blob %s: %w", id, err)
		}
		if keep {
			err = s.Publish(ctx, id)
		} else {
			err = s.Remove(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
