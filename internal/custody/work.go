package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/store"
)

const (
	// pageSize is how many rows a scan reads at once, and batchSize how many
	// tokens are re-wrapped in a transaction: that takes some milliseconds,
	// for which whoever else wants to write waits.
	pageSize  = 256
	batchSize = 64
	// passes is how often one run of Work looks for tokens that were put under
	// an old version while it looked.
	passes = 4
	// retryRuns is how many runs of Work pass before it opens everything again
	// in the hope that what did not open then opens now.
	retryRuns = 10
)

// Work rotates the domain keys that are old enough or whose rotation was
// requested, re-wraps the tokens under older versions, and destroys versions
// that nothing is under any more. It goes on where a killed process left off.
// It takes no lock of the database for longer than a few milliseconds.
//
// A version is not destroyed while a token of its domain does not open: nobody
// can tell what that one needs. The error then names the rows; the domain's old
// versions stay until they open, or are gone.
func (c *Custody) Work(ctx context.Context) error {
	c.working.Lock()
	defer c.working.Unlock()
	if err := c.takeAsked(ctx); err != nil {
		return err
	}
	docs, err := readDomainKeys(ctx, c.cfg.Store)
	if err != nil {
		return err
	}
	// One that was stored by an update whose outcome was not known is not in
	// use yet.
	if err := c.installDomainKeys(ctx); err != nil {
		return err
	}
	names, versions := domains(docs)
	rotated := false
	for _, name := range names {
		due, err := c.isDue(ctx, versions[name])
		if err != nil {
			return err
		}
		if !due {
			continue
		}
		if err := c.newVersion(ctx, versions[name][len(versions[name])-1]); err != nil {
			return fmt.Errorf("rotating domain key %s: %w", name, err)
		}
		rotated = true
	}
	return errors.Join(c.retire(ctx, names, rotated), c.truncateLog(ctx))
}

// isDue reports whether a domain key, of which these are the versions, is to be
// rotated.
func (c *Custody) isDue(ctx context.Context, versions []domainKeyDoc) (bool, error) {
	newest := versions[len(versions)-1]
	req, err := readRequest(ctx, c.cfg.Store, newest.Domain)
	if err != nil {
		return false, err
	}
	if req != nil && newest.Version <= req.Version {
		return true, nil
	}
	// A key that was made in the future has no age: this clock is wrong, or that
	// one was, or somebody wants it to live for ever. Inspect tells.
	return c.cfg.Rotation > 0 && c.cfg.Clock().Sub(newest.Created) >= c.cfg.Rotation, nil
}

// newVersion stores the next version of a domain key, and then uses it. In
// that order: what it wraps must never outlive it.
func (c *Custody) newVersion(ctx context.Context, newest domainKeyDoc) error {
	d := domainKeyDoc{
		c.Module.GenerateDomainKey(newest.Domain, newest.Version+1),
		c.cfg.Clock().UTC().Truncate(time.Second),
	}
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	err = c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		if err := c.record(tx, "RotateDomainKey", d.Domain, map[string]any{"domain": d.Domain, "version": d.Version}); err != nil {
			return err
		}
		_, err := tx.Put(store.DomainKeys, store.Row{Key: d.row(), Doc: b})
		return err
	})
	if err != nil {
		return err
	}
	c.cfg.step("stored")
	if err := c.Module.InstallDomainKey(d.DomainKeyToken); err != nil {
		return err
	}
	c.cfg.step("installed")
	c.cfg.Logger.Info("domain key rotated", "domain", d.Domain, "version", d.Version)
	return nil
}

// retire empties and destroys the old versions of the domains.
func (c *Custody) retire(ctx context.Context, names []string, rotated bool) error {
	if c.blocked != nil && !rotated && c.skip > 0 {
		c.skip--
		return c.blocked
	}
	c.blocked = nil
	for range passes {
		var pending []string
		for _, name := range names {
			// The module's, which may have some whose rows are deleted: all
			// that the database has are installed.
			if len(c.Module.DomainKeyVersions(name)) > 1 {
				pending = append(pending, name)
			}
		}
		if pending == nil {
			return nil
		}
		found, err := c.rewrap(ctx, pending)
		if err != nil {
			return fmt.Errorf("re-wrapping key tokens: %w", err)
		}
		c.cfg.step("re-wrapped")
		again := false
		for _, name := range pending {
			if found[name] != nil {
				continue
			}
			err := c.destroy(ctx, name)
			if errors.Is(err, errInUse) {
				again = true
				continue
			}
			if err != nil {
				return fmt.Errorf("destroying old versions of domain key %s: %w", name, err)
			}
		}
		if !again {
			c.blocked, c.skip = found.err(), retryRuns
			return c.blocked
		}
	}
	return nil // there is another run
}

// truncateLog cuts the log when something was destroyed since the last time.
// Somebody who reads can be in the way.
func (c *Custody) truncateLog(ctx context.Context) error {
	st := c.cfg.Store
	_, err := st.Get(ctx, store.Meta, truncateKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := st.TruncateLog(ctx); err != nil {
		if c.busy++; errors.Is(err, store.ErrBusy) && c.busy < retryRuns {
			return nil
		}
		return fmt.Errorf("destroyed keys are still in the database's log: %w", err)
	}
	c.busy = 0
	c.cfg.step("truncated")
	return st.Update(ctx, func(tx *store.Tx) error { return tx.DeleteUnlogged(store.Meta, truncateKey) })
}
