package kmsdb

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/strongroom/strongroom/internal/store"
)

// GrantNamed returns the grant that has the name and all else that g has but
// its id and date: the error wraps [store.ErrNotFound] when there is none.
func (t *Tx) GrantNamed(g *Grant) (Grant, error) {
	r, err := t.tx.Get(store.KMSGrants, namedRow(g))
	if err != nil {
		return Grant{}, fmt.Errorf("reading grant %q: %w", g.Name, err)
	}
	if err := store.VerifyRow(t.mac, store.KMSGrants, r); err != nil {
		return Grant{}, err
	}
	return t.Grant(g.Key(), string(r.Doc))
}

// CountGrants returns how many grants a key has. The number is kept in a row of
// its own, as that of [Tx.CountKeys] is.
func (t *Tx) CountGrants(key KeyRef) (n int, err error) {
	r, err := t.tx.Get(store.Meta, grantCountRow(key))
	if err == nil {
		n, err = strconv.Atoi(string(r.Doc))
		if err == nil && n >= 0 {
			return n, nil
		}
		err = store.ErrDamaged
	}
	if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
		return 0, fmt.Errorf("counting grants: %w", err)
	}
	q := store.Query{Prefix: key.Row() + "/", Limit: recountPage, KeepDamaged: true}
	for n = 0; ; {
		rows, err := t.tx.List(store.KMSGrants, q)
		if err != nil {
			return 0, fmt.Errorf("counting grants: %w", err)
		}
		if n += len(rows); len(rows) < recountPage {
			return n, nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

func (t *Tx) putGrantCount(key KeyRef, n int) error {
	row := store.Row{Key: grantCountRow(key), Doc: strconv.AppendInt(nil, int64(n), 10)}
	if err := t.tx.PutUnlogged(store.Meta, row); err != nil {
		return fmt.Errorf("counting grants: %w", err)
	}
	return nil
}

// CreateGrant stores a new grant, counts it, and files it under its name and
// its retiring principal.
func (t *Tx) CreateGrant(g *Grant) (err error) {
	n, err := t.CountGrants(g.Key())
	if err != nil {
		return err
	}
	if err := t.putGrantCount(g.Key(), n+1); err != nil {
		return err
	}
	if g.rev, err = t.put(store.KMSGrants, store.Row{Key: g.Ref().Row(), Ref: granteeRef(g.Key(), g.Grantee.ID)}, g); err != nil {
		return err
	}
	if g.Name != "" {
		if err := t.file(store.KMSGrants, store.Row{Key: namedRow(g), Doc: []byte(g.ID)}); err != nil {
			return err
		}
	}
	if g.Retiring.ID == "" {
		return nil
	}
	return t.file(store.KMSGrantRetirers, store.Row{Key: retirerRow(g.Region, g.Retiring.ID, g.Ref()), Ref: g.Key().Row()})
}

// file stores a sealed row that leads to a grant. What a node remembers of
// grants hangs on their own rows, so this one is not in the change feed.
func (t *Tx) file(table store.Table, r store.Row) error {
	store.Seal(t.mac, table, &r)
	r.Rev++ // as Put would; the seal is over that
	if err := t.tx.PutUnlogged(table, r); err != nil {
		return fmt.Errorf("writing %s/%s: %w", table, r.Key, err)
	}
	return nil
}

// DeleteGrant deletes g, at the revision that it was loaded at, and whatever
// leads to it.
func (t *Tx) DeleteGrant(g *Grant) error {
	n, err := t.CountGrants(g.Key())
	if err != nil {
		return err
	}
	if err := t.putGrantCount(g.Key(), max(n-1, 0)); err != nil {
		return err
	}
	if err := t.tx.Delete(store.KMSGrants, g.Ref().Row(), g.rev); err != nil {
		return fmt.Errorf("deleting %s/%s: %w", store.KMSGrants, g.Ref().Row(), err)
	}
	if g.Name != "" {
		// A retry of CreateGrant was answered with this grant alone, so the row
		// leads to no other.
		if err := t.tx.DeleteUnlogged(store.KMSGrants, namedRow(g)); err != nil {
			return fmt.Errorf("deleting %s/%s: %w", store.KMSGrants, namedRow(g), err)
		}
	}
	if g.Retiring.ID != "" {
		row := retirerRow(g.Region, g.Retiring.ID, g.Ref())
		if err := t.tx.DeleteUnlogged(store.KMSGrantRetirers, row); err != nil {
			return fmt.Errorf("deleting %s/%s: %w", store.KMSGrantRetirers, row, err)
		}
	}
	return nil
}

// deleteGrants deletes every grant on a key, whatever has become of its row.
func (t *Tx) deleteGrants(key KeyRef) error {
	if err := t.deleteAll(store.KMSGrants, store.Query{Prefix: key.Row() + "/"}); err != nil {
		return err
	}
	if err := t.deleteQuietly(store.KMSGrants, store.Query{Prefix: namedPrefix(key)}); err != nil {
		return err
	}
	if err := t.deleteQuietly(store.KMSGrantRetirers, store.Query{Ref: key.Row()}); err != nil {
		return err
	}
	return t.tx.DeleteUnlogged(store.Meta, grantCountRow(key))
}

// deleteQuietly deletes what q selects and is not in the change feed.
func (t *Tx) deleteQuietly(table store.Table, q store.Query) error {
	q.Limit, q.KeepDamaged = destroyPage, true
	for {
		rows, err := t.tx.List(table, q)
		if err != nil {
			return fmt.Errorf("listing %s: %w", table, err)
		}
		for _, r := range rows {
			if err := t.tx.DeleteUnlogged(table, r.Key); err != nil {
				return fmt.Errorf("deleting %s/%s: %w", table, r.Key, err)
			}
			q.After = r.Key
		}
		if len(rows) < destroyPage {
			return nil
		}
	}
}
