package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// Custody checks what only keys can tell: that every authority row, token and
// record in the database opens, and what it says of the blobs in objectsDir.
// Faults of single objects it reports to fault.
type Custody func(ctx context.Context, st *store.Store, objectsDir string, fault func(error)) error

// Report is what was found in a backup.
type Report struct {
	Manifest
	Records int // in the trail
	Faults  Faults
}

// Faults are what is wrong with single objects: bytes that are lost or damaged.
// The rest of a backup is good without them.
type Faults struct {
	Count int
	First []error // the first ten
}

func (f *Faults) add(err error) {
	if f.Count++; len(f.First) < 10 {
		f.First = append(f.First, err)
	}
}

// Err is nil when there are none.
func (f *Faults) Err() error {
	if f.Count == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d faults in objects, the first: %w", ErrDamaged, f.Count, f.First[0])
}

// Verify examines the backup in dir and changes nothing: the size and SHA-256
// of every file; the database with every row's checksum; the trail's chain, and
// that it is not ahead of the database; that the blobs are those the database
// refers to; and what custody, which may be nil, checks. What is wrong with
// single objects is in the report, anything else is the error. Errors to test
// for: [ErrIncomplete], [ErrDamaged], [ErrNewer].
func Verify(ctx context.Context, dir string, custody Custody, progress func(Totals)) (r Report, err error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return r, err
	}
	r.Manifest = *m
	e := examination{manifest: m, custody: custody, progress: progress, report: &r}
	if err := e.files(ctx, nil); err != nil {
		return r, err
	}
	database := filepath.Join(dir, databaseName)
	if m.Schema < store.CurrentSchema() {
		// An older schema is brought up to date in a copy.
		scratch, mkErr := os.MkdirTemp("", "strongroom-verify-*")
		if mkErr != nil {
			return r, mkErr
		}
		defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
		if database, err = upToDate(ctx, database, scratch); err != nil {
			return r, err
		}
	}
	return r, e.structure(ctx, dir, database)
}

// upToDate copies a database into the directory and brings its schema up to date.
func upToDate(ctx context.Context, database, dir string) (string, error) {
	to := filepath.Join(dir, databaseName)
	if err := sqlite.Snapshot(ctx, database, to); err != nil {
		return "", err
	}
	return to, migrate(ctx, to)
}

func migrate(ctx context.Context, database string) error {
	st, err := sqlite.Open(ctx, sqlite.Config{Path: database, MustExist: true})
	if err != nil {
		return err
	}
	return st.Close()
}

// examination looks through one backup.
type examination struct {
	manifest *Manifest
	custody  Custody
	progress func(Totals)
	report   *Report
}

// files reads every file and compares it with the manifest. With a target it
// copies them there on the way, damaged objects too.
func (e *examination) files(ctx context.Context, target *directories) error {
	if e.manifest.Schema > store.CurrentSchema() {
		return fmt.Errorf("%w: its database has schema %d and this one knows up to %d", ErrNewer, e.manifest.Schema, store.CurrentSchema())
	}
	root, err := os.OpenRoot(e.manifest.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var done Totals
	for f, err := range e.manifest.All() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		wrong, err := e.file(root, f, target)
		if err != nil {
			return err
		}
		if _, blob := f.isBlob(); wrong != nil && blob {
			e.report.Faults.add(wrong)
		} else if wrong != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, wrong)
		}
		if done.add(f); e.progress != nil {
			e.progress(done)
		}
	}
	return nil
}

// file compares one file. Wrong is what is wrong with it; err is why it could
// not be read or copied.
func (e *examination) file(root *os.Root, f File, target *directories) (wrong, err error) {
	name := filepath.Join(e.manifest.dir, f.Path)
	if f.Missing {
		return fmt.Errorf("%s was missing when the backup was made", f.Path), nil
	}
	from, size, err := openRegular(root, f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", name), nil
	}
	if err != nil {
		return nil, err
	}
	defer from.Close()
	if size != f.Size {
		wrong = fmt.Errorf("%s has %d bytes, and had %d", name, size, f.Size)
		if _, blob := f.isBlob(); target == nil || !blob {
			return wrong, nil
		}
	}
	var sum string
	if target == nil {
		sum, err = digest(from, io.Discard, size)
	} else {
		to := filepath.Join(target.root, f.Path)
		if err := target.make(filepath.Dir(to)); err != nil {
			return nil, err
		}
		sum, err = copyFile(from, to, size)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if wrong == nil && sum != f.SHA256 {
		wrong = fmt.Errorf("%s does not have the content it was written with", name)
	}
	return wrong, nil
}

// structure checks how the files in dir go together; database is that of dir,
// or a copy with today's schema.
func (e *examination) structure(ctx context.Context, dir, database string) (err error) {
	st, err := sqlite.OpenReadOnly(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.Check(ctx); err != nil {
		return err
	}
	last, err := st.LastSeq(ctx)
	if err != nil {
		return err
	}
	if last != e.manifest.LastChange {
		return fmt.Errorf("%w: the database ends at change %d, and ended at %d", ErrDamaged, last, e.manifest.LastChange)
	}
	trail, err := audit.Verify(filepath.Join(dir, "audit"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if trail.LastChange > last || trail.TornBytes > 0 {
		return fmt.Errorf("%w: the trail goes on to change %d after the end of the database at %d, or ends in the middle of a record", ErrDamaged, trail.LastChange, last)
	}
	first, err := st.Changes(ctx, 0, 1)
	if err != nil {
		return err
	}
	if len(first) > 0 && first[0].Seq > max(1, trail.LastChange) {
		return fmt.Errorf("%w: the trail ends at change %d, and the database begins at %d", ErrDamaged, trail.LastChange, first[0].Seq)
	}
	e.report.Records = trail.Records
	if err := e.blobs(ctx, st); err != nil {
		return err
	}
	if e.custody == nil {
		return nil
	}
	return e.custody(ctx, st, filepath.Join(dir, "objects"), e.report.Faults.add)
}

// blobs compares the blobs of the manifest with those that the database refers
// to. Both are in order.
func (e *examination) blobs(ctx context.Context, st *store.Store) error {
	after, ids := "", []string(nil)
	next := func() (string, error) {
		if len(ids) == 0 {
			var err error
			if ids, err = s3.LiveBlobs(ctx, st, after, listBatch); err != nil || len(ids) == 0 {
				return "", err
			}
		}
		after, ids = ids[0], ids[1:]
		return after, nil
	}
	for f, err := range e.manifest.All() {
		if err != nil {
			return err
		}
		id, ok := f.isBlob()
		if !ok {
			continue
		}
		want, err := next()
		if err != nil {
			return err
		}
		if id != want {
			return fmt.Errorf("%w: the manifest has blob %s where the database refers to %q", ErrDamaged, id, want)
		}
	}
	if rest, err := next(); err != nil || rest != "" {
		return errors.Join(err, fmt.Errorf("%w: the database refers to blob %q, which the manifest lacks", ErrDamaged, rest))
	}
	return nil
}

// syncTree makes everything in the directory's own entries durable.
func syncTree(d *directories) error {
	if err := d.sync(); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(d.root))
}
