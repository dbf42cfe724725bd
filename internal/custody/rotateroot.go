package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// RootRotation is what [RotateRoot] did.
type RootRotation struct {
	File     string // the root key file
	ID       string // of the root key that is in it now
	Retired  string // where the old one is kept
	Finished bool   // it finished a rotation that had been interrupted, and began none
}

// RotateRoot puts another root key in the place of the one in use: a new one,
// or the one in the file newRootKey unless that is empty. All domain keys are
// wrapped under it in one transaction, which requests the rotation of each of
// them as well: who has the old root key and an old copy of the database has
// their present versions.
//
// Nobody else may have the data directory open. The steps, after each of which
// the process may die:
//
//	FILE.new-ID is on the disk            the database wants FILE: nothing has happened
//	the transaction is committed          it wants FILE.new-ID: Open, and RotateRoot, find it there
//	FILE is copied to FILE.retired-OLD    the same
//	FILE.new-ID is renamed to FILE        done
func RotateRoot(ctx context.Context, cfg Config, newRootKey string) (_ RootRotation, err error) {
	cfg.complete()
	if cfg.Account, err = cfg.account(ctx); err != nil {
		return RootRotation{}, err
	}
	doc, err := needCustodyDoc(ctx, cfg)
	if err != nil {
		return RootRotation{}, err
	}
	if err := checkOwner(cfg.RootKeyFile); err != nil {
		return RootRotation{}, err
	}
	m, interrupted, err := openRootKey(cfg, doc)
	if err != nil {
		return RootRotation{}, err
	}
	file := realRootKeyFile(cfg.RootKeyFile)
	if interrupted != "" {
		old, err := hsm.RootKeyFileID(file)
		if err != nil && !errors.Is(err, hsm.ErrRootKeyMissing) {
			return RootRotation{}, err
		}
		done := RootRotation{File: file, ID: m.RootKeyID(), Retired: file + retiredInfix + old, Finished: true}
		return done, errors.Join(putInPlace(cfg, interrupted), truncateNow(ctx, cfg.Store))
	}
	c := newCustody(cfg, m)
	if err := c.installDomainKeys(ctx); err != nil {
		return RootRotation{}, err
	}
	next, err := placeNewRootKey(cfg, file, newRootKey, m.RootKeyID())
	if err != nil {
		return RootRotation{}, err
	}
	cfg.step("made")
	to, err := hsm.Open(hsm.Config{RootKeyFile: next})
	if err != nil {
		return RootRotation{}, err
	}
	if err := c.goOver(ctx, to); err != nil {
		// Whether it was committed the next one who opens the database knows.
		return RootRotation{}, fmt.Errorf("the root key may or may not be rotated; keep %s and %s, and run this again or start the server, which goes on from where it was: %w", file, next, err)
	}
	cfg.step("committed")
	done := RootRotation{File: file, ID: to.RootKeyID(), Retired: file + retiredInfix + m.RootKeyID()}
	if err := putInPlace(cfg, next); err != nil {
		return RootRotation{}, fmt.Errorf("the root key is rotated, and its file %s cannot be put in the place of %s; run this again or start the server, which tries again: %w", next, file, err)
	}
	return done, truncateNow(ctx, cfg.Store)
}

// placeNewRootKey brings the new root key to FILE.new-ID.
func placeNewRootKey(cfg Config, file, from, oldID string) (next string, err error) {
	made := from == ""
	if made {
		// One that is there is of a process that died right here.
		from = file + unusedSuffix
		if err := hsm.CreateRootKeyFile(from); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		cfg.step("unnamed")
	}
	id, err := hsm.RootKeyFileID(from)
	if err != nil {
		return "", err
	}
	if id == oldID {
		return "", fmt.Errorf("%s holds root key %s, which is the one in use", from, id)
	}
	next = file + newInfix + id
	if made {
		return next, durable.Rename(from, next)
	}
	return next, keepCopy(from, next, id)
}

// goOver wraps all domain keys under the root key of another module.
func (c *Custody) goOver(ctx context.Context, to *hsm.Module) error {
	docs, err := readDomainKeys(ctx, c.cfg.Store)
	if err != nil {
		return err
	}
	names, _ := domains(docs)
	return c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		for _, d := range docs {
			r, err := tx.Get(store.DomainKeys, d.row())
			if err != nil {
				return err
			}
			if d.DomainKeyToken, err = c.Module.RewrapDomainKey(to, d.Domain, d.Version); err != nil {
				return err
			}
			if err := to.InstallDomainKey(d.DomainKeyToken); err != nil { // it opens
				return err
			}
			if r.Doc, err = json.Marshal(d); err != nil {
				return err
			}
			if err := tx.PutUnlogged(store.DomainKeys, r); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := c.RequestRotation(tx, name); err != nil {
				return err
			}
		}
		if err := c.putRootKeyID(tx, to.RootKeyID()); err != nil {
			return err
		}
		return tx.PutUnlogged(store.Meta, store.Row{Key: truncateKey, Doc: []byte("{}")})
	})
}

// putRootKeyID is the logged change of a root key's rotation, with its record.
func (c *Custody) putRootKeyID(tx *store.Tx, id string) error {
	r, err := tx.Get(store.Meta, custodyKey)
	if err != nil {
		return err
	}
	var doc custodyDoc
	if err := json.Unmarshal(r.Doc, &doc); err != nil {
		return fmt.Errorf("row %s/%s: %w", store.Meta, custodyKey, err)
	}
	if err := c.record(tx, "RotateRootKey", Global, map[string]any{"rootKeyId": id, "previousRootKeyId": doc.RootKeyID}); err != nil {
		return err
	}
	doc.RootKeyID = id
	if r.Doc, err = json.Marshal(doc); err != nil {
		return err
	}
	if r.Rev == 0 { // as an unlogged put has left it; to Put that is no row
		if err := tx.DeleteUnlogged(store.Meta, custodyKey); err != nil {
			return err
		}
	}
	_, err = tx.Put(store.Meta, r)
	return err
}

// truncateNow is truncateLog for a database that nobody else has open.
func truncateNow(ctx context.Context, st *store.Store) error {
	if err := st.TruncateLog(ctx); err != nil {
		return err
	}
	return st.Update(ctx, func(tx *store.Tx) error { return tx.DeleteUnlogged(store.Meta, truncateKey) })
}

// checkOwner refuses to replace a file by one of another owner, whom the
// server may not be.
func checkOwner(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil // who opens it says what is wrong
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("root key file %s belongs to user %d and this is user %d: run this as that user, or the server may not be able to read the new file", path, s.Uid, os.Geteuid())
	}
	return nil
}
