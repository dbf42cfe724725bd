package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

func testTransactionSeesItself(t *testing.T, d *database) {
	err := d.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Put(store.Users, store.Row{Key: "k", Doc: []byte("new"), Ref: "r"}); err != nil {
			return err
		}
		got, err := tx.Get(store.Users, "k")
		if err != nil {
			return err
		}
		wantRow(t, got, store.Row{Key: "k", Rev: 1, Doc: []byte("new"), Ref: "r"})
		rows, err := tx.List(store.Users, store.Query{Ref: "r", Limit: 10})
		wantKeys(t, rows, "k")
		if err != nil {
			return err
		}
		_, err = d.Get(t.Context(), store.Users, "k")
		wantErr(t, err, store.ErrNotFound) // the others do not, before it is committed
		if err := tx.Delete(store.Users, "k", 1); err != nil {
			return err
		}
		_, err = tx.Get(store.Users, "k")
		wantErr(t, err, store.ErrNotFound)
		return nil
	})
	wantErr(t, err, nil)
	d.want(store.Users)
}

var errMine = errors.New("mine")

func testErrorUndoesAll(t *testing.T, d *database) {
	kept := d.put(store.Users, store.Row{Key: "kept", Doc: []byte("1")})
	seq, err := d.LastSeq(t.Context())
	wantErr(t, err, nil)
	// Beside it others succeed, in the same commit or another.
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			err := d.Update(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Put(store.Accounts, store.Row{Key: fmt.Sprint(i)}); err != nil {
					return err
				}
				if i%2 == 0 {
					return nil
				}
				tx.SetRecord([]byte("{}"))
				if err := tx.Delete(store.Users, "kept", kept.Rev); err != nil {
					return err
				}
				if err := tx.PutUnlogged(store.Users, store.Row{Key: "unlogged"}); err != nil {
					return err
				}
				return errMine
			})
			if i%2 == 0 {
				wantErr(t, err, nil)
			} else {
				wantErr(t, err, errMine)
			}
		})
	}
	wg.Wait()
	d.want(store.Users, "kept")
	if rows, err := d.List(t.Context(), store.Accounts, store.Query{Limit: 100}); len(rows) != 16 {
		t.Errorf("got %d rows of the others, %v, want 16", len(rows), err)
	}
	if got, err := d.LastSeq(t.Context()); got != seq+16 {
		t.Errorf("got the feed at %d, %v, want %d", got, err, seq+16)
	}
}

func testPanicUndoesAll(t *testing.T, d *database) {
	for name, end := range map[string]func(){"panic": func() { panic(errMine) }, "goexit": runtime.Goexit} {
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			_ = d.Update(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Put(store.Users, store.Row{Key: "k"}); err != nil {
					return err
				}
				end()
				return nil
			})
		}()
		if got := <-done; name == "panic" && got != errMine {
			t.Errorf("got panic %v, want %v", got, errMine)
		}
		d.want(store.Users)
	}
	d.put(store.Users, store.Row{Key: "the writer lives"})
}

func testTransactionAfterItsEnd(t *testing.T, d *database) {
	var kept *store.Tx
	wantErr(t, d.Update(t.Context(), func(tx *store.Tx) error { kept = tx; return nil }), nil)
	_, err := kept.Get(store.Users, "k")
	wantErr(t, err, store.ErrTxDone)
	_, err = kept.Put(store.Users, store.Row{Key: "k"})
	wantErr(t, err, store.ErrTxDone)
	wantErr(t, kept.Delete(store.Users, "k", 1), store.ErrTxDone)
	d.want(store.Users)
}

func testContextEndsTheWait(t *testing.T, d *database) {
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Update(ctx, func(tx *store.Tx) error {
		// A second update waits for this one, until its context ends.
		waiting := make(chan error)
		go func() {
			waiting <- d.Update(ctx, func(*store.Tx) error {
				t.Error("got the function run after its context ended")
				return nil
			})
		}()
		cancel()
		wantErr(t, <-waiting, context.Canceled)
		_, err := tx.Put(store.Users, store.Row{Key: "started in time"})
		return err
	})
	wantErr(t, err, nil)
	d.want(store.Users, "started in time")
	_, err = d.Get(ctx, store.Users, "started in time")
	wantErr(t, err, context.Canceled)
}

// testNoUpdateIsLost counts up one row from many goroutines: each reads and
// writes in a transaction, or reads outside and tries again on a conflict.
func testNoUpdateIsLost(t *testing.T, d *database) {
	d.put(store.Meta, store.Row{Key: "counter"})
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				for {
					row, err := d.Get(t.Context(), store.Meta, "counter")
					if err != nil {
						t.Error(err)
						return
					}
					err = d.Update(t.Context(), func(tx *store.Tx) (err error) {
						if w%2 == 0 {
							if row, err = tx.Get(store.Meta, "counter"); err != nil {
								return err
							}
						}
						_, err = tx.Put(store.Meta, row)
						return err
					})
					if err == nil {
						break
					}
					wantErr(t, err, store.ErrConflict)
				}
			}
		})
	}
	wg.Wait()
	row, err := d.Get(t.Context(), store.Meta, "counter")
	if want := int64(1 + writers*each); err != nil || row.Rev != want {
		t.Errorf("got revision %d, %v, want %d", row.Rev, err, want)
	}
}

func testClose(t *testing.T, d *database) {
	d.put(store.Users, store.Row{Key: "before"})
	var wg sync.WaitGroup
	stored := make([]bool, 16)
	for i := range stored {
		wg.Go(func() {
			err := d.Update(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Put(store.Accounts, store.Row{Key: fmt.Sprint(i)})
				return err
			})
			if stored[i] = err == nil; !stored[i] {
				wantErr(t, err, store.ErrClosed)
			}
		})
	}
	wantErr(t, d.Close(), nil)
	wg.Wait()
	wantErr(t, d.Update(t.Context(), func(*store.Tx) error { return nil }), store.ErrClosed)
	if _, err := d.Get(t.Context(), store.Users, "before"); err == nil {
		t.Error("got a row of a closed store")
	}
	d.reopen() // closes again, which is no error
	d.want(store.Users, "before")
	for i, want := range stored {
		if _, err := d.Get(t.Context(), store.Accounts, fmt.Sprint(i)); (err == nil) != want {
			t.Errorf("update %d: got %v after it was answered %v", i, err, want)
		}
	}
}
