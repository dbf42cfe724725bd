package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/store"
)

// testModel does random updates to the store and to maps, opening the store
// anew in between, and wants the same answers and the same content.
func testModel(t *testing.T, d *database) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(t, d)
		rt.Repeat(map[string]func(*rapid.T){
			"update": m.update,
			"list":   m.list,
			"reopen": m.reopen,
			"":       m.compare,
		})
	})
}

type model struct {
	t    *testing.T
	d    *database
	rows map[store.Table]map[string]store.Row
	feed []store.Change // time left out
	base int64          // the feed's position when the model began
}

var (
	modelTables = []store.Table{store.KMSKeys, store.Objects}
	modelKey    = rapid.StringOfN(rapid.SampledFrom([]rune("ab/é")), 1, 4, -1)
	modelRef    = rapid.SampledFrom([]string{"", "a", "b"})
)

// newModel empties the tables, since rapid begins many times on one database.
func newModel(t *testing.T, d *database) *model {
	m := &model{t: t, d: d, rows: map[store.Table]map[string]store.Row{}}
	err := d.Update(t.Context(), func(tx *store.Tx) error {
		for _, table := range modelTables {
			m.rows[table] = map[string]store.Row{}
			rows, err := tx.List(table, store.Query{Limit: 1000})
			if err != nil {
				return err
			}
			for _, r := range rows {
				if err := tx.DeleteUnlogged(table, r.Key); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m.base, err = d.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// update does a few operations in one transaction, which may fail at its end.
func (m *model) update(rt *rapid.T) {
	fail := rapid.IntRange(0, 3).Draw(rt, "fail") == 0
	record := rapid.Bool().Draw(rt, "record")
	rows := map[store.Table]map[string]store.Row{}
	for table, r := range m.rows {
		rows[table] = maps.Clone(r)
	}
	var feed []store.Change
	err := m.d.Update(m.t.Context(), func(tx *store.Tx) error {
		for range rapid.IntRange(1, 4).Draw(rt, "operations") {
			table := rapid.SampledFrom(modelTables).Draw(rt, "table")
			if c, ok := operate(rt, tx, table, rows[table]); ok {
				feed = append(feed, c)
			}
		}
		if record && len(feed) > 0 {
			feed[0].Record = []byte("{}")
			tx.SetRecord(feed[0].Record)
		}
		if fail {
			return errMine
		}
		return nil
	})
	switch {
	case fail && !errors.Is(err, errMine):
		rt.Fatalf("got error %v, want %v", err, errMine)
	case fail:
	case err != nil:
		rt.Fatal(err)
	default:
		m.rows, m.feed = rows, append(m.feed, feed...)
	}
}

// operate does one operation on the table and on its model.
func operate(rt *rapid.T, tx *store.Tx, table store.Table, rows map[string]store.Row) (c store.Change, logged bool) {
	r := store.Row{
		Key: modelKey.Draw(rt, "key"),
		Rev: int64(rapid.IntRange(0, 3).Draw(rt, "revision")),
		Ref: modelRef.Draw(rt, "ref"),
		Doc: []byte(modelKey.Draw(rt, "document")),
	}
	old := rows[r.Key]
	_, there := rows[r.Key]
	if rapid.Bool().Draw(rt, "right revision") {
		r.Rev = old.Rev
	}
	fits := there && r.Rev == old.Rev && r.Rev > 0
	want := func(err error, ok bool) {
		if ok && err != nil || !ok && !errors.Is(err, store.ErrConflict) {
			rt.Fatalf("%s at revision %d: got error %v", r.Key, r.Rev, err)
		}
	}
	switch rapid.SampledFrom([]string{"put", "delete", "put unlogged", "delete unlogged"}).Draw(rt, "operation") {
	case "put":
		rev, err := tx.Put(table, r)
		ok := fits || !there && r.Rev == 0
		want(err, ok)
		if !ok {
			return c, false
		}
		r.Rev++
		if rev != r.Rev {
			rt.Fatalf("got revision %d, want %d", rev, r.Rev)
		}
		rows[r.Key] = r
		return store.Change{Table: table, Key: r.Key, Rev: rev}, true
	case "delete":
		ok := there && r.Rev == old.Rev
		want(tx.Delete(table, r.Key, r.Rev), ok)
		if !ok {
			return c, false
		}
		delete(rows, r.Key)
		return store.Change{Table: table, Key: r.Key}, true
	case "put unlogged":
		want(tx.PutUnlogged(table, r), true)
		rows[r.Key] = r
	case "delete unlogged":
		want(tx.DeleteUnlogged(table, r.Key), true)
		delete(rows, r.Key)
	}
	return c, false
}

// list asks for a random part of a table.
func (m *model) list(rt *rapid.T) {
	table := rapid.SampledFrom(modelTables).Draw(rt, "table")
	bound := rapid.OneOf(rapid.Just(""), modelKey)
	q := store.Query{
		Prefix: bound.Draw(rt, "prefix"),
		After:  bound.Draw(rt, "after"),
		From:   bound.Draw(rt, "from"),
		Ref:    modelRef.Draw(rt, "ref"),
		Limit:  rapid.IntRange(1, 10).Draw(rt, "limit"),
	}
	var want []string
	for _, k := range slices.Sorted(maps.Keys(m.rows[table])) {
		if strings.HasPrefix(k, q.Prefix) && k > q.After && k >= q.From && (q.Ref == "" || m.rows[table][k].Ref == q.Ref) {
			want = append(want, k)
		}
	}
	got, err := m.d.List(m.t.Context(), table, q)
	if err != nil {
		rt.Fatal(err)
	}
	wantKeys(m.t, got, want[:min(len(want), q.Limit)]...)
}

// reopen is rare: it takes as long as many updates.
func (m *model) reopen(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "reopen") == 0 {
		m.d.reopen()
	}
}

// compare reads everything.
func (m *model) compare(rt *rapid.T) {
	for _, table := range modelTables {
		got, err := m.d.List(m.t.Context(), table, store.Query{Limit: 1000})
		if err != nil {
			rt.Fatal(err)
		}
		wantKeys(m.t, got, slices.Sorted(maps.Keys(m.rows[table]))...)
		for _, r := range got {
			wantRow(m.t, r, m.rows[table][r.Key])
		}
	}
	got, err := m.d.Changes(m.t.Context(), m.base, len(m.feed)+1)
	if err != nil || len(got) != len(m.feed) {
		rt.Fatalf("got %d changes, %v, want %d", len(got), err, len(m.feed))
	}
	for i, c := range got {
		want := m.feed[i]
		if c.Seq != m.base+int64(i)+1 || c.Table != want.Table || c.Key != want.Key || c.Rev != want.Rev || string(c.Record) != string(want.Record) {
			rt.Fatalf("got change %v, want %v", c, want)
		}
	}
	if m.t.Failed() {
		rt.FailNow()
	}
}
