package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// looked is a data directory that is only read, as far as it decides who may do
// what. A server may be running on it.
type looked struct {
	dir     string
	store   *store.Store
	iam     *iam.Service
	gate    *gate.Gate // without a trail: nothing is recorded
	kms     *kms.Service
	s3      s3.Explainer
	regions []string // those with keys, sorted
	region  string   // the default one
	clock   func() time.Time
}

// lookInto opens a data directory, and verifies every row that says who may do
// what: one that was changed outside the server fails it with a
// *[store.TamperedError]. The caller closes the result.
func lookInto(ctx context.Context, cfg Config) (_ *looked, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := hasDatabase(cfg.DataDir); err != nil {
		return nil, err
	}
	st, err := sqlite.OpenReadOnly(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	c, err := readCustody(ctx, st, cfg)
	if err != nil {
		return nil, err
	}
	for _, t := range authorityTables {
		if err := verifyRows(ctx, st, t, c.RowMAC); err != nil {
			return nil, err
		}
	}
	l := &looked{dir: cfg.DataDir, store: st, clock: cfg.Clock}
	for region := range c.Records {
		l.regions = append(l.regions, region)
	}
	slices.Sort(l.regions)
	l.region = l.regions[0]
	if e, err := readEndpoint(cfg.DataDir); err == nil && slices.Contains(l.regions, e.Region) {
		l.region = e.Region
	}
	if l.iam, err = iam.New(ctx, iam.Config{Store: st, Module: c.Module, RowMAC: c.RowMAC, Clock: cfg.Clock}); err != nil {
		return nil, err
	}
	l.gate = gate.New(nil, l.iam, cfg.Clock)
	l.kms, err = kms.New(kms.Config{
		Store: st, Module: c.Module, RowMAC: c.RowMAC, HeaderMAC: c.HeaderMAC, Gate: l.gate, Regions: l.regions,
		Principals: l.iam, Clock: cfg.Clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	l.s3 = s3.NewExplainer(st, c.RowMAC, l.gate, cfg.Clock)
	return l, nil
}

func (l *looked) close() error { return l.store.Close() }

// question is one request to explain, ready for the gate.
type question struct {
	gate.Request
	caller    identity.Caller
	authority *gate.Authority
	isKey     bool

	noRole *departed // the resource is a role that is not there

	grants     []kms.ConsideredGrant // of the caller, on the KMS key
	moreGrants bool
}

// asked says what the gate is asked when c does an action on a resource, with
// the condition keys of a request given.
func (l *looked) asked(ctx context.Context, c identity.Caller, action, resource string, given givenKeys, encryption map[string]string) (q question, err error) {
	q = question{caller: c}
	service, _, ok := strings.Cut(action, ":")
	if !ok {
		return q, fmt.Errorf("action %q: want SERVICE:ACTION, such as kms:Decrypt", action)
	}
	if via := given.first("kms:viaservice"); via != "" {
		q.caller.ViaService = via
	}
	if q.authority, err = l.iam.Authority(q.caller); err != nil {
		return q, err
	}
	a, isARN := arn.Parse(resource)
	switch {
	case strings.EqualFold(service, "kms") && resource != "*":
		var found kms.Question
		if found, err = l.kms.Question(ctx, q.caller, action, resource, encryption); err == nil {
			q.Request, q.grants, q.moreGrants, q.isKey = found.Request, found.Grants, found.MoreGrants, found.Kind == policy.Key
		}
	case strings.EqualFold(service, "s3"):
		q.Request, err = l.s3.Question(ctx, q.caller, action, resource)
	case strings.EqualFold(action, "sts:AssumeRole"), strings.EqualFold(action, "sts:TagSession"), strings.EqualFold(action, "sts:SetSourceIdentity"):
		role, ok := l.iam.Role(resource)
		q.Request = gate.Request{
			Action: action, Resource: resource, ResourceAccount: a.AccountID, Kind: policy.Trust, Policy: role.Trust, CrossAccount: true,
		}
		if !ok { // it trusts nobody
			q.noRole = &departed{kind: "role"}
			var d departed
			if d, ok, err = departedByARN(ctx, l.dir, "role", resource); ok {
				q.noRole = &d
			}
		}
	case resource == "*" || isARN:
		q.Request = gate.Request{Action: action, Resource: resource, ResourceAccount: c.AccountID}
		if isAccountID(a.AccountID) {
			q.Request.ResourceAccount = a.AccountID
		}
	default:
		err = fmt.Errorf("resource %q: want an ARN, or *", resource)
	}
	if err != nil {
		return q, fmt.Errorf("%s on %s: %w", action, resource, err)
	}
	if given != nil {
		q.Assume = given
	}
	return q, nil
}

// regionOf returns the region of a request for a resource: that of its ARN or
// its bucket, or the default one.
func (l *looked) regionOf(ctx context.Context, wanted, resource string) (string, error) {
	if wanted != "" {
		if !slices.Contains(l.regions, wanted) {
			return "", fmt.Errorf("region %s is not served here; there are %s", wanted, strings.Join(l.regions, ", "))
		}
		return wanted, nil
	}
	a, ok := arn.Parse(resource)
	switch {
	case ok && a.Service == "s3":
		bucket, _, _ := strings.Cut(a.Resource, "/")
		region, err := l.s3.Region(ctx, bucket)
		if region != "" || err != nil {
			return region, err
		}
	case ok && a.Region != "":
		return a.Region, nil
	}
	return l.region, nil
}
