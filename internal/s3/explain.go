package s3

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

// Explainer says what the gate is asked about a bucket or an object, so that a
// decision can be explained. It asks for nothing itself, changes nothing, and
// leaves no record. It is safe for concurrent use.
type Explainer struct{ s *Service }

// NewExplainer makes an Explainer of a store; the MAC is that of [Config]. The
// gate needs no trail.
func NewExplainer(st *store.Store, rowMAC store.MAC, g *gate.Gate, clock func() time.Time) Explainer {
	return Explainer{&Service{store: st, rowMAC: rowMAC, gate: g, clock: clock, log: slog.New(slog.DiscardHandler)}}
}

// ErrNoBucket says that there is no such bucket: requests for it are answered
// so before anything is decided.
var ErrNoBucket = errors.New("there is no such bucket")

// Question returns what the gate is asked when c wants to do an action on a
// resource: the ARN of a bucket or an object, or "*". Condition keys that a
// request brings in headers and parameters it does not have.
func (e Explainer) Question(ctx context.Context, c identity.Caller, action, resource string) (gate.Request, error) {
	action = spelled(action)
	call := &call{Call: e.s.gate.Begin(c, gate.Operation{EventSource: EventSource, Action: action}), s: e.s, caller: c, req: &s3api.GetObjectRequest{}}
	if resource == "*" {
		return gate.Request{Action: action, Resource: "*", ResourceAccount: c.AccountID, Context: conditionKeys{ctx, call, question{action: action}}}, nil
	}
	a, ok := arn.Parse(resource)
	if !ok || a.Service != "s3" || a.Region != "" || a.AccountID != "" {
		return gate.Request{}, errors.New("want the ARN of a bucket or an object, as in arn:aws:s3:::vault/notes/dawn.txt")
	}
	name, key, isObject := strings.Cut(a.Resource, "/")
	q := question{action: action}
	if isObject {
		q.key = &key
	}
	var err error
	q.bucket, err = e.s.bucket(ctx, name)
	if action == operations["CreateBucket"].Action && isMissing(err) {
		q.bucket, err = &bucketRecord{Name: name, Account: c.AccountID, Region: c.Region}, nil
	}
	if isMissing(err) {
		return gate.Request{}, ErrNoBucket
	}
	if err != nil {
		return gate.Request{}, err
	}
	return call.request(ctx, q)
}

// Region returns the region of a bucket, "" when it is not there.
func (e Explainer) Region(ctx context.Context, bucket string) (string, error) {
	b, err := e.s.bucket(ctx, bucket)
	if isMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return b.Region, nil
}

func isMissing(err error) bool {
	code := awserr.CodeOf(err)
	return code == s3api.NoSuchBucket || code == s3api.InvalidBucketName
}

// spelled returns an action as the operations spell it: policies do not mind its
// case, condition keys do.
func spelled(action string) string {
	for _, op := range operations {
		if strings.EqualFold(op.Action, action) {
			return op.Action
		}
	}
	return action
}
