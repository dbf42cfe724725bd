package storetest

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

func testList(t *testing.T, d *database) {
	// In bytewise order, which no natural language has.
	keys := []string{"A", "B", "a", "a/", "a/1", "a/10", "a/2", "a0", "aé", "b", "z", "é", "\uD7FF", "\uE000", "\U0001F512", "\U0010FFFF"}
	for i, k := range keys {
		ref := ""
		if i%2 == 0 {
			ref = "even"
		}
		d.put(store.Objects, store.Row{Key: k, Ref: ref})
	}
	d.put(store.Uploads, store.Row{Key: "a/other table", Ref: "even"})
	for _, tt := range []struct {
		name string
		q    store.Query
		want []string
	}{
		{"all", store.Query{}, keys},
		{"limit", store.Query{Limit: 2}, []string{"A", "B"}},
		{"prefix", store.Query{Prefix: "a/"}, []string{"a/", "a/1", "a/10", "a/2"}},
		{"prefix and limit", store.Query{Prefix: "a/", Limit: 3}, []string{"a/", "a/1", "a/10"}},
		{"prefix that is a whole key", store.Query{Prefix: "b"}, []string{"b"}},
		{"prefix of nothing", store.Query{Prefix: "c"}, nil},
		{"prefix before the surrogates", store.Query{Prefix: "\uD7FF"}, []string{"\uD7FF"}},
		{"prefix at the very end", store.Query{Prefix: "\U0010FFFF"}, []string{"\U0010FFFF"}},
		{"after is exclusive", store.Query{After: "b"}, keys[10:]},
		{"after what is not there", store.Query{After: "c"}, keys[10:]},
		{"after all", store.Query{After: "\U0010FFFF"}, nil},
		{"after within prefix", store.Query{Prefix: "a/", After: "a/1"}, []string{"a/10", "a/2"}},
		{"after before prefix", store.Query{Prefix: "a/", After: "A"}, []string{"a/", "a/1", "a/10", "a/2"}},
		{"after beyond prefix", store.Query{Prefix: "a/", After: "b"}, nil},
		{"after equal to prefix", store.Query{Prefix: "a/", After: "a/"}, []string{"a/1", "a/10", "a/2"}},
		{"from is inclusive", store.Query{From: "b"}, keys[9:]},
		{"from and after the same", store.Query{From: "b", After: "b"}, keys[10:]},
		{"from beyond after", store.Query{From: "z", After: "b"}, keys[10:]},
		{"ref", store.Query{Ref: "even"}, []string{"A", "a", "a/1", "a/2", "aé", "z", "\uD7FF", "\U0001F512"}},
		{"ref, prefix, after, limit", store.Query{Ref: "even", Prefix: "a", After: "a/1", Limit: 1}, []string{"a/2"}},
		{"ref of nothing", store.Query{Ref: "odd"}, nil},
	} {
		t.Log(tt.name)
		if tt.q.Limit == 0 {
			tt.q.Limit = 100
		}
		rows, err := d.List(t.Context(), store.Objects, tt.q)
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, rows, tt.want...)
		err = d.Update(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.List(store.Objects, tt.q)
			wantKeys(t, rows, tt.want...)
			return err
		})
		wantErr(t, err, nil)
	}
}

func testListPages(t *testing.T, d *database) {
	var want []string
	err := d.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 257 {
			want = append(want, fmt.Sprintf("k/%03d", i))
			if _, err := tx.Put(store.Parts, store.Row{Key: want[i]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 16, 257, 1000} {
		var got []store.Row
		for after := ""; ; {
			rows, err := d.List(t.Context(), store.Parts, store.Query{Prefix: "k/", After: after, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				break
			}
			got = append(got, rows...)
			after = rows[len(rows)-1].Key
		}
		wantKeys(t, got, want...)
	}
}
