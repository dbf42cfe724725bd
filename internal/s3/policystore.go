package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"

	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// policyRecord is the document of a bucket's policy: an authority row, sealed by
// a MAC. The bucket's own row names it by its id, so that neither a policy that
// was taken away nor an older one that was put back goes unnoticed.
type policyRecord struct {
	Version int    `json:"version"`
	ID      string `json:"id"`     // of this text of the policy, new with each PutBucketPolicy
	Bucket  string `json:"bucket"` // id of the bucket
	// Policy is the policy as it came, but for the principals, which are unique
	// ids (policy.Document.Stored).
	Policy []byte `json:"policy"`
}

// errStalePolicy says that a bucket and its policy were not read at one time.
var errStalePolicy = errors.New("s3: the policy is not the one that the bucket names")

// policyOf returns the policy of b, compiled; nil when it has none. A policy
// that was changed by another hand than the server's is refused by name, and
// with it every request for the bucket.
//
// That a change of the policy counts before PutBucketPolicy answers is the doing
// of the bucket's row, which every request reads, and which names the policy.
func (s *Service) policyOf(ctx context.Context, b *bucketRecord) (*policy.Document, error) {
	if b.Policy == "" {
		return nil, nil
	}
	if d, ok := s.policies.get(b.Name, b.Policy); ok {
		return d, nil
	}
	for id, tries := b.Policy, 0; ; tries++ {
		d, err := s.loadPolicy(ctx, b.Name, b.ID, id)
		if err == nil {
			s.policies.put(b.Name, id, d)
			return d, nil
		}
		if !errors.Is(err, errStalePolicy) || tries == 3 {
			return nil, tampered("policy of bucket "+b.Name, err)
		}
		now, err := s.bucket(ctx, b.Name)
		switch {
		case err != nil:
			return nil, err
		case now.ID != b.ID:
			return nil, noSuchBucket(b.Name)
		case now.Policy == "":
			return nil, nil
		}
		id = now.Policy
	}
}

// loadPolicy reads the policy id of a bucket.
func (s *Service) loadPolicy(ctx context.Context, bucket, bucketID, id string) (*policy.Document, error) {
	row, err := s.store.Get(ctx, store.BucketPolicies, bucket)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errStalePolicy
	}
	if err != nil {
		return nil, err
	}
	record, err := s.decodePolicy(row)
	if err != nil {
		return nil, err
	}
	if record.ID != id || record.Bucket != bucketID {
		return nil, errStalePolicy
	}
	return policy.Parse(policy.Bucket, record.Policy)
}

func (s *Service) decodePolicy(row store.Row) (policyRecord, error) {
	var p policyRecord
	if err := store.VerifyRow(s.rowMAC, store.BucketPolicies, row); err != nil {
		return p, err
	}
	if err := json.Unmarshal(row.Doc, &p); err != nil {
		return p, err
	}
	return p, nil
}

// setPolicy stores d, whose principals are unique ids, as the policy of the
// bucket b; nil takes the policy away. It reports whether that changed anything.
func (s *Service) setPolicy(tx *store.Tx, b *bucketRecord, d *policy.Document) (changed bool, err error) {
	row, err := tx.Get(store.Buckets, b.Name)
	if errors.Is(err, store.ErrNotFound) {
		return false, noSuchBucket(b.Name)
	}
	if err != nil {
		return false, err
	}
	now, err := s.decodeBucket(row)
	if err != nil {
		return false, err
	}
	if now.ID != b.ID {
		return false, noSuchBucket(b.Name)
	}
	old, err := tx.Get(store.BucketPolicies, b.Name)
	there := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	switch {
	case d == nil && !there && now.Policy == "":
		return false, nil
	case d == nil:
		now.Policy = ""
		if there {
			err = tx.Delete(store.BucketPolicies, old.Key, old.Rev)
		} else {
			err = nil
		}
	default:
		now.Policy, err = newPolicyID()
		if err == nil {
			record := policyRecord{Version: recordVersion, ID: now.Policy, Bucket: now.ID, Policy: d.Text()}
			err = s.putAuthority(tx, store.BucketPolicies, store.Row{Key: b.Name, Rev: old.Rev, Ref: b.Account}, record)
		}
	}
	if err != nil {
		return false, err
	}
	return true, s.putAuthority(tx, store.Buckets, store.Row{Key: row.Key, Rev: row.Rev, Ref: row.Ref}, now)
}

// putAuthority stores a row with v as its document, sealed.
func (s *Service) putAuthority(tx *store.Tx, table store.Table, row store.Row, v any) (err error) {
	if row.Doc, err = json.Marshal(v); err != nil {
		return err
	}
	store.Seal(s.rowMAC, table, &row)
	_, err = tx.Put(table, row)
	return err
}

// newPolicyID makes an id of 128 random bits.
func newPolicyID() (string, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(id[:]), nil
}

// The greatest number of compiled policies that are held, and of the bytes of
// their texts.
const (
	maxPolicies    = 4096
	maxPolicyBytes = 16 << 20
)

// policyCache holds the compiled policy of each bucket, by the bucket's name. One
// that was changed is dropped, though nothing names it any more: an older row of
// the bucket, put back by another hand, should not find it here. It is safe for
// concurrent use.
type policyCache struct {
	mu    sync.RWMutex // guards the fields below
	m     map[string]compiledPolicy
	bytes int // of the texts
}

// compiledPolicy is a policy with its id, which is of one text for ever.
type compiledPolicy struct {
	id string
	*policy.Document
}

// get returns the policy id of a bucket.
func (c *policyCache) get(bucket, id string) (*policy.Document, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := c.m[bucket]
	return p.Document, p.Document != nil && p.id == id
}

// put keeps d. A full cache gives up any others: the map's order is as good as
// chance, and a wrong choice costs one read.
func (c *policyCache) put(bucket, id string, d *policy.Document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[string]compiledPolicy{}
	}
	c.remove(bucket)
	for victim := range c.m {
		if len(c.m) < maxPolicies && c.bytes+len(d.Text()) <= maxPolicyBytes {
			break
		}
		c.remove(victim)
	}
	c.m[bucket] = compiledPolicy{id, d}
	c.bytes += len(d.Text())
}

// forget drops the policies that a commit changed.
func (c *policyCache) forget(changes []store.Change) {
	for _, change := range changes {
		if change.Table == store.BucketPolicies {
			c.mu.Lock()
			c.remove(change.Key)
			c.mu.Unlock()
		}
	}
}

// remove forgets the policy of a bucket. The caller holds the lock.
func (c *policyCache) remove(bucket string) {
	if p, ok := c.m[bucket]; ok {
		c.bytes -= len(p.Text())
		delete(c.m, bucket)
	}
}
