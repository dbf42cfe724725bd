// Package gate is what every operation passes: it decides whether the caller
// may do it, and writes the one CloudTrail record of the call.
//
// A service begins a Call, asks it to authorise each decision the operation
// takes, and finishes it with its outcome before it answers:
//
//	call := gate.Begin(caller, op)
//	defer call.End(&err)
//	call.RequestParameters = …
//	if err := call.Authorize(gate.Request{…}); err != nil { return nil, err }
//
// A mutation puts call.Records() into its store transaction and then says
// call.Committed(). Whatever error End leaves is what must be answered.
package gate

import (
	"errors"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
)

// AccessDenied is the code of a refused request. KMS calls it
// AccessDeniedException on the wire; the edge sees to that.
const AccessDenied awserr.Code = "AccessDenied"

// ErrTrail says that the record of a call could not be written. It has no AWS
// code: the caller gets an internal error, and no other word of the outcome.
var ErrTrail = errors.New("gate: the audit record could not be written")

// Operation describes one API operation to the gate and the trail.
type Operation struct {
	EventSource string // kms.amazonaws.com
	Name        string // Decrypt
	Action      string // kms:Decrypt: what Authorize asks for when its request names no action
	APIVersion  string // 2006-03-01; empty for services whose records have none
	ReadOnly    bool   // as CloudTrail counts it: true for all cryptographic operations
	Data        bool   // a CloudTrail data event, as S3's on objects
}

// Gate authorises and records. It is safe for concurrent use.
type Gate struct {
	trail  *audit.Log
	clock  func() time.Time
	failed func(eventSource, code string) // nil: nobody wants to know

	authorities Authorities
	endpoints   sync.Map // *identity.Endpoint to *endpointPolicy
}

// New makes a gate that asks authorities what callers may do, and writes to
// trail; one without a trail decides, and can finish no call. The records have
// their time from clock; nil is time.Now. Without authorities New panics: there
// is no gate that takes a caller's word.
func New(trail *audit.Log, authorities Authorities, clock func() time.Time) *Gate {
	if authorities == nil {
		panic("gate: New without authorities")
	}
	if clock == nil {
		clock = time.Now
	}
	return &Gate{trail: trail, authorities: authorities, clock: clock}
}

// OnFailure registers fn to be told of every call that ends in an error: the
// service, and the AWS error code, "InternalFailure" for an error without one.
// It must be registered before the first call.
func (g *Gate) OnFailure(fn func(eventSource, code string)) { g.failed = fn }

// Begin begins the call of op by c. The Call must be finished exactly once.
func (g *Gate) Begin(c identity.Caller, op Operation) *Call {
	call := &Call{Caller: c, Op: op, gate: g}
	call.evaluation.begin(&call.Caller, g.clock)
	return call
}

// Refused records an authenticated request that no operation has seen: one
// that names no operation there is, or does not decode. Name is what the client
// called it; what cannot be a name of an operation is recorded as "Unknown". It
// returns what must be answered: err, or ErrTrail.
func (g *Gate) Refused(c identity.Caller, eventSource, name string, err error) error {
	if !operationName(name) {
		name = "Unknown"
	}
	return g.Begin(c, Operation{EventSource: eventSource, Name: name}).Finish(err)
}

// operationName reports whether name has the form of an operation's: up to 64
// letters and digits.
func operationName(name string) bool {
	for _, r := range name {
		if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// Ready returns nil while the trail can be written. While it cannot, no work
// may be started: it could not be recorded. The error is ErrTrail.
func (g *Gate) Ready() error {
	if err := g.trail.Err(); err != nil {
		return trailError(err)
	}
	return nil
}
