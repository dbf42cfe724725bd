// Package diskstore keeps the sealed blobs of package s3 as files on a local disk.
//
//	DIR/staging/<id>          being written, or committed and not yet published
//	DIR/objects/<ab>/<id>     published; ab are the first two digits of the id
//
// An id is 32 random hexadecimal digits. No part of a path ever comes from a
// client, so that there is nothing for a path trick to act on; that all access
// goes through a durable.Root is the second lock on the same door.
package diskstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/s3"
)

const (
	staging  = "staging"
	objects  = "objects"
	idBytes  = 16
	idDigits = 2 * idBytes
)

// Store implements [s3.ObjectStore] in a directory. It is safe for concurrent
// use by one process; the caller keeps other processes out.
type Store struct {
	root durable.Root

	mu sync.Mutex // held during the sync in settle
	// settled are the directories of which it is known that no removal waits
	// for a sync: by an earlier process, or after a sync that failed.
	settled map[string]bool
}

// Open opens the store in dir, and makes the directory and the 256 below it
// when they are not there, so that publishing a blob never has to make one. It
// syncs all that it may find there unsynced: the process before may have been
// killed in the middle.
func Open(dir string) (*Store, error) { return OpenOn(nil, dir) }

// OpenOn is [Open] on another file system than the machine's.
func OpenOn(fsys durable.FS, dir string) (*Store, error) {
	on := durable.On(fsys)
	for _, d := range []string{staging, objects} {
		if err := on.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			return nil, fmt.Errorf("opening object store: %w", err)
		}
	}
	root, err := on.FS().OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening object store: %w", err)
	}
	s := &Store{root: root, settled: map[string]bool{}}
	if err := errors.Join(s.makeShards(), s.settle(staging)); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("opening object store: %w", err)
	}
	return s, nil
}

func (s *Store) makeShards() error {
	for i := range 256 {
		if err := s.root.Mkdir(fmt.Sprintf("%s/%02x", objects, i), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return s.syncDir(objects)
}

// Close releases the directory. Blobs that are open stay readable.
func (s *Store) Close() error { return s.root.Close() }

// Open implements [s3.ObjectStore].
func (s *Store) Open(_ context.Context, id string) (s3.Blob, error) {
	if !validID(id) {
		return nil, fmt.Errorf("opening blob: %w", s3.ErrNoBlob)
	}
	for _, name := range Places(id) {
		f, err := s.root.OpenFile(name, os.O_RDONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("opening blob %s: %w", id, err)
		}
		info, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("opening blob %s: %w", id, err)
		}
		return blob{f, info.Size()}, nil
	}
	return nil, fmt.Errorf("opening blob %s: %w", id, s3.ErrNoBlob)
}

// Remove implements [s3.ObjectStore]. The removal is durable when it returns:
// the caller then forgets the id, and a file that a power cut brought back
// would stay for good.
func (s *Store) Remove(_ context.Context, id string) error {
	if !validID(id) {
		return fmt.Errorf("removing blob: %w", s3.ErrNoBlob)
	}
	// Staging first: a Publish at the same time has linked the blob to its
	// place before, and that name goes next, or finds nothing to link.
	for _, dir := range []string{staging, shardOf(id)} {
		err := s.root.Remove(dir + "/" + id)
		switch {
		case err == nil:
			if err = s.syncDir(dir); err != nil {
				s.unsettle(dir)
			}
		case errors.Is(err, fs.ErrNotExist): // since when?
			err = s.settle(dir)
		}
		if err != nil {
			return fmt.Errorf("removing blob %s: %w", id, err)
		}
	}
	return nil
}

// blob is an open file with its size as it was then: what is committed does not
// change. Whoever wants more of the file than a File has asks File for it.
type blob struct {
	durable.File
	size int64
}

func (b blob) Size() int64 { return b.size }

func newID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return hex.EncodeToString(b[:])
}

func validID(id string) bool {
	if len(id) != idDigits {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func stagingOf(id string) string { return staging + "/" + id }

func shardOf(id string) string { return objects + "/" + id[:2] }

func placeOf(id string) string { return shardOf(id) + "/" + id }

func (s *Store) syncDir(name string) error { return durable.SyncDirIn(s.root, name) }

// settle makes removals from dir durable that nobody has synced.
func (s *Store) settle(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled[dir] {
		return nil
	}
	err := s.syncDir(dir)
	s.settled[dir] = err == nil
	return err
}

// unsettle says that a removal from dir was made and could not be synced.
func (s *Store) unsettle(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled[dir] = false
}

// noSpace gives a full disk the name that package s3 knows.
func noSpace(err error) error {
	if durable.IsDiskFull(err) {
		return fmt.Errorf("%w: %w", s3.ErrNoSpace, err)
	}
	return err
}
