package sts

import (
	"crypto/sha256"
	"sync"
)

// cacheHalf is how many sessions each of a cache's two halves holds. One takes
// about 2 KB, and with the largest policies 8 KB.
const cacheHalf = 2048

// cache keeps opened tokens, so that a request with one costs what a request
// with a long-term key does. It holds what was authenticated and nothing that
// depends on the time or on who there is. It is safe for concurrent use.
//
// When the newer half is full it becomes the older one, and what was in that is
// let go: what is used stays, and nothing has to be kept in order.
type cache struct {
	mu           sync.RWMutex
	newer, older map[cacheKey]*session // guarded by mu
}

type cacheKey [sha256.Size]byte

// keyOf names a token together with the access key id that it came with, which
// it is bound to.
func keyOf(id, token string) cacheKey {
	buf := make([]byte, 0, 1024)
	buf = append(append(append(buf, id...), 0), token...)
	return sha256.Sum256(buf)
}

func (c *cache) get(k cacheKey) *session {
	c.mu.RLock()
	s, old := c.newer[k], c.older[k]
	c.mu.RUnlock()
	if s == nil && old != nil {
		c.put(k, old)
		return old
	}
	return s
}

func (c *cache) put(k cacheKey, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.newer) >= cacheHalf {
		c.older, c.newer = c.newer, nil
	}
	if c.newer == nil {
		c.newer = make(map[cacheKey]*session)
	}
	c.newer[k] = s
}
