package kms

import (
	"fmt"
	"testing"
)

func TestCacheIsBounded(t *testing.T) {
	c := newCache[string, int]()
	for i := range 4 * shardCount * shardSize {
		k := fmt.Sprint(i)
		c.put(k, i, c.generation(k))
		if v, ok := c.get(k); !ok || v != i {
			t.Fatalf("%s is %d, %t after put", k, v, ok)
		}
	}
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].m)
	}
	if n > shardCount*shardSize {
		t.Errorf("the cache holds %d entries, want at most %d", n, shardCount*shardSize)
	}
}

// A value that was read before a drop must not come back after it.
func TestCacheRefusesStaleValues(t *testing.T) {
	c := newCache[string, int]()
	gen := c.generation("k")
	c.drop("k")
	c.put("k", 1, gen)
	if _, ok := c.get("k"); ok {
		t.Error("a value older than the drop was kept")
	}
	c.put("k", 2, c.generation("k"))
	if v, _ := c.get("k"); v != 2 {
		t.Errorf("the value is %d, want 2", v)
	}
	c.drop("k")
	if _, ok := c.get("k"); ok {
		t.Error("a dropped value is still there")
	}
}
