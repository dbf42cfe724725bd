package s3

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

// call is one operation under way: the gate's call, and what the record of an
// S3 operation has beside it.
type call struct {
	*gate.Call
	s      *Service
	caller identity.Caller
	req    any // a pointer to its wire shape

	in, out    int64  // bytes of object data from and to the client
	sseApplied string // CloudTrail's SSEApplied; empty where it has none
	keyNamed   string // the KMS key's ARN by which an alias was told to a policy; empty: none was asked for
}

// do runs one operation: the trail must be writable, then fn resolves, asks the
// gate, and acts; whatever comes of it is recorded before the answer.
func do[In, Out any](s *Service, c identity.Caller, name string, in *In, fn func(*call) (*Out, error)) (out *Out, err error) {
	call, err := s.begin(c, name, in)
	if err != nil {
		return nil, err
	}
	defer call.End(&err)
	out, err = fn(call)
	return out, call.settle(err)
}

func (s *Service) begin(c identity.Caller, name string, in any) (*call, error) {
	if err := s.gate.Ready(); err != nil {
		return nil, err
	}
	call := &call{Call: s.gate.Begin(c, operations[name]), s: s, caller: c, req: in}
	call.RequestParameters = requestParameters(c.Host, in)
	return call, nil
}

// settle makes the call ready for its record and returns what to answer.
func (c *call) settle(err error) error {
	c.AdditionalEventData = c.additional()
	return outcome(err)
}

// errInDoubt says that it is open whether a transaction was stored.
var errInDoubt = errors.New("s3: the commit failed and may still have been stored")

// update runs a mutation with its audit records in the same transaction. The
// error is errInDoubt when nobody knows whether it was stored; with any other
// error it was not.
func (c *call) update(ctx context.Context, fn func(tx *store.Tx) error) error {
	done := false // fn did all it had to
	err := c.s.store.Update(ctx, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		c.AdditionalEventData = c.additional()
		tx.SetRecord(c.Records()...)
		done = true
		return nil
	})
	switch {
	case err == nil:
		c.Committed()
	case done && !errors.Is(err, store.ErrDiskFull):
		return fmt.Errorf("%w: %w", errInDoubt, err)
	}
	return err
}

// discard removes blobs of a write that failed with err. If the write may have
// been stored after all they stay where they are: Recover settles it at the
// next start, and until then they are found in the staging area.
func (c *call) discard(ctx context.Context, err error, ids ...string) {
	if errors.Is(err, errInDoubt) {
		c.s.log.Error("a commit failed and may still have been stored; the next start settles it", "requestID", c.caller.RequestID, "error", err)
		return
	}
	for _, id := range ids {
		_ = c.s.objects.Remove(context.WithoutCancel(ctx), id) // else Recover does
	}
}

// additional is CloudTrail's additionalEventData.
func (c *call) additional() json.RawMessage {
	m := map[string]any{
		"SignatureVersion":     "SigV4",
		"AuthenticationMethod": c.caller.AuthMethod,
		"bytesTransferredIn":   c.in,
		"bytesTransferredOut":  c.out,
		"x-amz-id-2":           HostID(c.caller.RequestID),
	}
	if c.caller.TLSCipher != "" {
		m["CipherSuite"] = c.caller.TLSCipher
	}
	if c.sseApplied != "" {
		m["SSEApplied"] = c.sseApplied
	}
	b, _ := json.Marshal(m) // strings and numbers always encode
	return b
}

// HostID returns the x-amz-id-2 that belongs to a request id. AWS's is an opaque
// text that helps its support; ours has the same form and repeats the request id.
func HostID(requestID string) string {
	sum := sha512.Sum384([]byte("x-amz-id-2 " + requestID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// respond sets the record's responseElements.
func (c *call) respond(elements map[string]string) {
	c.ResponseElements, _ = json.Marshal(elements) // strings always encode
}

func bucketARN(bucket string) string { return arn.New("s3", "", "", bucket).String() }

func objectARN(bucket, key string) string { return bucketARN(bucket) + "/" + key }

// inRegion refuses a request that was signed for another region.
func (c *call) inRegion(b *bucketRecord) error {
	if b.Region == c.caller.Region {
		return nil
	}
	return awserr.New(s3api.AuthorizationHeaderMalformed, "The authorization header is malformed; the region '%s' is wrong; expecting '%s'",
		c.caller.Region, b.Region).With("Region", b.Region)
}

// bucket loads a bucket's row and checks its seal.
func (s *Service) bucket(ctx context.Context, name string) (*bucketRecord, error) {
	if err := checkBucketName(name); err != nil {
		return nil, err
	}
	row, err := s.store.Get(ctx, store.Buckets, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchBucket(name)
	}
	if err != nil {
		return nil, err
	}
	return s.decodeBucket(row)
}

func (s *Service) decodeBucket(row store.Row) (*bucketRecord, error) {
	if err := store.VerifyRow(s.rowMAC, store.Buckets, row); err != nil {
		return nil, err
	}
	b := new(bucketRecord)
	if err := json.Unmarshal(row.Doc, b); err != nil {
		return nil, tampered("bucket "+row.Key, err)
	}
	return b, nil
}

// stillThere checks inside a transaction that the bucket is the one the
// request was authorised for, and was not deleted since.
func (s *Service) stillThere(tx *store.Tx, b *bucketRecord) error {
	row, err := tx.Get(store.Buckets, b.Name)
	if errors.Is(err, store.ErrNotFound) {
		return noSuchBucket(b.Name)
	}
	if err != nil {
		return err
	}
	now, err := s.decodeBucket(row)
	if err != nil {
		return err
	}
	if now.ID != b.ID {
		return noSuchBucket(b.Name)
	}
	return nil
}

// deref reads an optional string of a wire shape.
func deref[T ~string](p *T) T {
	if p == nil {
		return ""
	}
	return *p
}
