package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

const (
	aliceID = "AIDAALICEEXAMPLE00001"
	bobID   = "AIDABOBEXAMPLE0000001"
	carolID = "AIDACAROLEXAMPLE00001"
	roleID  = "AROAAPPEXAMPLE0000001"

	bobARN   = "arn:aws:iam::" + account + ":user/bob"
	carolARN = "arn:aws:iam::" + other + ":user/carol"
	roleARN  = appRole
)

// rights are what their accounts allow the people: alice and foreignAdmin
// everything, others what they were given. A test changes them while nothing
// runs.
type rights struct {
	t    testing.TB
	docs map[string][]gate.Named // ARN of a user or role → identity policies
}

func newRights(t testing.TB) *rights {
	r := &rights{t: t, docs: map[string][]gate.Named{}}
	for _, c := range []identity.Caller{alice(), foreignAdmin()} {
		r.give(c.ARN, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	}
	return r
}

func (r *rights) named(text string) []gate.Named {
	r.t.Helper()
	doc, err := policy.Parse(policy.Identity, []byte(text))
	if err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return []gate.Named{{Name: "test", Document: doc}}
}

// give makes statements the only identity policy of a principal; "" takes it away.
func (r *rights) give(arn, statements string) {
	r.t.Helper()
	delete(r.docs, arn)
	if statements != "" {
		r.docs[arn] = r.named(policyOf(statements))
	}
}

// Authority implements gate.Authorities.
func (r *rights) Authority(c identity.Caller) (*gate.Authority, error) {
	a := &gate.Authority{Identity: r.docs[c.ARN]}
	if c.Session != nil {
		a.Identity = r.docs[c.Session.RoleARN]
	}
	return a, nil
}

// allowsNothing is a key policy that none of the operations finds itself in.
const allowsNothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:None","Resource":"*"}]}`
