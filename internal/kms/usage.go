package kms

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// usageLog has the last use of every key that was used since they were last
// written to the database. Noting one is the assignment of a few words under a
// lock that keys share with few others. It is safe for concurrent use.
type usageLog struct {
	seed   maphash.Seed
	shards [shardCount]usageShard

	begun time.Time // when the service began

	flushing sync.Mutex // held while uses are written; guards tracked
	tracked  bool       // since when uses are noted is in the database
}

type usageShard struct {
	mu      sync.Mutex // guards the fields below
	fresh   map[string]use
	writing map[string]use // while a flush has them; nil otherwise
}

// use is one use of a key.
type use struct {
	op      string // name of the operation
	at      time.Time
	eventID string
	request string
}

func newUsageLog(now time.Time) *usageLog {
	u := &usageLog{seed: maphash.MakeSeed(), begun: now}
	for i := range u.shards {
		u.shards[i].fresh = make(map[string]use)
	}
	return u
}

func (u *usageLog) shard(keyARN string) *usageShard {
	return &u.shards[maphash.String(u.seed, keyARN)%shardCount]
}

// note notes the keys of a call that succeeded, whose record is written.
func (u *usageLog) note(call *gate.Call) {
	for _, r := range call.Resources() {
		at, eventID := call.Event(r.AccountID)
		s := u.shard(r.ARN)
		s.mu.Lock()
		if !s.fresh[r.ARN].at.After(at) { // of two at the same time either is the last
			s.fresh[r.ARN] = use{call.Op.Name, at, eventID, call.Caller.RequestID}
		}
		s.mu.Unlock()
	}
}

// last returns the last use of a key that may not be in the database yet.
func (u *usageLog) last(keyARN string) (use, bool) {
	s := u.shard(keyARN)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.fresh[keyARN]; ok {
		return l, true
	}
	l, ok := s.writing[keyARN]
	return l, ok
}

// stored is the use as the database has it.
func (l use) stored() kmsdb.Usage {
	return kmsdb.Usage{
		Operation: kmsapi.KeyLastUsageTrackingOperation(l.op), Time: l.at.UTC().Truncate(time.Millisecond),
		EventID: l.eventID, RequestID: l.request,
	}
}

// tracked reports whether an operation is one whose uses count: those that the
// model lists as KeyLastUsageTrackingOperation.
func tracked(op *gate.Operation) bool {
	switch op {
	case opDecrypt, opDeriveSharedSecret, opEncrypt, opGenerateDataKey, opGenerateDataKeyPair, opGenerateDataKeyPairWithoutPlaintext,
		opGenerateDataKeyWithoutPlaintext, opGenerateMac, opReEncrypt, opSign, opVerify, opVerifyMac:
		return true
	}
	return false
}

// usageBatch is how many uses are written in one transaction, which has all
// other writers wait.
const usageBatch = 200

// FlushUsage writes what keys were used for since the last flush into the
// database. The server calls it when it starts, every minute, and when it stops; a
// process that is killed loses the uses since the last call, though not their
// records. What could not be written is kept for the next call.
func (s *Service) FlushUsage(ctx context.Context) error {
	u := s.usage
	u.flushing.Lock()
	defer u.flushing.Unlock()
	if err := s.beginTracking(ctx); err != nil {
		return err
	}
	var errs []error
	for i := range u.shards {
		if err := s.flushShard(ctx, &u.shards[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// beginTracking writes down since when uses are noted, at the first start that
// does so.
func (s *Service) beginTracking(ctx context.Context) error {
	u := s.usage
	if u.tracked {
		return nil
	}
	_, err := s.db.TrackingSince(ctx)
	if errors.Is(err, store.ErrNotFound) {
		err = s.db.Update(ctx, func(tx *kmsdb.Tx) error { return tx.SetTrackingSince(u.begun) })
	}
	u.tracked = err == nil
	return err
}

// flushShard writes the uses of a shard.
func (s *Service) flushShard(ctx context.Context, shard *usageShard) error {
	shard.mu.Lock()
	writing := shard.fresh
	if len(writing) == 0 {
		shard.mu.Unlock()
		return nil
	}
	shard.fresh, shard.writing = make(map[string]use, len(writing)), writing
	shard.mu.Unlock()

	var err error
	for batch := range slices.Chunk(slices.Collect(maps.Keys(writing)), usageBatch) {
		err = s.db.Update(ctx, func(tx *kmsdb.Tx) error {
			for _, keyARN := range batch {
				if err := tx.PutUsage(refOfARN(keyARN), writing[keyARN].stored()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			break
		}
	}

	shard.mu.Lock()
	defer shard.mu.Unlock()
	if err != nil {
		for keyARN, l := range writing {
			if _, ok := shard.fresh[keyARN]; !ok {
				shard.fresh[keyARN] = l
			}
		}
	}
	shard.writing = nil
	return err
}

// refOfARN is the key of a key ARN of our own making.
func refOfARN(keyARN string) kmsdb.KeyRef {
	a, _ := arn.Parse(keyARN)
	return kmsdb.KeyRef{Account: a.AccountID, Region: a.Region, ID: a.Resource[len("key/"):]}
}

// lastUsage returns what a key was last used for, the zero value when there is no
// record of a use.
func (s *Service) lastUsage(ctx context.Context, k *snapshot) (kmsdb.Usage, error) {
	fresh, noted := s.usage.last(k.arn)
	last, err := s.db.Usage(ctx, k.key.Ref())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return kmsdb.Usage{}, err
	}
	if noted && !last.Time.After(fresh.at) {
		last = fresh.stored()
	}
	return last, nil
}

// trackedSince returns since when the uses of a key are noted: since this
// installation does so, or since the key was made.
func (s *Service) trackedSince(ctx context.Context, k *kmsdb.Key) (time.Time, error) {
	since, err := s.db.TrackingSince(ctx)
	if errors.Is(err, store.ErrNotFound) {
		since, err = s.usage.begun, nil
	}
	if k.CreationDate.After(since) {
		since = k.CreationDate
	}
	return since, err
}
