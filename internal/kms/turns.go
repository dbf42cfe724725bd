package kms

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/strongroom/strongroom/internal/hsm"
)

// turns says whose turn it is to have an RSA key generated. That takes seconds of
// a processor for the largest, and cannot be stopped once it has begun: without a
// bound a few calls would take all processors from everybody. So no more are
// generated at a time than half of the processors can do, or the only one; and of
// the accounts that wait each has its turn after the others, however many calls it
// makes. Whoever goes away leaves the line.
type turns struct {
	mu    sync.Mutex
	free  int                        // how many may begin; none while anybody waits
	lines map[string][]chan struct{} // the calls of each account that wait, the oldest first
	next  []string                   // the accounts of lines, in the order of their turns
}

func newTurns() *turns {
	return &turns{free: max(1, runtime.GOMAXPROCS(0)/2), lines: map[string][]chan struct{}{}}
}

// take waits for the account's turn. Without an error, end must follow.
func (t *turns) take(ctx context.Context, account string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	if t.lines[account] == nil {
		t.next = append(t.next, account)
	}
	t.lines[account] = append(t.lines[account], turn)
	t.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	waiting := t.leave(account, turn)
	t.mu.Unlock()
	if !waiting { // it came at the same moment
		t.end()
	}
	return ctx.Err()
}

// leave takes a call out of its line. It reports false when the call was not in
// it any more: it has its turn.
func (t *turns) leave(account string, turn chan struct{}) bool {
	i := slices.Index(t.lines[account], turn)
	if i < 0 {
		return false
	}
	t.lines[account] = slices.Delete(t.lines[account], i, i+1)
	if len(t.lines[account]) == 0 {
		delete(t.lines, account)
		t.next = slices.DeleteFunc(t.next, func(a string) bool { return a == account })
	}
	return true
}

// end gives the turn to the next.
func (t *turns) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.next) == 0 {
		t.free++
		return
	}
	account := t.next[0]
	turn := t.lines[account][0]
	t.leave(account, turn)
	if t.lines[account] != nil {
		t.next = append(t.next[1:], account)
	}
	close(turn)
}

// inTurn calls generate, which generates a key of type t for an account: an RSA
// key in its turn, any other at once, for it takes no time.
func (s *Service) inTurn(ctx context.Context, account string, t hsm.KeyType, generate func() error) error {
	switch t {
	case hsm.RSA2048, hsm.RSA3072, hsm.RSA4096:
		if err := s.turns.take(ctx, account); err != nil {
			return err
		}
		defer s.turns.end()
	}
	return generate()
}
