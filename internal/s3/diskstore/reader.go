package diskstore

import (
	"context"
	"fmt"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/s3"
)

// Places returns where below a store's directory the blob can be, in the order
// of looking: a blob that Publish moves between two looks was in neither place,
// and the third look finds it. The first is the place of a published blob; nil
// says that id is none.
func Places(id string) []string {
	if !validID(id) {
		return nil
	}
	return []string{placeOf(id), stagingOf(id), placeOf(id)}
}

// Reader reads the blobs of a store that another process may have open, and
// changes nothing there.
type Reader struct{ store *Store }

// NewReader opens the store in dir for reading.
func NewReader(dir string) (*Reader, error) {
	root, err := durable.OS{}.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening object store: %w", err)
	}
	return &Reader{&Store{root: root}}, nil
}

// Open opens a blob as [Store.Open] does.
func (r *Reader) Open(ctx context.Context, id string) (s3.Blob, error) { return r.store.Open(ctx, id) }

// Close releases the directory. Blobs that are open stay readable.
func (r *Reader) Close() error { return r.store.Close() }
