package iam

import (
	"hash/maphash"
	"maps"
)

// shardCount is how many maps a table has: a change copies one of them, so with
// 10,000 rows about 80 entries.
const shardCount = 128

// table is a map that is changed by copying a part of it: an index that readers
// hold is never written to. The zero value is not usable; see newTable.
type table[V any] struct {
	seed   maphash.Seed
	shards [shardCount]map[string]V
	owned  [shardCount]bool // the map is not shared with another table
}

func newTable[V any](seed maphash.Seed) *table[V] { return &table[V]{seed: seed} }

// clone returns a table that can be changed while t is read.
func (t *table[V]) clone() *table[V] { return &table[V]{seed: t.seed, shards: t.shards} }

func (t *table[V]) get(key string) (V, bool) {
	v, ok := t.shards[maphash.String(t.seed, key)%shardCount][key]
	return v, ok
}

// set puts or, with ok false, removes. Only who has just made or cloned t may.
func (t *table[V]) set(key string, v V, ok bool) {
	i := maphash.String(t.seed, key) % shardCount
	if !t.owned[i] {
		t.shards[i] = maps.Clone(t.shards[i])
		if t.shards[i] == nil {
			t.shards[i] = map[string]V{}
		}
		t.owned[i] = true
	}
	if ok {
		t.shards[i][key] = v
	} else {
		delete(t.shards[i], key)
	}
}

// all visits every value, in no order.
func (t *table[V]) all(yield func(string, V) bool) {
	for _, m := range t.shards {
		for k, v := range m {
			if !yield(k, v) {
				return
			}
		}
	}
}
