package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/store"
)

// errInUse: a token is under a version that was to be destroyed.
var errInUse = errors.New("a key token is still under an old version")

// problem is a row of a table of tokens that cannot be re-wrapped.
type problem struct {
	table store.Table
	key   string
	err   error
}

// problems are what stops the destruction of old versions, by domain.
type problems map[string][]problem

// maxNamed is how many rows one error names.
const maxNamed = 10

// err names the rows, nil when there is none.
func (p problems) err() error {
	var rows []string
	seen := map[string]bool{}
	for _, list := range p {
		for _, x := range list {
			if name := string(x.table) + "/" + x.key; !seen[name] {
				seen[name] = true
				rows = append(rows, fmt.Sprintf("%s: %v", name, x.err))
			}
		}
	}
	if rows == nil {
		return nil
	}
	slices.Sort(rows)
	more := ""
	if n := len(rows) - maxNamed; n > 0 {
		rows, more = rows[:maxNamed], fmt.Sprintf("; and %d more", n)
	}
	return fmt.Errorf("key tokens do not open, so that old versions of their domain keys are kept: restore these rows from a backup, or delete their keys: %s%s", strings.Join(rows, "; "), more)
}

// rewrap goes through all tokens of the pending domains, opens each that is
// under the newest version, and re-wraps the others. What does not open is
// returned; a row that does not tell its domain counts for all.
//
// No token can come to be under an old version behind its back: the guards see
// to that. (One whose transaction passed its guard before the new version was in
// use, and is committed after its page was read, is found by destroy.)
func (c *Custody) rewrap(ctx context.Context, pending []string) (problems, error) {
	found := problems{}
	for _, t := range c.tables {
		err := eachPage(ctx, c.cfg.Store, t.Table, func(rows []store.Row) error {
			var batch []string
			for _, r := range rows {
				tok, err := readToken(ctx, c.cfg.Store, t, r)
				if err == nil {
					if !slices.Contains(pending, tok.binding.Domain) {
						continue
					}
					if tok.version == c.Module.NewestDomainKey(tok.binding.Domain) && r.Ref == DomainKeyRow(tok.binding.Domain, tok.version) &&
						c.Module.CheckToken(r.Doc, tok.binding) == nil {
						continue
					}
				}
				batch = append(batch, r.Key)
			}
			for part := range slices.Chunk(batch, batchSize) {
				if err := c.rewrapRows(ctx, t, part, pending, found); err != nil {
					return err
				}
				c.cfg.step("batch")
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// rewrapRows puts rows as they are, and their guard re-wraps the tokens. They
// are read again in the transaction: a key may have been deleted meanwhile.
func (c *Custody) rewrapRows(ctx context.Context, t Tokens, keys, pending []string, found problems) error {
	var bad []problem
	var of []string // the domain of each, or empty
	err := c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		for _, key := range keys {
			r, err := tx.Get(t.Table, key)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			domain := ""
			if err == nil {
				if b, err := t.Binding(tx.Get, r); err == nil {
					domain = b.Domain
				}
				err = tx.PutUnlogged(t.Table, r)
			}
			if err != nil {
				bad, of = append(bad, problem{t.Table, key, err}), append(of, domain)
			}
		}
		return nil // an error that lost the transaction fails the Update all the same
	})
	if err != nil {
		return err
	}
	for i, p := range bad {
		for _, name := range pending {
			if of[i] == "" || of[i] == name {
				found[name] = append(found[name], p)
			}
		}
	}
	return nil
}

// destroy deletes the rows of the old versions of a domain key and then wipes
// the keys, unless something is under one of them: the error is errInUse then.
// Every token's row refers to the version it is under, so that the index tells.
func (c *Custody) destroy(ctx context.Context, domain string) error {
	newest := c.Module.NewestDomainKey(domain)
	err := c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		rows, err := listDomainKeys(tx, domain)
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[len(rows)-1].Key != DomainKeyRow(domain, newest) {
			return MissingRow(store.DomainKeys, DomainKeyRow(domain, newest))
		}
		for _, v := range c.Module.DomainKeyVersions(domain) {
			if v == newest {
				continue
			}
			for _, t := range c.tables {
				under, err := tx.List(t.Table, store.Query{Ref: DomainKeyRow(domain, v), Limit: 1, KeepDamaged: true})
				if err != nil {
					return err
				}
				if len(under) > 0 {
					return errInUse
				}
			}
		}
		var gone []uint32
		for _, r := range rows[:len(rows)-1] {
			d, err := decodeDomainKey(r)
			if err != nil {
				return err
			}
			gone = append(gone, d.Version)
			if err := tx.Delete(store.DomainKeys, r.Key, r.Rev); err != nil {
				return err
			}
		}
		if gone == nil {
			return nil
		}
		if err := c.record(tx, "DestroyDomainKeyVersions", domain, map[string]any{"domain": domain, "versions": gone}); err != nil {
			return err
		}
		if err := dropRequest(tx, domain, newest); err != nil {
			return err
		}
		return tx.PutUnlogged(store.Meta, store.Row{Key: truncateKey, Doc: []byte("{}")})
	})
	if err != nil {
		return err
	}
	c.cfg.step("destroyed")
	for _, v := range c.Module.DomainKeyVersions(domain) {
		if v < newest {
			if err := c.Module.RemoveDomainKey(domain, v); err != nil {
				return err
			}
			c.cfg.Logger.Info("domain key version destroyed", "domain", domain, "version", v)
		}
	}
	return nil
}
