package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// Emptying the log loses nothing and stands in nobody's way.
func testTruncateLog(t *testing.T, d *database) {
	if err := d.TruncateLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 25 {
				err := d.Update(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Put(store.Meta, store.Row{Key: fmt.Sprintf("%d-%02d", i, j), Doc: []byte("d")})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		if err := d.TruncateLog(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	rows, err := d.List(t.Context(), store.Meta, store.Query{Limit: 1000})
	if err != nil || len(rows) != 100 {
		t.Errorf("got %d rows, %v; want 100", len(rows), err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, d.TruncateLog(done), context.Canceled)
	d.reopen()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wantErr(t, d.TruncateLog(t.Context()), store.ErrClosed)
	d.reopen()
}
