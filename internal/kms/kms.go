// Package kms implements the operations of AWS Key Management Service, API
// version 2014-11-01. (The codes and shapes are in kmsapi, records in kmsdb,
// the layout of ciphertext blobs in ciphertext, the wire in kmshttp.)
//
// Every operation runs in [do]: the trail must be writable, the account within its
// rates where they are counted, the request valid; then the operation resolves its key, asks the gate, checks the key's state
// and usage, does its cryptography, and looks at DryRun last; then its record is
// written and only then the answer goes out. That order is part of AWS's
// contract.
//
// A cryptographic operation on a key that was used before does not touch the
// database: it works on the key's [snapshot], which a commit that concerns the
// key drops before the committing call returns. Key material is opened when it
// is first used, by a call that was authorized on a key that may be used.
package kms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// Config is what a [Service] is made of. Store to Regions are required.
type Config struct {
	Store     *store.Store
	Module    *hsm.Module
	RowMAC    *hsm.MACKey // seals keys and aliases; also list markers
	HeaderMAC *hsm.MACKey // authenticates the headers of ciphertext blobs
	Gate      *gate.Gate
	Regions   []string // the enabled regions; a domain key of each is installed in Module

	// SM2Regions are those of Regions where keys of the spec SM2 are made, as AWS
	// has it in China alone. Nil: those whose names begin with "cn-".
	SM2Regions []string

	// Imports seals import tokens. Nil: no key material can be imported.
	Imports *hsm.ImportTokenKey

	// Destroyed is called inside the transaction that destroys the material of a
	// key, be it imported material of a key that stays, with the key's region: what
	// wraps the region's key material is to be exchanged, for copies of it may be
	// left on the disk or in backups. An error keeps the material. Nil does nothing.
	Destroyed func(tx *store.Tx, region string) error

	// Principals knows the users and roles that key policies and grants name. One
	// that has a method In(*store.Tx) policy.Directory is asked by it in
	// transactions. Nil: there are none, and every account is taken for one that
	// there is.
	Principals policy.Directory

	Quotas Quotas           // the zero value means AWS's
	Rates  *Rates           // request quotas; nil means that there are none
	Clock  func() time.Time // nil means time.Now
	Logger *slog.Logger     // gets rows that were tampered with; nil means slog.Default()
}

// Service answers KMS operations. It is safe for concurrent use.
type Service struct {
	db         *kmsdb.DB
	module     *hsm.Module
	rowMAC     *hsm.MACKey
	headerMAC  *hsm.MACKey
	imports    *hsm.ImportTokenKey
	gate       *gate.Gate
	regions    []string
	sm2Regions []string
	destroyed  func(tx *store.Tx, region string) error
	principals policy.Directory
	quotas     Quotas
	clock      func() time.Time
	drift      drift
	turns      *turns // to generate RSA keys
	log        *slog.Logger

	// logHolds says that the database's log may hold destroyed key material.
	logHolds atomic.Bool
	logBusy  atomic.Int32 // how often in a row it could not be emptied

	usage    *usageLog
	throttle *throttle // nil: off

	keys    *cache[kmsdb.KeyRef, *snapshot]
	aliases *cache[kmsdb.AliasRef, string] // to key ids
	grants  *cache[granteeKey, *grantSet]
}

// New makes a Service. It registers with cfg.Store.OnCommit, so no Update may
// be running meanwhile.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Module == nil || cfg.RowMAC == nil || cfg.HeaderMAC == nil || cfg.Gate == nil || len(cfg.Regions) == 0 {
		return nil, errors.New("kms: Config lacks a required field")
	}
	if cfg.Principals == nil {
		cfg.Principals = nobody{}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.SM2Regions == nil {
		cfg.SM2Regions = chinaRegions(cfg.Regions)
	}
	cfg.Quotas.complete()
	s := &Service{
		db: kmsdb.New(cfg.Store, cfg.RowMAC), module: cfg.Module, rowMAC: cfg.RowMAC, headerMAC: cfg.HeaderMAC,
		imports: cfg.Imports, gate: cfg.Gate,
		regions: slices.Clone(cfg.Regions), sm2Regions: slices.Clone(cfg.SM2Regions), destroyed: cfg.Destroyed,
		principals: cfg.Principals, quotas: cfg.Quotas,
		clock: cfg.Clock, drift: newDrift(cfg.Clock()), turns: newTurns(), log: cfg.Logger,
		throttle: newThrottle(cfg.Rates, cfg.Clock),
		usage:    newUsageLog(cfg.Clock().UTC().Truncate(time.Millisecond)),
		keys:     newCache[kmsdb.KeyRef]((*snapshot).size), aliases: newCache[kmsdb.AliasRef](aliasSize),
		grants: newCache[granteeKey]((*grantSet).size),
	}
	s.logHolds.Store(true) // the process before this one may have died before it was emptied
	cfg.Store.OnCommit(s.invalidate)
	return s, nil
}

// chinaRegions returns those of regions that are AWS's China Regions by their
// names.
func chinaRegions(regions []string) (china []string) {
	for _, r := range regions {
		if strings.HasPrefix(r, "cn-") {
			china = append(china, r)
		}
	}
	return china
}

// invalidate drops what a commit has changed. The store calls it before the
// Update that made the changes returns: whoever disables a key and is answered
// knows that no later call uses it.
func (s *Service) invalidate(changes []store.Change) {
	for _, c := range changes {
		switch c.Table {
		case store.KMSKeys:
			if ref, ok := kmsdb.ParseKeyRow(c.Key); ok {
				s.keys.drop(ref)
			}
		case store.KMSAliases:
			if ref, ok := kmsdb.ParseAliasRow(c.Key); ok {
				s.aliases.drop(ref)
			}
		case store.KMSGrants:
			if ref, ok := kmsdb.ParseGrantRow(c.Key); ok {
				s.grants.drop(granteeKey{ref.Key, ref.Grantee})
			}
		}
	}
}

// now returns the time as KMS tells it: in UTC, to the millisecond.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// checkRegion refuses what the edge should not have let through: a region
// without a domain key.
func (s *Service) checkRegion(region string) error {
	if !slices.Contains(s.regions, region) {
		return fmt.Errorf("kms: region %q is not enabled", region)
	}
	return nil
}

// key returns the snapshot of a key. The error wraps [store.ErrNotFound] when
// there is no such key.
func (s *Service) key(ctx context.Context, ref kmsdb.KeyRef) (*snapshot, error) {
	if k, ok := s.keys.get(ref); ok {
		return k, nil
	}
	gen := s.keys.generation(ref)
	k, err := s.loadKey(ctx, ref)
	if err != nil {
		return nil, err
	}
	s.keys.put(ref, k, gen)
	return k, nil
}

// aliasSize is what an alias takes in the cache: its names, of which AWS bounds
// the length at 256 characters, and its key's id.
func aliasSize(string) int { return 512 }

// aliasTarget returns the id of the key that an alias stands for. The error
// wraps [store.ErrNotFound] when there is no such alias.
func (s *Service) aliasTarget(ctx context.Context, ref kmsdb.AliasRef) (keyID string, err error) {
	if id, ok := s.aliases.get(ref); ok {
		return id, nil
	}
	gen := s.aliases.generation(ref)
	a, err := s.db.Alias(ctx, ref)
	if err != nil {
		return "", err
	}
	s.aliases.put(ref, a.TargetKeyID, gen)
	return a.TargetKeyID, nil
}
