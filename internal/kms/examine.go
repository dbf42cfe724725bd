package kms

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// ErrKeyGone says that a data key was sealed under key material that has been
// destroyed, in every region that had it: what it opened is lost by intent.
var ErrKeyGone = errors.New("the KMS key's material has been destroyed")

// Examiner looks at keys at rest, as the holder of the root key can: it asks no
// policy and no key's state, leaves no record, and gives out no plaintext. It
// is for examining a backup, not for serving. For one goroutine.
type Examiner struct {
	store     *store.Store
	db        *kmsdb.DB
	module    *hsm.Module
	headerMAC *hsm.MACKey
	open      map[string]*hsm.BackingKey // by row of kms_key_tokens
}

// NewExaminer makes an Examiner of a store; the keys are those of [Config].
func NewExaminer(st *store.Store, module *hsm.Module, rowMAC store.MAC, headerMAC *hsm.MACKey) *Examiner {
	return &Examiner{st, kmsdb.New(st, rowMAC), module, headerMAC, map[string]*hsm.BackingKey{}}
}

// Related checks that related multi-region keys agree with each other, and
// returns how many multi-region keys there are. The error is kmsdb.ErrUnrelated.
func (e *Examiner) Related(ctx context.Context) (int, error) { return e.db.ExamineRelated(ctx) }

// Keys checks every key, alias and grant, and returns how many keys there are.
func (e *Examiner) Keys(ctx context.Context) (int, error) { return e.db.Examine(ctx, e.module) }

// DataKey opens the data key of an object of the account and region: of SSE-S3
// when service is set, whose context it knows. Errors to test for: [ErrKeyGone],
// ciphertext.ErrInvalid.
func (e *Examiner) DataKey(ctx context.Context, account, region string, service bool, blob []byte, encryptionContext map[string]string) (*hsm.DataKey, error) {
	b, err := ciphertext.Parse(e.headerMAC, blob)
	unproved := err != nil
	if unproved { // perhaps of a portable key, whose material proves the header
		if b, err = ciphertext.Peek(blob); err != nil {
			return nil, err
		}
	}
	ref := kmsdb.KeyRef{Account: b.Account, Region: b.Region, ID: b.KeyID}
	if ref.Region == "" { // of a multi-region key
		ref.Region = region
	}
	if service {
		ref, encryptionContext = kmsdb.KeyRef{Account: account, Region: region, Service: "s3"}, serviceContext
	}
	material := hex.EncodeToString(b.MaterialID[:])
	backing, err := e.backing(ctx, ref, material)
	if errors.Is(err, ErrKeyGone) && b.Region == "" && !service { // a replica; another key may have the material
		if related, found := e.db.Related(ctx, ref.Account, ref.ID); found == nil {
			backing, err = e.backing(ctx, related.Ref(), material)
		}
	}
	if err != nil {
		return nil, err
	}
	if unproved {
		if b, err = ciphertext.Parse(backing.HeaderMAC(), blob); err != nil {
			return nil, err
		}
	}
	return b.OpenDataKey(backing, encryptionContext)
}

func (e *Examiner) backing(ctx context.Context, ref kmsdb.KeyRef, material string) (*hsm.BackingKey, error) {
	name := ref.Row() + "/" + material
	if k := e.open[name]; k != nil {
		return k, nil
	}
	key, err := e.db.Key(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrKeyGone
	}
	if err != nil {
		return nil, err
	}
	if _, err := e.store.Get(ctx, store.KMSKeyTokens, name); errors.Is(err, store.ErrNotFound) {
		return nil, ErrKeyGone
	}
	token, err := e.db.Token(ctx, ref, material)
	if err != nil {
		return nil, err
	}
	k, err := e.module.LoadBackingKey(token, key.Binding())
	if err != nil {
		return nil, err
	}
	e.open[name] = k
	return k, nil
}
