package kmsdb

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

// examineBatch is how many rows are held in memory at once.
const examineBatch = 500

// Examine checks every key, alias, grant and custom key store at rest: the seals
// of their rows, that the tokens of the keys' material and of the stores'
// credentials open, that related multi-region keys agree with each other, and that
// grants are on keys and are found wherever they are filed. It returns how many
// keys there are. It
// changes nothing.
func (d *DB) Examine(ctx context.Context, m *hsm.Module) (keys int, err error) {
	for after := ""; ; {
		rows, err := d.store.List(ctx, store.KMSKeys, store.Query{After: after, Limit: examineBatch})
		if err != nil {
			return keys, err
		}
		if len(rows) == 0 {
			if err := d.examineAliases(ctx); err != nil {
				return keys, err
			}
			if err := d.examineGrants(ctx); err != nil {
				return keys, err
			}
			return keys, d.examineKeyStores(ctx, m)
		}
		for _, r := range rows {
			k, err := decodeKey(d.mac, r)
			if err == nil && k.Ref().Row() != r.Key {
				err = fmt.Errorf("row %s/%s holds key %s", store.KMSKeys, r.Key, k.Ref())
			}
			if err == nil {
				err = d.examineMaterials(ctx, m, &k)
			}
			if err == nil && k.MultiRegion {
				err = d.examineRelated(ctx, k.Ref())
			}
			if err != nil {
				return keys, err
			}
			keys++
		}
		after = rows[len(rows)-1].Key
	}
}

// examineMaterials opens the tokens of a key. One that is not there is missed
// only when the key could be used: destroyed material has none. Imported material
// that was deleted must have none.
func (d *DB) examineMaterials(ctx context.Context, m *hsm.Module, k *Key) error {
	usable := k.State == kmsapi.KeyStateEnabled || k.State == kmsapi.KeyStateDisabled
	for _, material := range k.Materials {
		r, err := d.store.Get(ctx, store.KMSKeyTokens, tokenRow(k.Ref(), material.ID))
		switch {
		case errors.Is(err, store.ErrNotFound):
			if usable && !material.Absent {
				return fmt.Errorf("key material %s of key %s is not there", material.ID, k.Ref())
			}
			continue
		case err != nil:
			return err
		case material.Absent:
			return fmt.Errorf("key material %s of key %s is there, though it was deleted", material.ID, k.Ref())
		}
		id, err := openMaterial(m, r.Doc, k)
		if err == nil && hex.EncodeToString(id[:]) != material.ID {
			err = errors.New("the token holds other material")
		}
		if err != nil {
			return fmt.Errorf("key material %s of key %s: %w", material.ID, k.Ref(), err)
		}
	}
	return nil
}

// openMaterial opens a token as a use of its key would, and returns its id.
func openMaterial(m *hsm.Module, token []byte, k *Key) (id [32]byte, err error) {
	switch t := k.Type(); t.Purpose() {
	case hsm.PurposeKeyPair:
		return idOf(m.LoadKeyPair(token, t, k.Binding()))
	case hsm.PurposeHMACKey:
		return idOf(m.LoadHMACKey(token, t, k.Binding()))
	}
	return idOf(m.LoadBackingKey(token, k.Binding()))
}

func idOf[H interface{ ID() [32]byte }](handle H, err error) (id [32]byte, _ error) {
	if err != nil {
		return id, err
	}
	return handle.ID(), nil
}

func (d *DB) examineAliases(ctx context.Context) error {
	for after := ""; ; {
		rows, err := d.store.List(ctx, store.KMSAliases, store.Query{After: after, Limit: examineBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if _, err := decodeAlias(d.mac, r); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].Key
	}
}
