// Package backup copies a data directory while its server runs, checks such a
// copy, and puts it back. It is about files; what they say of custody it asks
// its caller for, and it never sees a key.
//
//	DEST/audit/segment-….log     the trail up to the snapshot
//	DEST/objects/objects/ab/…    every blob that the snapshot refers to
//	DEST/strongroom.db           the snapshot of the database
//	DEST/manifest.jsonl          written last: docs/formats/backup.md
//
// Every file but the last has the place it has in a data directory.
//
// A backup is one moment of the database. Blobs are immutable, and while the
// lock of the backup is shared none is removed. The trail is cut before the
// first change that the snapshot does not have: what it may lack of changes up
// to there is in the snapshot's change feed, from which the next start of a
// server appends it. So the trail never is ahead of the database, which a
// server would refuse.
//
// The snapshot comes first and the trail after it, not the other way round: a
// trail that was copied first would lack the records of all calls that changed
// nothing and came while it was being copied.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/diskstore"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// LockPath returns the path of a data directory's backup lock: shared by
// backups, taken alone by whoever removes blobs, changes or segments.
func LockPath(dataDir string) string { return filepath.Join(dataDir, "backup.lock") }

// listBatch is how many rows are held in memory at once.
const listBatch = 1000

// Config says what to copy and where to.
type Config struct {
	DataDir string // with a database in it; a server may run there
	Dest    string // a new directory, or an empty one
	// Previous is an earlier backup of the same installation. A file that it
	// has is not copied but linked, where the file system can. Empty: none.
	Previous string
	// Describe fills in what the snapshot says of itself: Installation,
	// Generation and RootKeyID.
	Describe  func(ctx context.Context, snapshot *store.Store, h *Header) error
	Endpoints []string
	Release   string
	Progress  func(Totals) // is told how much there is so far; nil: nobody
}

// Summary is what a backup has.
type Summary struct {
	Header
	Totals
	Blobs  int64 // files of objects' bytes
	Linked int64 // files that are shared with the previous backup
}

// Create makes a backup. When it fails, what is in Dest has no manifest and is
// no backup; nothing in the data directory has changed in any case.
func Create(ctx context.Context, cfg Config) (s Summary, err error) {
	if err := prepare(cfg.Dest); err != nil {
		return s, err
	}
	lock, err := durable.Share(LockPath(cfg.DataDir))
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, lock.Close()) }()
	case !errors.Is(err, syscall.EROFS): // where nobody can remove anything either
		return s, err
	}
	c := &copying{cfg: cfg, dirs: directories{root: filepath.Clean(cfg.Dest)}}
	if c.previous, err = openPrevious(cfg.Previous); err != nil {
		return s, err
	}
	defer c.previous.close()
	if c.manifest, err = newManifest(cfg.Dest); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("another backup into %s runs, or was interrupted: name a new directory", cfg.Dest)
		}
		return s, err
	}
	defer func() { err = errors.Join(err, c.manifest.close()) }()
	if err := c.run(ctx); err != nil {
		return s, err
	}
	c.summary.Totals = c.manifest.totals
	return c.summary, nil
}

// prepare makes the directory, and refuses one that has something in it.
func prepare(dest string) error {
	entries, err := os.ReadDir(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return durable.Mkdir(dest, 0o700)
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: a backup needs a new directory", dest)
	}
	return nil
}

// copying is one backup being made.
type copying struct {
	cfg      Config
	dirs     directories
	manifest *manifestWriter
	previous *previous
	summary  Summary
}

func (c *copying) run(ctx context.Context) error {
	database := filepath.Join(c.cfg.Dest, databaseName)
	c.summary.Time = time.Now().UTC().Truncate(time.Second)
	if err := sqlite.Snapshot(ctx, filepath.Join(c.cfg.DataDir, databaseName), database); err != nil {
		return err
	}
	st, err := sqlite.OpenReadOnly(ctx, database)
	if err != nil {
		return err
	}
	err = c.fill(ctx, st)
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	if err := c.database(database); err != nil {
		return err
	}
	if err := c.dirs.sync(); err != nil {
		return err
	}
	return c.manifest.finish()
}

