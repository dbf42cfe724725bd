package custody

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

// TestEveryTokenOpens: whatever is made, stored, deleted and rotated between
// any two steps of a rotation, every token that was stored opens, after every
// step and after a restart, and rotations come to their end.
func TestEveryTokenOpens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		k := newKit(t)
		defer k.close()
		type pending struct {
			id       string
			token    []byte
			material secret.Bytes
		}
		var made []pending
		n := 0
		act := func() {
			switch rapid.IntRange(0, 5).Draw(r, "action") {
			case 0, 1: // a service makes a token …
				n++
				id := fmt.Sprintf("key-%04d", n)
				token, material := k.make(id)
				made = append(made, pending{id, token, material})
			case 2, 3: // … and stores it, who knows how much later
				if len(made) == 0 {
					return
				}
				i := rapid.IntRange(0, len(made)-1).Draw(r, "which")
				p := made[i]
				made = slices.Delete(made, i, i+1)
				_, version, _ := hsm.ParseToken(p.token)
				there := slices.Contains(k.c.Module.DomainKeyVersions(region), version)
				if err := k.store(p.id, p.token, p.material); (err == nil) != there || err != nil && !errors.Is(err, hsm.ErrUnknownDomainKey) {
					r.Fatalf("storing a token of version %d, which is there: %v: got %v", version, there, err)
				}
			case 4:
				if len(k.want) == 0 {
					return
				}
				key := rapid.SampledFrom(slices.Sorted(maps.Keys(k.want))).Draw(r, "deleted")
				k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
					row, err := tx.Get(store.KMSKeyTokens, key)
					if err != nil {
						return err
					}
					return errors.Join(tx.Delete(store.KMSKeyTokens, key, row.Rev), k.c.RequestRotation(tx, region))
				}))
				delete(k.want, key)
			case 5:
				k.request(region)
			}
		}
		between := func(string) {
			for range rapid.IntRange(0, 3).Draw(r, "actions") {
				act()
			}
			k.check()
		}
		for range rapid.IntRange(1, 3).Draw(r, "runs") {
			between("")
			k.c.cfg.step = between
			k.work()
			k.c.cfg.step = func(string) {}
			if rapid.Bool().Draw(r, "restart") {
				k.reopen()
				k.check()
			}
		}
		k.work()
		k.work()
		if got := k.versions(region); len(got) != 1 {
			r.Fatalf("got versions %v at the end, want one", got)
		}
		k.check()
	})
}

// TestRotationUnderLoad is the same with real concurrency, for the race
// detector.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex // guards want and refused
	want := map[string]secret.Bytes{}
	var refused int
	var stored atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("key-%d-%05d", w, i)
				token, material := k.make(id)
				err := k.cfg.Store.Update(ctx, func(tx *store.Tx) error {
					_, err := tx.Put(store.KMSKeyTokens, store.Row{Key: region + "/" + id, Doc: token})
					return err
				})
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				switch {
				case err == nil:
					want[region+"/"+id] = material
					stored.Add(1)
				case errors.Is(err, hsm.ErrUnknownDomainKey):
					refused++
				default:
					t.Error(err)
				}
				mu.Unlock()
				if err == nil && i%3 == 0 { // and deletes it again
					key := region + "/" + id
					err := k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
						r, err := tx.Get(store.KMSKeyTokens, key)
						if err != nil {
							return err
						}
						return tx.Delete(store.KMSKeyTokens, key, r.Rev)
					})
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					delete(want, key)
					mu.Unlock()
				}
			}
		})
	}
	wg.Go(func() { // a reader, who must never meet a token that does not open twice
		for ctx.Err() == nil {
			rows, err := k.cfg.Store.List(t.Context(), store.KMSKeyTokens, store.Query{Limit: 50})
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range rows {
				b := testBinding(region, strings.TrimPrefix(r.Key, region+"/"))
				err := k.c.Module.CheckToken(r.Doc, b)
				for range 3 {
					if !errors.Is(err, hsm.ErrUnknownDomainKey) {
						break
					}
					again, getErr := k.cfg.Store.Get(t.Context(), store.KMSKeyTokens, r.Key)
					if err = getErr; errors.Is(err, store.ErrNotFound) {
						err = nil
					} else if err == nil {
						err = k.c.Module.CheckToken(again.Doc, b)
					}
				}
				if err != nil {
					t.Errorf("%s: %v", r.Key, err)
				}
			}
		}
	})
	rotations := 0
	for stored.Load() < 200 || rotations < 8 {
		k.request(region)
		k.work()
		rotations++
	}
	cancel()
	wg.Wait()
	k.request(region)
	k.work()
	k.work()
	t.Logf("%d rotations, %d tokens stored, %d refused", rotations, stored.Load(), refused)
	if got := k.versions(region); len(got) != 1 || got[0] < 8 {
		t.Errorf("got versions %v, want one, the newest", got)
	}
	k.want = want
	k.check()
	k.reopen()
	k.check()
}
