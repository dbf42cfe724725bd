package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/store"
)

// An object or upload may have 10,000 parts, and a bucket any number of
// uploads. The transaction that lets go of them leaves one row, a tombstone,
// that says what nothing refers to any more; the collector works it off in
// transactions that hold up no one for long, each of which does part of the
// work for good. So a crash in between costs nothing, and the next start goes
// on.
//
// Tombstones are in the table of uploads, under keys that no bucket's name
// begins.
const (
	tombstone       = "doomed"   // their reference; no bucket's id
	tombstoneParts  = ".parts/"  // and an upload's id: its parts
	tombstoneBucket = ".bucket/" // and a bucket's id: the uploads that have it for a reference
)

// partsTombstone is the document of a tombstone of parts.
type partsTombstone struct {
	Version int     `json:"version"`
	Parts   []int32 `json:"parts,omitempty"` // none: all of the upload's
}

// entombParts lets go of parts of an upload that has ended: of those with the
// numbers, or of all when there is none. All takes the place of some.
func entombParts(tx *store.Tx, uploadID string, numbers []int32) error {
	doc, err := json.Marshal(partsTombstone{Version: recordVersion, Parts: numbers})
	if err != nil {
		return err
	}
	return tx.PutUnlogged(store.Uploads, store.Row{Key: tombstoneParts + uploadID, Ref: tombstone, Doc: doc})
}

// entombUploads lets go of all uploads of a bucket.
func entombUploads(tx *store.Tx, bucketID string) error {
	return tx.PutUnlogged(store.Uploads, store.Row{Key: tombstoneBucket + bucketID, Ref: tombstone})
}

// workOff works off every tombstone. One that cannot be does not keep the
// others.
func (s *Service) workOff(ctx context.Context) error {
	var errs []error
	// Tombstones go as they are worked off, and buckets turn into parts, so each
	// page begins at the start. Those that stay are in stuck; no page begins after
	// one of them, because a rotted key may be any.
	stuck := map[string]bool{}
	for {
		limit := collectBatch + len(stuck)
		rows, err := s.store.List(ctx, store.Uploads, store.Query{Ref: tombstone, Limit: limit, KeepDamaged: true})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		rows = slices.DeleteFunc(rows, func(row store.Row) bool { return stuck[row.Key] })
		if len(rows) == 0 {
			return errors.Join(errs...)
		}
		for _, row := range rows {
			err := row.Damaged
			for more := true; more && err == nil; {
				more, err = s.workOn(ctx, row.Key)
			}
			if errors.Is(err, store.ErrDamaged) || errors.Is(err, ErrTampered) {
				stuck[row.Key] = true // if its key has rotted
				err = s.setAside(ctx, row, err)
			}
			if err != nil {
				stuck[row.Key] = true
				errs = append(errs, fmt.Errorf("tombstone %s: %w", row.Key, err))
			}
		}
	}
}

// workOn does one transaction's worth of a tombstone, and removes it when
// nothing is left to do.
func (s *Service) workOn(ctx context.Context, key string) (more bool, err error) {
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := tx.Get(store.Uploads, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if id, ok := strings.CutPrefix(key, tombstoneBucket); ok {
			more, err = s.endUploads(tx, id)
		} else {
			more, err = s.dropParts(tx, strings.TrimPrefix(key, tombstoneParts), row)
		}
		if err != nil || more {
			return err
		}
		return tx.DeleteUnlogged(store.Uploads, key)
	})
	return more && err == nil, err
}

// endUploads ends a batch of the uploads of a bucket that is gone.
func (s *Service) endUploads(tx *store.Tx, bucketID string) (more bool, err error) {
	rows, err := tx.List(store.Uploads, store.Query{Ref: bucketID, Limit: collectBatch, KeepDamaged: true})
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		id := uploadIDOf(row.Key)
		if row.Damaged != nil {
			// Its key is all that is wanted of it.
			s.log.Error("ending an upload whose row is damaged", "error", row.Damaged)
		}
		if validUploadID(id) {
			if err := entombParts(tx, id, nil); err != nil {
				return false, err
			}
		}
		if err := tx.DeleteUnlogged(store.Uploads, row.Key); err != nil {
			return false, err
		}
	}
	return goOn(rows)
}

// goOn reports whether a batch that was worked off leaves something to do. One
// of nothing but damaged rows is an error: those that cannot be deleted by their
// keys would come again and again.
func goOn(batch []store.Row) (more bool, err error) {
	if len(batch) < collectBatch {
		return false, nil
	}
	if !slices.ContainsFunc(batch, func(row store.Row) bool { return row.Damaged == nil }) {
		return false, batch[0].Damaged
	}
	return true, nil
}

// dropParts deletes a batch of the rows of parts that a tombstone names, and
// dooms their blobs.
func (s *Service) dropParts(tx *store.Tx, uploadID string, row store.Row) (more bool, err error) {
	var doc partsTombstone
	if err := json.Unmarshal(row.Doc, &doc); err != nil {
		return false, tampered("tombstone "+row.Key, err)
	}
	if len(doc.Parts) == 0 {
		rows, err := tx.List(store.Parts, store.Query{Prefix: uploadID + "/", Limit: collectBatch, KeepDamaged: true})
		if err != nil {
			return false, err
		}
		for _, part := range rows {
			if err := s.dropPart(tx, part); err != nil {
				return false, err
			}
		}
		return goOn(rows)
	}
	batch := doc.Parts[:min(len(doc.Parts), collectBatch)]
	for _, number := range batch {
		part, err := tx.Get(store.Parts, partRowKey(uploadID, number))
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case errors.Is(err, store.ErrDamaged):
			part = store.Row{Key: partRowKey(uploadID, number), Damaged: err}
		case err != nil:
			return false, err
		}
		if err := s.dropPart(tx, part); err != nil {
			return false, err
		}
	}
	rest := doc.Parts[len(batch):]
	if len(rest) == 0 {
		return false, nil
	}
	return true, entombParts(tx, uploadID, rest)
}

// dropPart deletes the row of a part and dooms its blob. Which blob it was
// cannot be told from a row that has rotted: the blob stays.
func (s *Service) dropPart(tx *store.Tx, row store.Row) error {
	var doc partDoc
	err := row.Damaged
	if err == nil {
		err = json.Unmarshal(row.Doc, &doc)
	}
	if err != nil || doc.Blob == "" {
		s.log.Error("dropping a part whose row cannot be read; its blob stays", "part", row.Key, "error", err)
	} else if err := doomBlob(tx, doc.Blob); err != nil {
		return err
	}
	return tx.DeleteUnlogged(store.Parts, row.Key)
}

// partNumberOf takes the number off the key of a part's row.
func partNumberOf(rowKey string) (int32, error) {
	number, err := strconv.ParseInt(rowKey[strings.LastIndexByte(rowKey, '/')+1:], 10, 32)
	return int32(number), err
}
