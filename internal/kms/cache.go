package kms

import (
	"hash/maphash"
	"sync"
)

// Bounds of a cache: at most shardCount × shardSize = 16,384 entries, and
// shardCount × shardBytes = 64 MiB.
const (
	shardCount = 64
	shardSize  = 256
	shardBytes = 1 << 20
)

// cache maps names to immutable values. It is safe for concurrent use.
//
// A value that is being loaded while a commit changes it must not stay: the
// loader asks for the generation before it reads, drop moves it on, and put
// with an old generation does nothing. Generations are per shard, so a commit
// costs the loads of a sixty-fourth of all names at most one more read each.
type cache[K comparable, V any] struct {
	size   func(V) int // about how many bytes a value takes; always the same for one value
	seed   maphash.Seed
	shards [shardCount]shard[K, V]
}

type shard[K comparable, V any] struct {
	mu    sync.RWMutex // guards the fields below
	m     map[K]V
	bytes int // of the values
	gen   uint64
}

func newCache[K comparable, V any](size func(V) int) *cache[K, V] {
	c := &cache[K, V]{size: size, seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].m = make(map[K]V)
	}
	return c
}

func (c *cache[K, V]) shard(k K) *shard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, k)%shardCount]
}

func (c *cache[K, V]) get(k K) (V, bool) {
	s := c.shard(k)
	s.mu.RLock()
	v, ok := s.m[k]
	s.mu.RUnlock()
	return v, ok
}

// generation is what put wants to know; call it before reading the value.
func (c *cache[K, V]) generation(k K) uint64 {
	s := c.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.gen
}

// put keeps v unless something of k's shard was dropped since generation
// returned gen, or v alone is larger than a shard. A full shard gives up any
// entries: the map's order is as good as chance, and a wrong choice costs one
// read.
func (c *cache[K, V]) put(k K, v V, gen uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := c.size(v)
	if s.gen != gen || n > shardBytes {
		return
	}
	c.remove(s, k)
	for victim := range s.m {
		if len(s.m) < shardSize && s.bytes+n <= shardBytes {
			break
		}
		c.remove(s, victim)
	}
	s.m[k] = v
	s.bytes += n
}

// remove takes k out of s, whose lock the caller holds.
func (c *cache[K, V]) remove(s *shard[K, V], k K) {
	if v, ok := s.m[k]; ok {
		s.bytes -= c.size(v)
		delete(s.m, k)
	}
}

// drop forgets k and keeps loads that are under way from bringing it back.
func (c *cache[K, V]) drop(k K) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	c.remove(s, k)
}
