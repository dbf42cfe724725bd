package kms

import (
	"fmt"
	"testing"
)

func TestCacheIsBounded(t *testing.T) {
	c := newCache[string](func(int) int { return 1 })
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

func TestCacheIsBoundedByBytes(t *testing.T) {
	c := newCache[string](func(n int) int { return n })
	inUse := func() (total int) {
		for i := range c.shards {
			sum := 0
			for _, n := range c.shards[i].m {
				sum += n
			}
			if got := c.shards[i].bytes; got != sum {
				t.Fatalf("the shard counts %d bytes, and holds %d", got, sum)
			}
			total += sum
		}
		return total
	}
	for i := range 16 * shardCount {
		k := fmt.Sprint(i % (8 * shardCount)) // each twice, with another size
		c.put(k, shardBytes/3+i, c.generation(k))
		if _, ok := c.get(k); !ok {
			t.Fatalf("%s is not there after put", k)
		}
		if n := inUse(); n > shardCount*shardBytes {
			t.Fatalf("the cache holds %d bytes, want at most %d", n, shardCount*shardBytes)
		}
	}
	c.put("x", shardBytes+1, c.generation("x"))
	if _, ok := c.get("x"); ok {
		t.Error("a value larger than a shard was kept")
	}
	for i := range 8 * shardCount {
		c.drop(fmt.Sprint(i))
	}
	if n := inUse(); n != 0 {
		t.Errorf("the cache holds %d bytes after every drop, want none", n)
	}
}

// A value that was read before a drop must not come back after it.
func TestCacheRefusesStaleValues(t *testing.T) {
	c := newCache[string](func(int) int { return 1 })
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
