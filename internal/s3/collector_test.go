package s3

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// openMAC seals nothing.
type openMAC struct{}

func (openMAC) MAC(...[]byte) []byte          { return make([]byte, 32) }
func (openMAC) Verify([]byte, ...[]byte) bool { return true }

// shelf is an object store that only removes.
type shelf struct {
	ObjectStore
	stuck   map[string]bool
	removed []string
}

func (s *shelf) Remove(_ context.Context, id string) error {
	if s.stuck[id] {
		return errors.New("stuck")
	}
	s.removed = append(s.removed, id)
	return nil
}

// ward is a service without its transport, keys and collector, over a real
// store: what the collector does is done step by step.
type ward struct {
	*Service
	t     *testing.T
	path  string // of the database
	shelf *shelf
}

func newWard(t *testing.T) *ward {
	path := filepath.Join(t.TempDir(), "store.db")
	st, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &ward{t: t, path: path, shelf: &shelf{stuck: map[string]bool{}}}
	w.start(st)
	return w
}

// start makes a new service that knows what is in the store and no more.
func (w *ward) start(st *store.Store) {
	w.Service = &Service{store: st, rowMAC: openMAC{}, objects: w.shelf, log: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1), mayRemove: always}
}

func (w *ward) update(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// upload puts the rows of an upload in a bucket, and of n parts.
func (w *ward) upload(b *bucketRecord, id string, n int) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		if _, err := tx.Put(store.Uploads, store.Row{Key: uploadRowKey(b.Name, "k", id), Ref: b.ID}); err != nil {
			return err
		}
		for i := range int32(n) {
			blob := fmt.Sprintf("%s-%05d", id, i+1)
			if err := putBlob(tx, blob); err != nil {
				return err
			}
			if _, err := tx.Put(store.Parts, store.Row{Key: partRowKey(id, i+1), Doc: []byte(`{"version":1,"blob":"` + blob + `"}`)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// rows are all rows of the tables that a deletion is about, with what they say.
func (w *ward) rows() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, t := range []store.Table{store.Uploads, store.Parts, store.Blobs} {
		rows, err := w.store.List(w.t.Context(), t, store.Query{Limit: 100_000})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rows {
			all[string(t)+" "+r.Key] = r.Ref + string(r.Doc)
		}
	}
	return all
}

// changed counts the rows that two states do not share.
func changed(a, b map[string]string) int {
	n := 0
	for k, v := range b {
		if was, ok := a[k]; !ok || was != v {
			n++
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			n++
		}
	}
	return n
}

func count(rows map[string]string, prefix string) int {
	n := 0
	for k := range rows {
		if strings.HasPrefix(k, prefix) {
			n++
		}
	}
	return n
}

func id43(c string) string { return strings.Repeat(c, 42) + "A" } // 32 bytes in base64url

const mostRows = 500 // that one transaction may change

// Letting go of a bucket with uploads, of an upload and of an object takes one
// row, however many parts there are; what follows is done in small
// transactions, between which others have their turn, and can stop after any.
func TestLettingGoIsShort(t *testing.T) {
	const uploads, parts = 3, 1500
	bucket := &bucketRecord{ID: strings.Repeat("1", 32), Name: "bucket"}
	for _, tt := range []struct {
		name  string
		let   func(w *ward, tx *store.Tx) error
		rows  int // that letting go may change
		parts int // that go in the end
	}{
		{"DeleteBucket", func(w *ward, tx *store.Tx) error { return w.deleteBucket(tx, bucket) }, 1, uploads * parts},
		{"an object of many parts", func(w *ward, tx *store.Tx) error {
			return w.doomObject(tx, &object{attrs: attributes{UploadID: id43("a")}})
		}, 1, parts},
		{"parts that Complete left out", func(w *ward, tx *store.Tx) error {
			var numbers []int32
			for i := range int32(700) {
				numbers = append(numbers, 2*i+1)
			}
			return entombParts(tx, id43("a"), numbers)
		}, 1, 700},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWard(t)
			w.update(func(tx *store.Tx) error {
				_, err := tx.Put(store.Buckets, store.Row{Key: bucket.Name, Doc: []byte(`{"id":"` + bucket.ID + `"}`)})
				return err
			})
			for _, c := range []string{"a", "b", "c"} {
				w.upload(bucket, id43(c), parts)
			}
			// Of a bucket of the same name that came later.
			later := &bucketRecord{ID: strings.Repeat("2", 32), Name: bucket.Name}
			w.upload(later, id43("d"), 10)
			before := w.rows()
			w.update(func(tx *store.Tx) error { return tt.let(w, tx) })
			now := w.rows()
			if n := changed(before, now); n > tt.rows {
				t.Fatalf("got %d rows changed by letting go, want at most %d", n, tt.rows)
			}
			steps := 0
			for {
				var key string
				for k := range now {
					if k, ok := strings.CutPrefix(k, "uploads ."); ok {
						key = "." + k
					}
				}
				if key == "" {
					break
				}
				if _, err := w.workOn(t.Context(), key); err != nil {
					t.Fatal(err)
				}
				next := w.rows()
				n := changed(now, next)
				if n == 0 || n > mostRows {
					t.Fatalf("got %d rows changed by one step, want 1 to %d", n, mostRows)
				}
				now = next
				if steps++; steps == 4 {
					w.start(w.store) // the server dies, and another comes
				}
			}
			if got, want := count(now, "parts "), uploads*parts+10-tt.parts; got != want {
				t.Errorf("got %d parts, want %d", got, want)
			}
			if got := count(now, "parts "+id43("d")); got != 10 || now["uploads "+uploadRowKey("bucket", "k", id43("d"))] != later.ID {
				t.Errorf("got %d parts of the later bucket, want its upload and 10", got)
			}
			if err := w.workOff(t.Context()); err != nil {
				t.Error(err)
			}
			if n := changed(now, w.rows()); n != 0 {
				t.Errorf("got %d rows changed when nothing is left to do", n)
			}
			if err := w.removeDoomed(t.Context()); err != nil {
				t.Error(err)
			}
			if got := len(w.shelf.removed); got != tt.parts {
				t.Errorf("got %d blobs removed, want %d", got, tt.parts)
			}
			if got, want := count(w.rows(), "blobs "), uploads*parts+10-tt.parts; got != want {
				t.Errorf("got %d blobs, want %d", got, want)
			}
		})
	}
}

// All parts of an upload go, also when some were about to.
func TestAllPartsTakeThePlaceOfSome(t *testing.T) {
	w := newWard(t)
	b := &bucketRecord{ID: strings.Repeat("1", 32), Name: "bucket"}
	w.upload(b, id43("a"), 400)
	numbers := slices.Collect(func(yield func(int32) bool) {
		for n := range int32(300) {
			if !yield(n + 1) {
				return
			}
		}
	})
	w.update(func(tx *store.Tx) error { return entombParts(tx, id43("a"), numbers) })
	if more, err := w.workOn(t.Context(), tombstoneParts+id43("a")); !more || err != nil {
		t.Fatalf("got %v, %v, want more to do", more, err)
	}
	w.update(func(tx *store.Tx) error { return entombParts(tx, id43("a"), nil) })
	if err := w.workOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := w.rows()
	delete(rows, "uploads "+uploadRowKey("bucket", "k", id43("a")))
	if count(rows, "parts ") != 0 || count(rows, "uploads ") != 0 {
		t.Errorf("got rows %v, want no part and no tombstone", slices.Sorted(maps.Keys(rows))[:5])
	}
	for k, v := range rows {
		if v != blobDoomed {
			t.Errorf("got %s %s, want it doomed", k, v)
		}
	}
}

// One blob that cannot be removed keeps no other.
func TestCollectorGoesOn(t *testing.T) {
	w := newWard(t)
	const n = 3 * collectBatch
	w.update(func(tx *store.Tx) error {
		for i := range n {
			if err := doomBlob(tx, fmt.Sprintf("%04d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	w.shelf.stuck["0001"], w.shelf.stuck["0300"] = true, true
	err := w.removeDoomed(t.Context())
	if err == nil || !strings.Contains(err.Error(), "2 blobs") {
		t.Errorf("got error %v, want one that counts 2 blobs", err)
	}
	if len(w.shelf.removed) != n-2 || count(w.rows(), "blobs ") != 2 {
		t.Errorf("got %d removed and %d rows left, want %d and 2", len(w.shelf.removed), count(w.rows(), "blobs "), n-2)
	}
	clear(w.shelf.stuck)
	if err := w.removeDoomed(t.Context()); err != nil || len(w.rows()) != 0 {
		t.Errorf("got %v and %d rows, want none", err, len(w.rows()))
	}
}

// While a backup runs no file goes, whatever is doomed; afterwards all do.
func TestBackupKeepsBlobs(t *testing.T) {
	w := newWard(t)
	backup := true
	held := 0
	w.mayRemove = func() (func() error, bool, error) {
		if backup {
			return nil, false, nil
		}
		held++
		return func() error { held--; return nil }, true, nil
	}
	const blobs = 2*collectBatch + 1
	w.update(func(tx *store.Tx) error {
		for i := range blobs {
			if err := doomBlob(tx, fmt.Sprintf("blob-%05d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := w.removeDoomed(t.Context()); !errors.Is(err, errBackup) {
		t.Errorf("got %v, want %v", err, errBackup)
	}
	if got := count(w.rows(), "blobs "); got != blobs || len(w.shelf.removed) != 0 {
		t.Errorf("got %d rows and %d files removed during a backup, want %d and none", got, len(w.shelf.removed), blobs)
	}
	backup = false
	if err := w.removeDoomed(t.Context()); err != nil {
		t.Error(err)
	}
	if got := count(w.rows(), "blobs "); got != 0 || len(w.shelf.removed) != blobs || held != 0 {
		t.Errorf("got %d rows, %d files removed and %d locks held after it, want 0, %d and 0", got, len(w.shelf.removed), held, blobs)
	}
}

// A tombstone that cannot be worked off is logged and set aside, once; it keeps no
// other, and is there to be seen.
func TestSetAside(t *testing.T) {
	w := newWard(t)
	var log bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	b := &bucketRecord{ID: strings.Repeat("1", 32), Name: "bucket"}
	for _, c := range []string{"a", "b", "c", "d"} {
		w.upload(b, id43(c), 3)
	}
	w.update(func(tx *store.Tx) error {
		for _, c := range []string{"a", "b", "d"} {
			if err := entombParts(tx, id43(c), nil); err != nil {
				return err
			}
		}
		// One that was written wrongly.
		return tx.PutUnlogged(store.Uploads, store.Row{Key: tombstoneParts + id43("c"), Ref: tombstone, Doc: []byte("{")})
	})
	// And one that has rotted on the disk.
	db, err := sql.Open("sqlite", "file:"+w.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE uploads SET rev = rev + 1 WHERE key = ?", tombstoneParts+id43("a")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.workOff(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := count(w.rows(), "parts "); got != 6 {
		t.Errorf("got %d parts left, want the 6 of two uploads", got)
	}
	if got := strings.Count(log.String(), "set aside"); got != 2 {
		t.Errorf("got %d lines in the log, want 2: %s", got, &log)
	}
	got, err := SetAside(t.Context(), w.store, 10)
	if want := []string{tombstoneParts + id43("a"), tombstoneParts + id43("c")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
	w.start(w.store) // the next process does not try again either
	if err := w.workOff(t.Context()); err != nil || count(w.rows(), "parts ") != 6 {
		t.Errorf("got %v", err)
	}
}
