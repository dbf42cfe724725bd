package kmsdb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/internal/store"
)

// examineGrants checks the rows of grants and those that lead to them.
func (d *DB) examineGrants(ctx context.Context) error {
	key := "" // the row of the key that the last grant was on
	err := d.each(ctx, store.KMSGrants, func(r store.Row) error {
		if strings.HasPrefix(r.Key, named+"/") {
			return d.examineNamed(ctx, r)
		}
		g, err := decodeGrant(d.mac, r)
		if err != nil {
			return err
		}
		if row := g.Key().Row(); row != key {
			if _, err := d.store.Get(ctx, store.KMSKeys, row); err != nil {
				return fmt.Errorf("the key of grant %s: %w", r.Key, err)
			}
			key = row
		}
		return d.examineFiling(ctx, &g)
	})
	if err != nil {
		return err
	}
	return d.each(ctx, store.KMSGrantRetirers, func(r store.Row) error {
		region, _, _ := strings.Cut(r.Key, "/")
		key, id, err := openRetirer(d.mac, r, region)
		if err != nil {
			return err
		}
		g, err := d.Grant(ctx, key, id)
		if err == nil && retirerRow(region, g.Retiring.ID, g.Ref()) != r.Key {
			err = errors.New("the grant has another retiring principal")
		}
		return inRow(store.KMSGrantRetirers, r, err)
	})
}

// examineNamed checks that a row of a grant's name leads to that grant.
func (d *DB) examineNamed(ctx context.Context, r store.Row) error {
	if err := store.VerifyRow(d.mac, store.KMSGrants, r); err != nil {
		return err
	}
	row := strings.TrimPrefix(r.Key, named+"/")
	ref, ok := ParseKeyRow(row[:max(strings.LastIndexByte(row, '/'), 0)])
	if !ok {
		return inRow(store.KMSGrants, r, errors.New("it names no key"))
	}
	g, err := d.Grant(ctx, ref, string(r.Doc))
	if err == nil && namedRow(&g) != r.Key {
		err = errors.New("the grant says something else than what it is filed under")
	}
	return inRow(store.KMSGrants, r, err)
}

// examineFiling checks that the rows that lead to g are there: without one a
// retiring principal would not find its grant, and a repeated CreateGrant would
// make a second one.
func (d *DB) examineFiling(ctx context.Context, g *Grant) error {
	if g.Name != "" {
		if _, err := d.store.Get(ctx, store.KMSGrants, namedRow(g)); err != nil {
			return fmt.Errorf("grant %s is not found by its name: %w", g.Ref().Row(), err)
		}
	}
	if g.Retiring.ID == "" {
		return nil
	}
	if _, err := d.store.Get(ctx, store.KMSGrantRetirers, retirerRow(g.Region, g.Retiring.ID, g.Ref())); err != nil {
		return fmt.Errorf("grant %s is not found by its retiring principal: %w", g.Ref().Row(), err)
	}
	return nil
}

// each calls fn for every row of a table, until it fails.
func (d *DB) each(ctx context.Context, t store.Table, fn func(store.Row) error) error {
	for after := ""; ; {
		rows, err := d.store.List(ctx, t, store.Query{After: after, Limit: examineBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if err := fn(r); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].Key
	}
}

func inRow(t store.Table, r store.Row, err error) error {
	if err != nil {
		return fmt.Errorf("row %s/%s: %w", t, r.Key, err)
	}
	return nil
}
