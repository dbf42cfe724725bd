package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/store"
)

// A blob's row says whether anything refers to the blob. The transaction that
// stops referring to it turns the row from live to doomed; the collector then
// removes the file, and the row after it. A crash in between only repeats work.
const (
	blobLive   = "live"
	blobDoomed = "doomed"
)

const (
	publishQueue = 256 // committed blobs that wait to be moved to their place
	collectBatch = 128 // doomed blobs, parts or uploads per transaction

	backupPause = 5 * time.Second // until the collector looks again whether a backup has ended
)

// errBackup says that blobs must stay where they are: a backup may be copying them.
var errBackup = errors.New("a backup is running")

// always is Config.MayRemove where nobody takes backups.
func always() (done func() error, ok bool, err error) { return func() error { return nil }, true, nil }

// readers keeps blobs in place while somebody reads them. A reader looks up
// the record and pins its blobs inside enter and leave; a collector that has
// listed doomed blobs first waits for all who entered before: whoever enters
// later no longer finds a record that refers to them.
type readers struct {
	wake func() // when a pin that stood in the collector's way is gone

	entering sync.RWMutex // read-locked from look-up to pin

	mu      sync.Mutex // guards what follows; taken last
	pins    map[string]int
	blocked bool // the collector met a pin
}

func (r *readers) enter() { r.entering.RLock() }
func (r *readers) leave() { r.entering.RUnlock() }

// barrier returns when everyone who had entered has left.
func (r *readers) barrier() {
	r.entering.Lock()
	defer r.entering.Unlock()
}

// pin holds ids until the returned function is called.
func (r *readers) pin(ids []string) (unpin func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pins == nil {
		r.pins = map[string]int{}
	}
	for _, id := range ids {
		r.pins[id]++
	}
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, id := range ids {
			if r.pins[id]--; r.pins[id] == 0 {
				delete(r.pins, id)
			}
		}
		if r.blocked {
			r.blocked = false
			r.wake()
		}
	})
}

func (r *readers) pinned(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pins[id] == 0 {
		return false
	}
	r.blocked = true
	return true
}

// wakeCollector never blocks: one wake-up waiting is as good as many.
func (s *Service) wakeCollector() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// publish hands a committed blob to the collector, or moves it here when the
// queue is full. The object is readable either way.
func (s *Service) publish(id string) {
	select {
	case s.publishes <- id:
	default:
		s.publishNow(context.Background(), id)
	}
}

// publishNow logs a failure and goes on: the blob is durable where it is, and
// the next start moves it.
func (s *Service) publishNow(ctx context.Context, id string) {
	err := s.objects.Publish(ctx, id)
	// A blob may have been overwritten and collected since.
	if err != nil && !errors.Is(err, ErrNoBlob) {
		s.log.Error("publishing blob", "blob", id, "error", err)
	}
}

func (s *Service) collect(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-s.publishes:
			s.publishNow(ctx, id)
		case <-again:
			again = nil
			s.wakeCollector()
		case <-s.wake:
			err := s.workOff(ctx)
			removed := s.removeDoomed(ctx)
			if errors.Is(removed, errBackup) {
				removed, again = nil, time.After(backupPause)
			}
			if err = errors.Join(err, removed); err != nil && ctx.Err() == nil {
				s.log.Error("collecting what nothing refers to", "error", err)
			}
		}
	}
}

// removeDoomed removes every doomed blob that nobody reads. One that cannot be
// removed does not keep the others. The error is errBackup when a backup keeps
// them all.
func (s *Service) removeDoomed(ctx context.Context) error {
	failed, first := 0, error(nil)
	outcome := func(err error) error {
		if failed > 0 {
			err = errors.Join(err, fmt.Errorf("%d blobs cannot be removed, the first: %w", failed, first))
		}
		return err
	}
	q := store.Query{Ref: blobDoomed, Limit: collectBatch}
	for ctx.Err() == nil {
		rows, full, err := s.readable(ctx, store.Blobs, q)
		if err != nil || len(rows) == 0 {
			return outcome(err)
		}
		q.After = rows[len(rows)-1].Key
		done, ok, err := s.mayRemove()
		if err != nil || !ok {
			return outcome(cmp.Or(err, errBackup))
		}
		n, why, err := s.removeBatch(ctx, rows)
		failed, first = failed+n, cmp.Or(first, why)
		if err = errors.Join(err, done()); err != nil || !full {
			return outcome(err)
		}
	}
	return outcome(ctx.Err())
}

// removeBatch removes the files of doomed blobs, and then their rows. It
// returns how many files could not be removed, and why the first could not.
func (s *Service) removeBatch(ctx context.Context, rows []store.Row) (failed int, first, err error) {
	s.readers.barrier()
	var removed []store.Row
	for _, row := range rows {
		if ctx.Err() != nil {
			break
		}
		if s.readers.pinned(row.Key) {
			continue
		}
		if err := s.objects.Remove(ctx, row.Key); err != nil {
			failed, first = failed+1, cmp.Or(first, err)
			continue
		}
		removed = append(removed, row)
	}
	// A stop in between would leave rows of files that are gone, until the next start.
	return failed, first, s.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		for _, row := range removed {
			if err := tx.DeleteUnlogged(store.Blobs, row.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rows of blobs are bookkeeping: they change with an object's row, which is in
// the feed.

func putBlob(tx *store.Tx, id string) error {
	return tx.PutUnlogged(store.Blobs, store.Row{Key: id, Ref: blobLive})
}

func doomBlob(tx *store.Tx, id string) error {
	return tx.PutUnlogged(store.Blobs, store.Row{Key: id, Ref: blobDoomed})
}
