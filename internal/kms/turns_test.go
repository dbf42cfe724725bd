package kms

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/strongroom/strongroom/internal/hsm"
)

// Of accounts that wait each has its turn after the others, however many calls
// one of them makes.
func TestTurnsGoAroundTheAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &turns{free: 1, lines: map[string][]chan struct{}{}}
		if err := turns.take(t.Context(), "greedy"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, account := range []string{"greedy", "greedy", "greedy", "a", "a", "b"} {
			go func() {
				if err := turns.take(t.Context(), account); err != nil {
					t.Error(err)
				}
				got = append(got, account) // one at a time: it has the only turn
				turns.end()
			}()
			synctest.Wait()
		}
		if len(got) != 0 {
			t.Fatalf("%v had a turn when there was none", got)
		}
		turns.end()
		synctest.Wait()
		if want := []string{"greedy", "a", "b", "greedy", "a", "greedy"}; !slices.Equal(got, want) {
			t.Errorf("the turns were %v, want %v", got, want)
		}
		if turns.free != 1 || len(turns.lines) != 0 || len(turns.next) != 0 {
			t.Errorf("in the end %d turns are free, and %v wait, want 1 and nobody", turns.free, turns.next)
		}
	})
}

// Whoever goes away leaves the line, and loses no turn: neither when it was
// waiting, nor when its turn came at the same moment.
func TestTurnsOfCallsThatGoAway(t *testing.T) {
	for range 50 { // of two things that are ready, select takes either
		synctest.Test(t, func(t *testing.T) {
			turns := &turns{free: 1, lines: map[string][]chan struct{}{}}
			if err := turns.take(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			had := 0
			for _, c := range []context.Context{ctx, ctx, t.Context()} {
				go func() {
					err := turns.take(c, "b")
					if err == nil {
						had++
						turns.end()
					} else if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}()
				synctest.Wait()
			}
			turns.mu.Lock() // the first has its turn before it can learn that its call is over
			cancel()
			turn := turns.lines["b"][0]
			turns.leave("b", turn)
			close(turn)
			turns.mu.Unlock()
			synctest.Wait()
			if had == 0 || had > 2 {
				t.Errorf("%d calls had a turn, want that which stayed and maybe the first", had)
			}
			if turns.free != 1 || len(turns.lines) != 0 || len(turns.next) != 0 {
				t.Errorf("in the end %d turns are free, and %v wait, want 1 and nobody", turns.free, turns.next)
			}
		})
	}
	turns := newTurns()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := turns.take(gone, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that of the context", err)
	}
}

// RSA keys are generated in turn and all others at once.
func TestOnlyRSAKeysTakeTurns(t *testing.T) {
	for kt := hsm.Symmetric; kt <= hsm.HMAC512; kt++ {
		s := &Service{turns: &turns{free: 1, lines: map[string][]chan struct{}{}}}
		free := -1
		failed := errors.New("failed")
		if err := s.inTurn(t.Context(), "a", kt, func() error { free = s.turns.free; return failed }); err != failed {
			t.Errorf("%v: error is %v, want that of generating", kt, err)
		}
		want := 1
		if kt == hsm.RSA2048 || kt == hsm.RSA3072 || kt == hsm.RSA4096 {
			want = 0
		}
		if free != want || s.turns.free != 1 {
			t.Errorf("%v: %d turns are free meanwhile and %d later, want %d and 1", kt, free, s.turns.free, want)
		}
	}
}
