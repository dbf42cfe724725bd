package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// The pages that the named cases are of: page, "section".
const (
	userGuide     = "IAM User Guide, "
	operatorsPage = userGuide + "IAM JSON policy elements: Condition operators, "
	variablesPage = userGuide + "IAM policy elements: Variables and tags, "
	setsPage      = userGuide + "Single-valued vs. multivalued context keys, "
	principalPage = userGuide + "AWS JSON policy elements: Principal, "
	notPrincipal  = userGuide + "AWS JSON policy elements: NotPrincipal, "
	resourcePage  = userGuide + "IAM JSON policy elements: Resource, "
	actionPage    = userGuide + "IAM JSON policy elements: Action, "
	conditionPage = userGuide + "IAM JSON policy elements: Condition, "
	grammarPage   = userGuide + "Grammar of the IAM JSON policy language, "
	kmsGuide      = "KMS Developer Guide, "
)

// conditionCase is a Condition element, a request's context, and whether the
// element is met.
type conditionCase struct {
	name      string
	source    string // page and section
	condition string // JSON
	context   facts
	want      bool
}

func runConditions(t *testing.T, cases []conditionCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			sourced(t, tt.source)
			d := parse(t, policy.Identity, fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":%s}]}`, tt.condition))
			expect(t, d, &policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: tt.context}, tt.want)
		})
	}
}

// expect fails unless the document, of one Allow, applies to r or not as wanted.
// Evaluate and Explain must agree.
func expect(t *testing.T, d *policy.Document, r *policy.Request, want bool) {
	t.Helper()
	out, traces := d.Evaluate(r), d.Explain(r)
	if got := out.Allow != nil || out.Deny != nil; got != want {
		t.Errorf("applies: got %v, want %v\n%s\n%+v", got, want, d.Text(), traces)
	}
	if concluded := policy.Conclude(traces); concluded != out {
		t.Errorf("Evaluate says %+v, Explain %+v", out, concluded)
	}
	if naive := d.Naive(r, naiveMatch); naive != out {
		t.Errorf("Evaluate says %+v, every statement in turn %+v", out, naive)
	}
}

// sourced fails when a case does not say where it is from.
func sourced(t *testing.T, source string) {
	t.Helper()
	page, section, ok := strings.Cut(source, ", ")
	if !ok || page == "" || strings.TrimSpace(section) == "" || strings.HasSuffix(source, ", ") {
		t.Errorf("the case has no source: %q", source)
	}
}

// TestCases counts the named cases and checks that they have their own names and
// a source each.
func TestCases(t *testing.T) {
	count := 0
	for table, cases := range map[string][]conditionCase{
		"operators": operatorCases(), "arns": arnCases(), "variables": variableCases(),
		"multivalue": multivalueCases(), "missing keys": missingKeyCases(),
	} {
		names := map[string]bool{}
		for _, c := range cases {
			sourced(t, c.source)
			if names[c.name] {
				t.Errorf("%s: two cases are named %q", table, c.name)
			}
			names[c.name] = true
			count++
		}
	}
	for _, c := range principalCases() {
		sourced(t, c.source)
		count++
	}
	for _, c := range wildcardCases() {
		sourced(t, c.source)
		count++
	}
	for _, c := range parseCases() {
		sourced(t, c.source)
		count++
	}
	for _, c := range statementCases() {
		sourced(t, c.source)
		count++
	}
	if count < 220 {
		t.Errorf("there are %d named cases, and should be 220 and more", count)
	}
	t.Logf("%d named cases", count)
}
