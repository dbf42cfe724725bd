package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/store"
)

// A tombstone that has rotted, or that leads to nothing but rotted rows, can never
// be worked off. It is not tried again and again: its row stays, with another
// reference, for an operator to see. What it named stays on the disk, sealed, and
// no object refers to it.

// setAsideRef is the reference of a tombstone that was set aside; no bucket's id.
const setAsideRef = "setaside"

// setAside takes a tombstone out of the collector's way, because of cause. It is
// logged once in a process, even if its row should turn up again, which a row does
// whose key has rotted.
func (s *Service) setAside(ctx context.Context, row store.Row, cause error) error {
	if s.aside[row.Key] {
		return nil
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		return tx.PutUnlogged(store.Uploads, store.Row{Key: row.Key, Rev: max(row.Rev, 0), Ref: setAsideRef, Doc: row.Doc})
	})
	if err != nil {
		return err
	}
	if s.aside == nil {
		s.aside = map[string]bool{}
	}
	s.aside[row.Key] = true
	s.log.Error("a deletion cannot be completed and is set aside: what it lets go of stays on the disk; see strongroom doctor",
		"tombstone", row.Key, "error", cause)
	return nil
}

// SetAside returns the row keys of the deletions that could not be completed, at
// most limit.
func SetAside(ctx context.Context, st *store.Store, limit int) ([]string, error) {
	rows, err := st.List(ctx, store.Uploads, store.Query{Ref: setAsideRef, Limit: limit, KeepDamaged: true})
	var keys []string
	for _, row := range rows {
		keys = append(keys, row.Key)
	}
	return keys, err
}
