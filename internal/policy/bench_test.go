package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// tenDocuments are documents of 20 statements, of which one in each is about the
// request: Allow, unconditional or with a condition.
func tenDocuments(t testing.TB, condition string) []*policy.Document {
	t.Helper()
	services := []string{"s3", "kms", "iam", "sts", "ec2"}
	var documents []*policy.Document
	for d := range 10 {
		var statements []string
		for i := range 20 {
			service := services[i%len(services)]
			effect, c := "Allow", ""
			if i%7 == 3 {
				effect = "Deny"
			}
			actions := fmt.Sprintf(`["%s:Get*","%s:List*","%s:PutSomething%d"]`, service, service, service, i)
			if i == 11 {
				actions = `["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*","kms:DescribeKey"]`
				c = condition
			}
			statements = append(statements, fmt.Sprintf(`{"Sid":"S%d","Effect":%q,"Action":%s,"Resource":["arn:aws:%s:*:111122223333:x%d/*","arn:aws:kms:us-east-1:*"]%s}`, i, effect, actions, service, d, c))
		}
		documents = append(documents, parse(t, policy.Identity, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`))
	}
	return documents
}

var (
	benchCondition = `,"Condition":{"StringEquals":{"aws:PrincipalAccount":"111122223333","kms:EncryptionContext:tenant":["a","b"]},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.0/24"]}}`
	benchContext   = facts{"aws:principalaccount": {"111122223333"}, "kms:encryptioncontext:tenant": {"b"}, "aws:sourceip": {"203.0.113.9"}}
)

// BenchmarkEvaluate is what ten documents of twenty statements cost.
func BenchmarkEvaluate(b *testing.B) {
	for _, bb := range []struct{ name, condition string }{{"unconditional", ""}, {"conditions", benchCondition}} {
		b.Run(bb.name, func(b *testing.B) {
			documents := tenDocuments(b, bb.condition)
			r := &policy.Request{Action: "kms:Decrypt", Resource: keyARN, Principal: alice, Context: benchContext}
			b.ReportAllocs()
			for b.Loop() {
				for _, d := range documents {
					if d.Evaluate(r).Allow == nil {
						b.Fatal("nothing is allowed")
					}
				}
			}
		})
	}
}

// TestEvaluateDoesNotAllocate: nor do conditions without variables.
func TestEvaluateDoesNotAllocate(t *testing.T) {
	for _, tt := range []struct{ name, condition string }{{"unconditional", ""}, {"conditions", benchCondition}} {
		t.Run(tt.name, func(t *testing.T) {
			documents := tenDocuments(t, tt.condition)
			key := parse(t, policy.Key, `{"Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:user/alice"]},"Action":"kms:*","Resource":"*"}]}`)
			r := &policy.Request{Action: "kms:Decrypt", Resource: keyARN, Principal: alice, Context: fixed{}}
			if got := testing.AllocsPerRun(100, func() {
				for _, d := range documents {
					d.Evaluate(r)
				}
				key.Evaluate(r)
			}); got != 0 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

// fixed is a context that does not allocate.
type fixed struct{}

var (
	fixedAccount = []string{"111122223333"}
	fixedTenant  = []string{"b"}
	fixedAddress = []string{"203.0.113.9"}
)

func (fixed) Lookup(name string) (policy.Value, bool) {
	switch name {
	case "aws:principalaccount":
		return policy.Value{Strings: fixedAccount}, true
	case "kms:encryptioncontext:tenant":
		return policy.Value{Strings: fixedTenant}, true
	case "aws:sourceip":
		return policy.Value{Strings: fixedAddress}, true
	}
	return policy.Value{}, false
}
