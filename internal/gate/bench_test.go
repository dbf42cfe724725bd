package gate

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// tenPolicies is a caller with 10 policies of 20 statements and a request that
// the last statement of the last one allows. Each is for one of the services,
// and half of the statements have conditions.
func tenPolicies(t testing.TB, services ...string) (*Authority, identity.Caller, Request) {
	a := &Authority{Tags: map[string]string{"Team": "red"}}
	for i := range 10 {
		var statements []statement
		for j := range 19 {
			service := services[i%len(services)]
			s := allow(service+":Dec*", fmt.Sprintf("%s:Put%d", service, j)).on(fmt.Sprintf("arn:aws:%s:*:111122223333:thing/%d-*", service, j))
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

// people are the services of policies as people have them.
var people = []string{"ec2", "s3", "iam", "kms", "dynamodb", "sqs", "lambda", "logs", "sns", "rds"}

// TestDecisionAllocates bounds what a decision allocates: none for an
// administrator of the default key policy, as most calls are.
func TestDecisionAllocates(t *testing.T) {
	many, c, r := tenPolicies(t, people...)
	kms, _, _ := tenPolicies(t, "kms")
	for _, tt := range []struct {
		name string
		a    *Authority
		most float64
	}{
		{"AdministratorAccess", administrator(t), 0},
		{"10 policies of 20 statements", many, 0},
		{"all of them about the request's action", kms, 0},
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
	many, c, r := tenPolicies(b, people...)
	kms, _, _ := tenPolicies(b, "kms")
	for _, bb := range []struct {
		name string
		a    *Authority
	}{{"AdministratorAccess", administrator(b)}, {"10x20", many}, {"10x20 of KMS", kms}} {
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

// BenchmarkDecide is the pure function, which has a place to make.
func BenchmarkDecide(b *testing.B) {
	many, c, r := tenPolicies(b, people...)
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(many, c, r); !d.Allowed {
			b.Fatal(d.Reason)
		}
	}
}
