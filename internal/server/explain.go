package server

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Question is a request that somebody could make.
type Question struct {
	Principal string // ARN of an account's root, a user, a role or a session; or an account id
	Action    string // kms:Decrypt
	Resource  string // ARN; of a KMS key also its id or alias; "*"
	// Context are condition keys of the request as KEY=VALUE; several with one
	// key are its values.
	Context []string
	Region  string // of the request; empty: the resource's, else the server's default
	// SessionPolicyFiles hold the session policies of the principal, which is a
	// session: JSON documents.
	SessionPolicyFiles []string
}

// Explain says why a request is allowed or refused by the documents in a data
// directory, on which a server may run.
func Explain(ctx context.Context, cfg Config, q Question) (_ Explanation, err error) {
	given, encryption, err := readContext(q.Context)
	if err != nil {
		return Explanation{}, err
	}
	l, err := lookInto(ctx, cfg)
	if err != nil {
		return Explanation{}, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	region, err := l.regionOf(ctx, q.Region, q.Resource)
	if err != nil {
		return Explanation{}, err
	}
	c, err := callerOf(q.Principal, region, l.clock(), l.iam)
	if err != nil {
		return unlessDeparted(ctx, cfg.DataDir, q, err)
	}
	for _, file := range q.SessionPolicyFiles {
		if c.Session == nil {
			return Explanation{}, fmt.Errorf("--session-policy %s: %s is no session, nor a role to make one of", file, q.Principal)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return Explanation{}, fmt.Errorf("session policy: %w", err)
		}
		c.Session.Policies = append(c.Session.Policies, string(text))
	}
	asked, err := l.asked(ctx, c, q.Action, q.Resource, given, encryption)
	if err != nil {
		return Explanation{}, err
	}
	if asked.noRole != nil && asked.noRole.id == "" {
		return Explanation{}, fmt.Errorf("resource %s: %s", q.Resource, asked.noRole)
	}
	e := l.explain(asked)
	if c.Session != nil && len(q.SessionPolicyFiles) == 0 {
		e.Notes = append(e.Notes, "a session may have policies and tags of its own, which only its token has: see --session-policy and --context aws:PrincipalTag/KEY=VALUE")
	}
	return e, nil
}

// unlessDeparted is err of looking for the principal of q, or, when it is one
// that was deleted, what that means for the request.
func unlessDeparted(ctx context.Context, dataDir string, q Question, err error) (Explanation, error) {
	absent, ok := errors.AsType[*absentError](err)
	if !ok {
		return Explanation{}, err
	}
	d, ok, trailErr := departedByARN(ctx, dataDir, absent.kind, absent.arn)
	if trailErr != nil || !ok {
		return Explanation{}, errors.Join(err, trailErr)
	}
	e := Explanation{Principal: q.Principal, Action: q.Action, Resource: q.Resource}
	e.withoutPrincipal(d)
	return e, nil
}
