package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/sigv4"
)

// maxDecision is what a decision may cost of what it costs to verify the
// signature of the request that it is about; maxAbout, when all policies are
// about the service that is called.
const (
	maxDecision = 1.0
	maxAbout    = 1.5
)

// decisions is how many are made in a round: so few that a round is seldom
// interrupted.
const decisions = 1_000

// benchDecision compares a decision with 10 policies of 20 statements, half of
// them with conditions, with the verification of one small signed request. Each
// policy is for another service, as policies of people are; and then all are for
// the service that is called, each statement for other resources of it.
func benchDecision(_ servers, _ string, g *gates) error {
	for _, b := range []struct {
		name     string
		services []string
		limit    float64
	}{
		{"decision by 10 policies of 20 / signature", []string{"ec2", "s3", "iam", "kms", "dynamodb", "sqs", "lambda", "logs", "sns", "rds"}, maxDecision},
		{"  all of them about the action / signature", slices.Repeat([]string{"kms"}, 10), maxAbout},
	} {
		a, err := tenPolicies(b.services)
		if err != nil {
			return err
		}
		if err := compareDecision(b.name, a, b.limit, g); err != nil {
			return err
		}
	}
	return nil
}

// compareDecision compares the decisions by one authority.
func compareDecision(name string, a *gate.Authority, limit float64, g *gates) error {
	key, err := policy.Parse(policy.Key, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}]}`))
	if err != nil {
		return err
	}
	c := identity.Caller{Type: identity.IAMUser, AccountID: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice", PrincipalID: "AIDAALICE", UserName: "alice", Region: region}
	r := gate.Request{Action: "kms:Encrypt", Resource: "arn:aws:kms:us-east-1:111122223333:key/k", ResourceAccount: "111122223333", Kind: policy.Key, Policy: key}
	verify, err := verification()
	if err != nil {
		return err
	}
	var cost, floor []float64
	for round := range rounds + 1 { // the first warms up
		begin := time.Now()
		for range decisions {
			if d := gate.Decide(a, c, r); !d.Allowed {
				return errors.New("the decision: " + d.Reason)
			}
		}
		decided := time.Since(begin)
		begin = time.Now()
		for range decisions {
			if err := verify(); err != nil {
				return err
			}
		}
		verified := time.Since(begin)
		if round > 0 {
			cost, floor = append(cost, perDecision(decided)), append(floor, perDecision(verified))
		}
	}
	g.atMost(name, "µs", cost, floor, limit)
	return nil
}

// perDecision is the time of one in microseconds.
func perDecision(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / decisions }

// tenPolicies are the policies of a user; the last statement of the last one
// allows what is asked.
func tenPolicies(services []string) (*gate.Authority, error) {
	a := &gate.Authority{Tags: map[string]string{"Team": "red"}}
	for i, service := range services {
		var b strings.Builder
		b.WriteString(`{"Version":"2012-10-17","Statement":[`)
		for j := range 19 {
			condition := ""
			if j%2 == 1 {
				condition = `,"Condition":{"StringEquals":{"aws:PrincipalTag/Team":"blue"}}`
			}
			fmt.Fprintf(&b, `{"Effect":"Allow","Action":["%s:Enc*","%[1]s:Put%d"],"Resource":"arn:aws:%[1]s:*:111122223333:thing/%d-*"%s},`, service, j, condition)
		}
		b.WriteString(`{"Effect":"Allow","Action":"kms:Encrypt","Resource":"arn:aws:kms:us-east-1:111122223333:key/k","Condition":{"StringEquals":{"aws:PrincipalTag/Team":"red"}}}]}`)
		d, err := policy.Parse(policy.Identity, []byte(b.String()))
		if err != nil {
			return nil, err
		}
		a.Identity = append(a.Identity, gate.Named{Name: fmt.Sprint("policy ", i), Document: d})
	}
	return a, nil
}

// verification returns a function that parses and verifies a signed request,
// with the signing key of the day at hand, as the server has it.
func verification() (func() error, error) {
	body := []byte(`{"KeyId":"alias/app","Plaintext":"c2VjcmV0"}`)
	wire, err := signedEncrypt("127.0.0.1:8650", body)
	if err != nil {
		return nil, err
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	now := time.Now()
	day := []byte("AWS4" + secretKey)
	for _, part := range []string{now.UTC().Format("20060102"), region, "kms", "aws4_request"} {
		m := hmac.New(sha256.New, day)
		m.Write([]byte(part))
		day = m.Sum(nil)
	}
	sign := func(text []byte) (out [32]byte) {
		m := hmac.New(sha256.New, day)
		m.Write(text)
		m.Sum(out[:0])
		return out
	}
	return func() error {
		sig, err := sigv4.Parse(r)
		if err != nil {
			return err
		}
		return sig.Verify(r, sigv4.Rules{Service: "kms", Regions: []string{region}, Now: now}, hash, sign)
	}, nil
}
