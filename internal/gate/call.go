package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
)

// Call is one operation on its way from the decision to its record. It belongs
// to one goroutine.
type Call struct {
	Caller identity.Caller
	Op     Operation

	// What the record says beside the outcome: each nil, or one JSON value that
	// holds nothing CloudTrail leaves out (plaintext, ciphertext, tokens).
	// RequestParameters are not recorded for a call that was denied.
	RequestParameters   json.RawMessage
	ResponseElements    json.RawMessage // mutations only; recorded on success only
	AdditionalEventData json.RawMessage

	gate       *Gate
	evaluation evaluation
	resources  []audit.Resource
	denied     bool            // a decision was a denial
	decision   json.RawMessage // the first that was, for the record
	stamp      *stamp          // nil until the record is first made
	streaming  *stamp          // of the record that Streaming wrote
	committed  bool
	finished   bool

	owners        []ownerEvent // other accounts whose resources the call is about
	sharedEventID string       // of the records of the call, when there are owners
}

// Authorize decides one request of this call. An empty Action is that of the
// operation. It returns nil, or an *awserr.Error of code AccessDenied with
// AWS's text; any other error says that what the caller may do cannot be told.
// A call may ask more than once; it makes one record all the same.
func (c *Call) Authorize(r Request) error {
	err := c.Permits(r)
	if err != nil && !c.denied {
		c.denied = true
		if errors.Is(err, AccessDenied) {
			c.decision = c.evaluation.recorded()
		}
	}
	return err
}

// Permits decides as Authorize does, for one of many resources of a call that
// leaves out those it is denied and goes on: the call itself is not denied.
func (c *Call) Permits(r Request) error {
	if r.Action == "" {
		r.Action = c.Op.Action
	}
	a, err := c.gate.authority(&c.Caller)
	if err != nil {
		return err
	}
	e := &c.evaluation
	e.ask(a, c.gate.endpoint(c.Caller.Endpoint), r)
	d := e.decide()
	if d.Allowed {
		return nil
	}
	if r.Undisclosed && !e.admitted {
		return &awserr.Error{Code: AccessDenied, Message: "User: " + c.Caller.ARN + " is not authorized to perform: " + r.Action + undisclosed}
	}
	// Concatenated, not formatted: a resource may hold an object key with any
	// character in it.
	return &awserr.Error{Code: AccessDenied, Message: "User: " + c.Caller.ARN + " is not authorized to perform: " +
		r.Action + " on resource: " + e.request.Resource + " " + d.Reason}
}

// undisclosed follows on the action in the refusal of a request that says so.
// Source: AWS KMS, observed in public reports of cross-account calls.
const undisclosed = " on this resource because the resource does not exist in this Region, no resource-based policies allow access, " +
	"or a resource-based policy explicitly denies access"

// AddResource adds a resource to the record: its ARN, the account it is in
// (empty leaves it out) and its CloudTrail type, such as AWS::KMS::Key.
func (c *Call) AddResource(arn, account, typ string) {
	c.resources = append(c.resources, audit.Resource{AccountID: account, Type: typ, ARN: arn})
}

// Committed says that the records of the call are in the store's transaction,
// and the transaction committed. Finish then writes nothing: the records reach
// the trail with the change.
func (c *Call) Committed() { c.committed = true }

// Streaming writes the record of a call that is allowed, before the first byte
// of a streamed answer. Finish then writes a second one, with an addendum that
// names the first, when the outcome is known. The error is ErrTrail; nothing
// may be sent then.
func (c *Call) Streaming() error {
	err := c.write(nil)
	if err == nil {
		c.streaming, c.stamp = c.stamp, nil
	}
	return err
}

// Finish writes the record of the call with its outcome, nil or the error that
// is about to be answered, and those of other accounts (see Share), unless
// Committed was called. It returns err; or
// ErrTrail when the trail cannot be written, and then the caller must answer an
// internal error and nothing else. A second call panics.
func (c *Call) Finish(err error) error {
	if c.finished {
		panic("gate: call finished twice: " + c.Op.Name)
	}
	c.finished = true
	if !c.committed {
		if trailErr := c.writeAll(err); trailErr != nil {
			err = trailErr
		}
	}
	if err != nil && c.gate.failed != nil {
		code := string(awserr.CodeOf(err))
		if code == "" {
			code = "InternalFailure"
		}
		c.gate.failed(c.Op.EventSource, code)
	}
	return err
}

// End is Finish for a deferred call: it finishes with *err and stores the
// result there. In a panic it records the call as failed inside, and lets the
// panic go on. It must be deferred directly.
func (c *Call) End(err *error) {
	if p := recover(); p != nil {
		if !c.finished {
			// The panic goes on whether or not this could be written, and no
			// answer but an internal error leaves then.
			_ = c.Finish(errPanic)
		}
		panic(p)
	}
	*err = c.Finish(*err)
}

// buffers holds what records are printed into; the trail copies them.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keepBuffer is the greatest buffer that goes back into the pool.
const keepBuffer = 64 << 10

// write appends the record for outcome err to the trail.
func (c *Call) write(err error) error { return c.append(c.record(err)) }

// writeAll appends the records for outcome err to the trail: other accounts hear
// of a success alone.
func (c *Call) writeAll(err error) error {
	own := c.record(err)
	if trailErr := c.append(own); trailErr != nil || err != nil {
		return trailErr
	}
	for _, o := range c.owners {
		if err := c.append(c.ownerRecord(own, o)); err != nil {
			return err
		}
	}
	return nil
}

// append appends a record to the trail.
func (c *Call) append(r audit.Record) error {
	buf := buffers.Get().(*[]byte)
	*buf = r.AppendJSON((*buf)[:0])
	trailErr := c.gate.trail.Append(*buf)
	if cap(*buf) <= keepBuffer {
		buffers.Put(buf)
	}
	if trailErr != nil {
		return trailError(trailErr)
	}
	return nil
}

// trailError wraps what the trail said. It drops nothing and adds no code.
func trailError(err error) error { return fmt.Errorf("%w: %w", ErrTrail, err) }
