package storetest

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

func testTrim(t *testing.T, d *database) {
	const changes = 20
	add := func(key string) {
		t.Helper()
		err := d.Update(t.Context(), func(tx *store.Tx) error {
			tx.SetRecord([]byte(`{"eventName":"x"}`))
			_, err := tx.Put(store.Meta, store.Row{Key: key})
			return err
		})
		wantErr(t, err, nil)
	}
	for i := range changes {
		add(fmt.Sprint(i))
	}
	for _, tt := range []struct {
		name        string
		through     int64
		limit       int
		removed     int64
		first, last int64 // of what is left
	}{
		{"nothing is old enough", 0, 10, 0, 1, changes},
		{"up to a position", 5, 10, 5, 6, changes},
		{"again", 5, 10, 0, 6, changes},
		{"up to the limit", 18, 3, 3, 9, changes},
		{"the newest stays", 1000, 1000, 11, changes, changes},
		{"for ever", 1000, 1000, 0, changes, changes},
	} {
		removed, err := d.TrimChanges(t.Context(), tt.through, tt.limit)
		if err != nil || removed != tt.removed {
			t.Errorf("%s: got %d changes removed (%v), want %d", tt.name, removed, err, tt.removed)
		}
		feed, err := d.Changes(t.Context(), 0, 2*changes)
		if err != nil || len(feed) == 0 {
			t.Fatalf("%s: got %d changes, %v", tt.name, len(feed), err)
		}
		if got, last := feed[0].Seq, feed[len(feed)-1].Seq; got != tt.first || last != tt.last {
			t.Errorf("%s: got changes %d to %d left, want %d to %d", tt.name, got, last, tt.first, tt.last)
		}
		wantErr(t, d.Check(t.Context()), nil)
		d.reopen()
	}
	add("after it")
	if seq, err := d.LastSeq(t.Context()); seq != changes+1 || err != nil {
		t.Errorf("got the feed at %d, %v, want %d: numbers never come again", seq, err, changes+1)
	}
}

// testTrimBesideCheck has the feed trimmed under a reader that pages through it.
func testTrimBesideCheck(t *testing.T, d *database) {
	const changes = 3000
	for i := range changes / 100 {
		err := d.Update(t.Context(), func(tx *store.Tx) error {
			for n := range 100 {
				if _, err := tx.Put(store.Meta, store.Row{Key: fmt.Sprint(i, n)}); err != nil {
					return err
				}
			}
			return nil
		})
		wantErr(t, err, nil)
	}
	done := make(chan error)
	go func() {
		var err error
		for through := int64(10); through < changes && err == nil; through += 10 {
			_, err = d.TrimChanges(t.Context(), through, changes)
		}
		done <- err
	}()
	for running := true; running; {
		select {
		case err := <-done:
			wantErr(t, err, nil)
			running = false
		default:
		}
		wantErr(t, d.Check(t.Context()), nil)
	}
}