// fill copies what goes with the snapshot st.
func (c *copying) fill(ctx context.Context, st *store.Store) error {
	// A copy of what is damaged would only be found out when it is needed.
	if err := st.Check(ctx); err != nil {
		return fmt.Errorf("the database is damaged, and so would the backup be: %w", err)
	}
	h := &c.summary.Header
	h.Format, h.Endpoints, h.Release = formatNumber, c.cfg.Endpoints, c.cfg.Release
	h.Host, _ = os.Hostname() // only for people to read
	var err error
	if h.Schema, err = st.SchemaVersion(ctx); err != nil {
		return err
	}
	if h.LastChange, err = st.LastSeq(ctx); err != nil {
		return err
	}
	if h.Rows, err = st.Count(ctx); err != nil {
		return err
	}
	if err := c.cfg.Describe(ctx, st, h); err != nil {
		return err
	}
	if p := c.previous; p != nil && p.manifest.Installation != h.Installation {
		return fmt.Errorf("%s is a backup of another installation", c.cfg.Previous)
	}
	if err := c.manifest.line(*h); err != nil {
		return err
	}
	if err := c.trail(ctx, h.LastChange); err != nil {
		return err
	}
	return c.blobs(ctx, st)
}

// trail copies the trail up to the change.
func (c *copying) trail(ctx context.Context, through int64) error {
	from, to := filepath.Join(c.cfg.DataDir, "audit"), filepath.Join(c.cfg.Dest, "audit")
	pieces, err := audit.Cut(from, through)
	if err != nil {
		return fmt.Errorf("%w; `strongroom audit verify` says more", err)
	}
	if err := c.dirs.make(to); err != nil {
		return err
	}
	root, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range pieces {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, _, err := openRegular(root, p.Name)
		if err != nil {
			return err
		}
		err = c.file(f, "audit/"+p.Name, p.Size)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// blobs copies the files of every blob that the snapshot refers to.
func (c *copying) blobs(ctx context.Context, st *store.Store) error {
	root, err := os.OpenRoot(filepath.Join(c.cfg.DataDir, "objects"))
	if err != nil {
		return err
	}
	defer root.Close()
	if err := c.dirs.make(filepath.Join(c.cfg.Dest, "objects")); err != nil {
		return err
	}
	for after := ""; ; {
		ids, err := s3.LiveBlobs(ctx, st, after, listBatch)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.blob(root, id); err != nil {
				return err
			}
		}
		after = ids[len(ids)-1]
	}
}

// blob copies one blob. One that is not there is noted: it is lost already, and
// must not keep the others from being saved.
func (c *copying) blob(root *os.Root, id string) error {
	places := diskstore.Places(id)
	if places == nil {
		return fmt.Errorf("the database has a blob %q, which is no id", id)
	}
	path := "objects/" + places[0]
	for _, place := range places {
		f, size, err := openRegular(root, place)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := c.dirs.make(filepath.Join(c.cfg.Dest, filepath.Dir(path))); err != nil {
			return errors.Join(err, f.Close())
		}
		c.summary.Blobs++
		return errors.Join(c.file(f, path, size), f.Close())
	}
	return c.manifest.add(File{Path: path, Missing: true})
}

// file puts the first size bytes of from into the backup at path: a link to
// the file of the previous backup when that has it, else a copy. Blobs are
// immutable, and one is known by its name; a segment is known by its content.
func (c *copying) file(from *os.File, path string, size int64) error {
	want := ""
	if _, blob := (File{Path: path}).isBlob(); !blob && c.previous.has(path, size) {
		var err error
		if want, err = digest(from, io.Discard, size); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if _, err := from.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	sum, linked, err := c.previous.link(path, size, want, filepath.Join(c.cfg.Dest, path))
	if err != nil {
		return err
	}
	if linked {
		c.summary.Linked++
	} else if sum, err = copyFile(from, filepath.Join(c.cfg.Dest, path), size); err != nil {
		return fmt.Errorf("copying %s: %w", path, err)
	}
	return c.add(File{Path: path, Size: size, SHA256: sum})
}

// database adds the snapshot, which is there already.
func (c *copying) database(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	sum, err := digest(f, io.Discard, info.Size())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return c.add(File{Path: databaseName, Size: info.Size(), SHA256: sum})
}

func (c *copying) add(f File) error {
	if err := c.manifest.add(f); err != nil {
		return err
	}
	if c.cfg.Progress != nil {
		c.cfg.Progress(c.manifest.totals)
	}
	return nil
}
