package gate

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// tenPolicies is a caller with 10 policies of 20 statements and a request that
// the last statement of the last one allows. They are for many services, as
// policies of people are, and half of those for KMS have conditions.
func tenPolicies(t testing.TB) (*Authority, identity.Caller, Request) {
	a := &Authority{Tags: map[string]string{"Team": "red"}}
	services := []string{"ec2", "s3", "iam", "kms", "dynamodb", "sqs", "lambda", "logs", "sns", "rds"}
	for i := range 10 {
		var statements []statement
		for j := range 19 {
			s := allow(services[i]+":Get*", fmt.Sprintf("%s:Put%d", services[i], j)).on(fmt.Sprintf("arn:aws:%s:*:111122223333:thing/%d-*", services[i], j))
			if j%2 == 1 {
				s = s.when("StringEquals", "aws:PrincipalTag/Team", "blue").when("Bool", "aws:SecureTransport", "true")
			}
			statements = append(statements, s)
		}
		last := deny("kms:ScheduleKeyDeletion").when("BoolIfExists", "aws:MultiFactorAuthPresent", "false")
		if i == 9 {
			last = allow("kms:Decrypt").on(keyARN).when("StringEquals", "aws:PrincipalTag/Team", "red").when("StringLike", "aws:RequestedRegion", "us-*")
		}
		a.Identity = append(a.Identity, named(t, policy.Identity, fmt.Sprint("p", i), append(statements, last))...)
	}
	return a, fromNetwork(alice), Request{Action: "kms:Decrypt", Resource: keyARN, ResourceAccount: account, Kind: policy.Key, Policy: document(t, policy.Key, delegates), CrossAccount: true}
}

// TestDecisionAllocates bounds what a decision allocates: none for an
// administrator of the default key policy, as most calls are.
func TestDecisionAllocates(t *testing.T) {
	many, c, r := tenPolicies(t)
	for _, tt := range []struct {
		name string
		a    *Authority
		most float64
	}{
		{"AdministratorAccess", administrator(), 0},
		{"10 policies of 20 statements", many, 2},
	} {
		var e evaluation
		e.begin(&c, nil)
		if got := testing.AllocsPerRun(100, func() {
			e.ask(tt.a, nil, r)
			if d := e.decide(); !d.Allowed {
				t.Fatal(d.Reason)
			}
		}); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}

func BenchmarkDecision(b *testing.B) {
	many, c, r := tenPolicies(b)
	for _, bb := range []struct {
		name string
		a    *Authority
	}{{"AdministratorAccess", administrator()}, {"10x20", many}} {
		b.Run(bb.name, func(b *testing.B) {
			var e evaluation
			e.begin(&c, nil)
			b.ReportAllocs()
			for b.Loop() {
				e.ask(bb.a, nil, r)
				if d := e.decide(); !d.Allowed {
					b.Fatal(d.Reason)
				}
			}
		})
	}
}
