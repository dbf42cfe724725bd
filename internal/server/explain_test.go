package server

import (
	"errors"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/store"
)

// TestExplainRefusesTamperedRows: a policy or a principal that somebody has
// widened by hand, with the right checksum, is named, and nothing is answered.
func TestExplainRefusesTamperedRows(t *testing.T) {
	h := newHouse(t)
	grow := func(r *rawRow) { r.doc = append(r.doc, ' ') } // JSON still, of the same meaning
	for _, tt := range []struct{ table, key string }{
		{"kms_keys", h.keyRow}, {"kms_aliases", h.aliasRow}, {"buckets", "bucket"}, {"accounts", DefaultAccount},
	} {
		t.Run(tt.table, func(t *testing.T) {
			dir := h.copied(t)
			q := Question{Principal: identity.RootARN(DefaultAccount), Action: "kms:Decrypt", Resource: h.key}
			if e, err := Explain(t.Context(), Config{DataDir: dir}, q); err != nil || !e.Allowed {
				t.Fatalf("got allowed %v (%v) before the row was changed, want it", e.Allowed, err)
			}
			change(t, dir, tt.table, tt.key, true, grow)
			_, err := Explain(t.Context(), Config{DataDir: dir}, q)
			if bad, ok := errors.AsType[*store.TamperedError](err); !ok || string(bad.Table) != tt.table || bad.Key != tt.key {
				t.Errorf("explain: got %v, want row %s/%s named", err, tt.table, tt.key)
			}
			_, err = WhoCan(t.Context(), Config{DataDir: dir}, WhoCanQuestion{Action: "kms:Decrypt", Resource: h.key})
			if bad, ok := errors.AsType[*store.TamperedError](err); !ok || bad.Key != tt.key {
				t.Errorf("who-can: got %v, want row %s/%s named", err, tt.table, tt.key)
			}
		})
	}
}
