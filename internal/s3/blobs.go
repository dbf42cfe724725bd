package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/store"
)

// LiveBlobs returns the ids of at most limit blobs that something refers to,
// in order, after the one named (all, for ""). A copy of the metadata needs the
// files of just these; those of doomed blobs are as good as removed.
func LiveBlobs(ctx context.Context, st *store.Store, after string, limit int) ([]string, error) {
	rows, err := st.List(ctx, store.Blobs, store.Query{Ref: blobLive, After: after, Limit: limit})
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.Key
	}
	return ids, err
}
