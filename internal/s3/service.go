// Package s3 implements the operations of Amazon S3, API version 2006-03-01,
// as far as they are served: buckets, objects, listings, multipart uploads.
//
// Every object is sealed before it reaches the disk, with SSE-S3 unless the
// request asks for SSE-KMS. Every exported operation passes one gate that
// authorises and records it; what lies under it is unexported. Sealed bytes are
// kept by an [ObjectStore], keys by a [KeyService], metadata by package store.
package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// Config is what a [Service] is made of. Every field is required unless it says
// otherwise.
type Config struct {
	Store      *store.Store
	RowMAC     store.MAC                 // seals bucket rows
	RecordKeys map[string]*hsm.RecordKey // by region: seals the records of objects, uploads and parts
	Keys       KeyService
	Objects    ObjectStore
	Gate       *gate.Gate
	Principals policy.Directory // who can be named in bucket policies; nil: nobody but everybody
	Regions    []string         // where buckets can be; each has a record key
	// MayRemove asks whether blobs that nothing refers to may be removed now. It
	// returns false while a backup runs, which may be copying them, and else a
	// function to call when the batch is done. Nil means always.
	MayRemove func() (done func() error, ok bool, err error)
	Clock     func() time.Time // nil means time.Now
	Logger    *slog.Logger     // nil means no log
}

// Service is the S3 service. It is safe for concurrent use.
type Service struct {
	store   *store.Store
	rowMAC  store.MAC
	records map[string]*hsm.RecordKey
	keys    KeyService
	objects ObjectStore
	gate    *gate.Gate
	regions []string

	principals policy.Directory
	policies   policyCache

	clock func() time.Time
	log   *slog.Logger

	lastUpload atomic.Int64    // the time in the newest upload id
	aside      map[string]bool // tombstones set aside since the start; the collector's own

	readers   readers
	mayRemove func() (done func() error, ok bool, err error)
	publishes chan string
	wake      chan struct{}
	stop      context.CancelFunc
	done      sync.WaitGroup
}

// New makes a Service and starts its collector; Close stops it. It registers with
// cfg.Store.OnCommit, so no Update may have run before.
func New(cfg Config) (*Service, error) {
	switch {
	case cfg.Store == nil, cfg.RowMAC == nil, cfg.Keys == nil, cfg.Objects == nil, cfg.Gate == nil:
		return nil, errors.New("s3: Config lacks a required field")
	case len(cfg.Regions) == 0:
		return nil, errors.New("s3: Config.Regions is empty")
	}
	for _, region := range cfg.Regions {
		if cfg.RecordKeys[region] == nil {
			return nil, fmt.Errorf("s3: Config.RecordKeys lacks region %s", region)
		}
	}
	s := &Service{
		store: cfg.Store, rowMAC: cfg.RowMAC, records: maps.Clone(cfg.RecordKeys),
		keys: cfg.Keys, objects: cfg.Objects, gate: cfg.Gate,
		regions: slices.Clone(cfg.Regions), clock: cfg.Clock, log: cfg.Logger,
		mayRemove: cfg.MayRemove, principals: cfg.Principals,
		publishes: make(chan string, publishQueue),
		wake:      make(chan struct{}, 1),
	}
	if s.principals == nil {
		s.principals = nobody{}
	}
	if s.mayRemove == nil {
		s.mayRemove = always
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	cfg.Store.OnCommit(s.policies.forget)
	s.readers.wake = s.wakeCollector
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.done.Go(func() { s.collect(ctx) })
	return s, nil
}

// Close waits for the collector. Operations under way must have ended; what is
// staged or doomed then is settled at the next start.
func (s *Service) Close() error {
	s.stop()
	s.done.Wait()
	return nil
}

// Recover settles what a crash left between the object store and the metadata.
// It runs once, before the first request.
func (s *Service) Recover(ctx context.Context) error {
	known := func(id string) (bool, error) {
		_, err := s.store.Get(ctx, store.Blobs, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return false, nil
		case errors.Is(err, store.ErrDamaged):
			// Whether anything refers to the blob is open: it stays.
			s.log.Error("recovering a blob whose row is damaged", "blob", id, "error", err)
			return true, nil
		}
		// A doomed one is the collector's, which a backup holds up: the backup
		// may have begun when the blob was live.
		return err == nil, err
	}
	if err := s.objects.Recover(ctx, known); err != nil {
		return fmt.Errorf("s3: recovering: %w", err)
	}
	s.wakeCollector()
	return nil
}

// nobody is a directory of no principals.
type nobody struct{}

func (nobody) UniqueID(string) (string, bool) { return "", false }
func (nobody) ARN(string) (string, bool)      { return "", false }
func (nobody) HasAccount(string) bool         { return false }

// now is the time as S3 shows it: whole seconds, UTC.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Second) }
