package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/policy"
)

// WhoCanQuestion asks who may do something.
type WhoCanQuestion struct {
	Action   string   // kms:Decrypt
	Resource string   // ARN; of a KMS key also its id or alias
	Context  []string // condition keys as KEY=VALUE that every request is taken to have
	Account  string   // that a key id or alias is of; empty: the one that has it
	Region   string   // of the request; empty: the resource's, else the server's default
}

// WhoCanAnswer says of every principal whether it may.
type WhoCanAnswer struct {
	Action     string         `json:"action"`
	Resource   string         `json:"resource"`
	Principals []WhoCanResult `json:"principals"` // those who may, then the others; by name
}

// Can is whether a principal may do what is asked.
type Can string

// The answers.
const (
	CanAlways      Can = "allowed"     // whatever else the request says
	CanConditional Can = "conditional" // if the request says the right things
	CanNot         Can = "refused"     // whatever the request says
	CanNobody      Can = "unknown"     // a policy names it, and it is not on this server (any more)
)

// WhoCanResult is what is found of one principal.
type WhoCanResult struct {
	Principal string `json:"principal"` // ARN; of a role: any session of it
	Answer    Can    `json:"answer"`
	// By are the documents and statements that allow, or AWS's reason why it is
	// refused.
	By         []string          `json:"by,omitempty"`
	Conditions []WhoCanCondition `json:"conditions,omitempty"`
}

// WhoCanCondition is the condition of one statement, or the constraint of a
// grant.
type WhoCanCondition struct {
	Only      string `json:"only"`      // "only if" or else "or if" of what allows, "unless" of what denies
	Statement string `json:"statement"` // which
	Condition string `json:"condition"` // JSON
}

// WhoCan answers from the documents in a data directory, on which a server may
// run.
func WhoCan(ctx context.Context, cfg Config, q WhoCanQuestion) (_ WhoCanAnswer, err error) {
	given, encryption, err := readContext(q.Context)
	if err != nil {
		return WhoCanAnswer{}, err
	}
	l, err := lookInto(ctx, cfg)
	if err != nil {
		return WhoCanAnswer{}, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	region, err := l.regionOf(ctx, q.Region, q.Resource)
	if err != nil {
		return WhoCanAnswer{}, err
	}
	resource, err := l.wholeName(ctx, q.Action, q.Resource, q.Account, region)
	if err != nil {
		return WhoCanAnswer{}, err
	}
	s := survey{l: l, given: given, encryption: encryption, action: q.Action, resource: resource, region: region, documents: map[suppositionOf]rewritten{}}
	return s.run(ctx)
}

// wholeName returns the ARN of a KMS key that is named by its id or an alias: of
// the account given, or of the only one that has it.
func (l *looked) wholeName(ctx context.Context, action, resource, account, region string) (string, error) {
	if resource == "*" || !strings.HasPrefix(strings.ToLower(action), "kms:") {
		return resource, nil
	}
	if a, ok := arn.Parse(resource); ok {
		account = a.AccountID
	}
	accounts := []string{account}
	if account == "" {
		accounts = l.accounts()
	}
	var found []string
	for _, id := range accounts {
		q, err := l.kms.Question(ctx, identity.Caller{Type: identity.Root, AccountID: id, ARN: identity.RootARN(id), PrincipalID: id, Region: region}, action, resource, nil)
		if errors.Is(err, kms.ErrNoKey) {
			continue
		}
		if err != nil {
			return "", err
		}
		found = append(found, q.Resource)
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no KMS key %s in region %s; give its ARN, or another --region", resource, region)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s means several keys: %s; say which, or --account", resource, strings.Join(found, ", "))
}

// accounts returns the ids of the accounts.
func (l *looked) accounts() (ids []string) {
	for _, p := range l.iam.Principals() {
		if a, ok := arn.Parse(p); ok && a.Resource == "root" {
			ids = append(ids, a.AccountID)
		}
	}
	return ids
}

// survey asks for every principal.
type survey struct {
	l                        *looked
	given                    givenKeys
	encryption               map[string]string
	action, resource, region string
	documents                map[suppositionOf]rewritten // what was rewritten already
}

func (s *survey) run(ctx context.Context) (WhoCanAnswer, error) {
	var named *policy.Document // the resource's policy
	answer := WhoCanAnswer{Action: s.action, Resource: s.resource, Principals: []WhoCanResult{}}
	principals := s.l.iam.Principals()
	for _, p := range principals {
		r, doc, err := s.ask(ctx, p)
		if err != nil {
			return answer, err
		}
		named = doc
		answer.Principals = append(answer.Principals, r)
	}
	others, err := s.others(ctx, named)
	if err != nil {
		return answer, err
	}
	for _, p := range others {
		if slices.Contains(principals, p.Principal) {
			continue
		}
		if p.Answer == "" {
			r, _, err := s.ask(ctx, p.Principal)
			if err != nil {
				return answer, err
			}
			p = r
		}
		answer.Principals = append(answer.Principals, p)
	}
	order := []Can{CanAlways, CanConditional, CanNobody, CanNot}
	slices.SortFunc(answer.Principals, func(a, b WhoCanResult) int {
		return cmp.Or(slices.Index(order, a.Answer)-slices.Index(order, b.Answer), strings.Compare(a.Principal, b.Principal))
	})
	return answer, nil
}

// others are the principals that the resource's policy and grants on it name
// beside those that there are: sessions, which may begin any time, and what is
// not there any more.
func (s *survey) others(ctx context.Context, named *policy.Document) (found []WhoCanResult, err error) {
	names, err := s.l.kms.Grantees(ctx, s.resource)
	if err != nil {
		return nil, err
	}
	if named != nil {
		names = slices.AppendSeq(names, named.Principals())
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		id, session, isSession := strings.Cut(name, ":")
		if a, ok := arn.Parse(name); ok {
			if a.Service == "iam" && a.Resource == "root" {
				name = a.AccountID
			} else {
				continue // a federated user: nothing makes one here
			}
		}
		switch {
		case name == "*":
		case isAccountID(name):
			if !s.l.iam.HasAccount(name) {
				found = append(found, WhoCanResult{Principal: identity.RootARN(name), Answer: CanNobody, By: []string{"an account that is not on this server"}})
			}
		default:
			known, ok := s.l.iam.ARN(id)
			switch {
			case !ok:
				found = append(found, WhoCanResult{Principal: name, Answer: CanNobody, By: []string{"was deleted"}})
			case isSession:
				role, _ := arn.Parse(known)
				found = append(found, WhoCanResult{Principal: arn.New("sts", "", role.AccountID, "assumed-role/"+lastName(role.Resource)+"/"+session).String()})
			}
		}
	}
	return found, nil
}

// ask asks for one principal. It returns the resource's policy too.
func (s *survey) ask(ctx context.Context, principal string) (WhoCanResult, *policy.Document, error) {
	r := WhoCanResult{Principal: principal}
	c, err := callerOf(principal, s.region, s.l.clock(), s.l.iam)
	if err != nil {
		return r, nil, err
	}
	q, err := s.l.asked(ctx, c, s.action, s.resource, s.given, s.encryption)
	if err != nil {
		return r, nil, err
	}
	if q.noRole != nil {
		return r, nil, fmt.Errorf("resource %s: %s", q.Resource, q.noRole)
	}
	s.resource = q.Resource
	known := s.known(c)
	surely, err := s.suppose(q, strict, known)
	if err != nil {
		return r, nil, err
	}
	e := s.l.explain(surely.question)
	if e.Allowed {
		r.Answer, r.By = CanAlways, allowing(e)
		return r, q.Policy, nil
	}
	perhaps, err := s.suppose(q, generous, known)
	if err != nil {
		return r, nil, err
	}
	loosely := s.l.explain(perhaps.question)
	if !loosely.Allowed {
		r.Answer, r.By = CanNot, []string{loosely.reason}
		return r, q.Policy, nil
	}
	r.Answer, r.By = CanConditional, allowing(loosely)
	r.Conditions = append(conditionsOf("only if", "Allow", loosely, perhaps.open, e), conditionsOf("unless", "Deny", e, surely.open, e)...)
	for _, g := range q.grants {
		if loosely.grant == g.ID && g.Constraint != "" {
			r.Conditions = append(r.Conditions, WhoCanCondition{"only if", "grant " + g.ID, g.ConstraintText()})
		}
	}
	return r, q.Policy, nil
}

// allowing names what allows a request: statements that do, or a grant.
func allowing(e Explanation) (by []string) {
	if e.grant != "" {
		return []string{"grant " + e.grant}
	}
	for _, l := range e.Layers {
		if !l.allows {
			continue
		}
		for _, d := range l.Documents {
			for _, st := range d.Statements {
				if st.Applies && st.Effect == "Allow" {
					by = append(by, d.Name+", "+st.title())
				}
			}
		}
	}
	if by == nil && e.Allowed {
		by = []string{"being the account's root user"} // whom no policy has to allow what is not a key
	}
	return by
}

// counts reports whether a request that is allowed needs the layer.
func (l ExplainedLayer) counts() bool {
	limits := []string{layerNames[gate.EndpointPolicy], layerNames[gate.Boundary], layerNames[gate.SessionPolicies]}
	return l.allows || slices.Contains(limits, l.Name) || strings.HasPrefix(l.Name, layerNames[gate.ServiceControl])
}

// conditionsOf lists what was open of the statements that apply in e. An Allow
// is left out of a layer that allows without it, as it does in surely, and of one
// that does not count.
func conditionsOf(only, effect string, e Explanation, open map[string]map[int]string, surely Explanation) (found []WhoCanCondition) {
	for i, l := range e.Layers {
		if effect == "Allow" && (surely.Layers[i].allow || !l.counts()) {
			continue
		}
		word := only
		for _, d := range l.Documents {
			for _, st := range d.Statements {
				if c := open[d.Name][st.Index]; c != "" && st.Applies && st.Effect == effect {
					found = append(found, WhoCanCondition{word, d.Name + ", " + st.title(), c})
					if effect == "Allow" {
						word = "or if" // one of those that allow is enough in a layer
					}
				}
			}
		}
	}
	return found
}

// knownAlways are the condition keys whose values follow from the principal, the
// resource and the time.
var knownAlways = knownKeys{}.with(
	"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:PrincipalOrgID", "aws:PrincipalOrgPaths", "aws:PrincipalIsAWSService",
	"aws:PrincipalServiceName", "aws:PrincipalServiceNamesList", "aws:username",
	"aws:ResourceAccount", "aws:ResourceOrgID", "aws:ResourceOrgPaths", "aws:ResourceTag/", "aws:RequestedRegion", "aws:CurrentTime", "aws:EpochTime",
	"kms:CallerAccount", "kms:KeySpec", "kms:KeyUsage", "kms:KeyOrigin", "kms:CustomerMasterKeySpec", "kms:CustomerMasterKeyUsage",
	"kms:MultiRegion", "kms:MultiRegionKeyType", "kms:ResourceAliases", "s3:ResourceAccount",
)

// known returns which condition keys are known of a request of c.
func (s *survey) known(c identity.Caller) knownKeys {
	k := knownAlways.with(s.given.names()...)
	if c.Session == nil {
		return k.with("aws:userid", "aws:PrincipalTag/")
	}
	if c.Session.Name != anySession {
		return k.with("aws:userid")
	}
	return k // a session's tags are added to the role's
}

// suppositionOf is a document and how it is rewritten.
type suppositionOf struct {
	document *policy.Document
	supposition
	session, named bool // which keys are known differs
}

type rewritten struct {
	document *policy.Document
	open     map[int]string
}

// supposing is a question with all its documents rewritten.
type supposing struct {
	question
	open map[string]map[int]string // by the document's name
}

func (s *survey) suppose(q question, how supposition, known knownKeys) (supposing, error) {
	out := supposing{question: q, open: map[string]map[int]string{}}
	a := *q.authority
	var err error
	rewrite := func(layer []gate.Named) []gate.Named {
		var all []gate.Named
		for _, n := range layer {
			if err == nil {
				n.Document, err = s.rewrite(n.Document, how, known, q.caller, n.Name, out.open)
			}
			all = append(all, n)
		}
		return all
	}
	a.Identity, a.Boundary, a.Session = rewrite(a.Identity), rewrite(a.Boundary), rewrite(a.Session)
	var levels [][]gate.Named
	for _, level := range a.ServiceControl {
		if l := rewrite(level); l != nil {
			level = l
		}
		levels = append(levels, level)
	}
	a.ServiceControl = levels
	if q.Policy != nil && err == nil {
		out.Policy, err = s.rewrite(q.Policy, how, known, q.caller, resourcePolicyName(q.Kind), out.open)
	}
	out.authority = &a
	if how == generous && q.isKey && s.encryption == nil {
		out.Grant, out.AccountGrant = anyGrant(q.grants, false), anyGrant(q.grants, true)
	}
	return out, err
}

// anyGrant finds a grant whose constraint could be met.
func anyGrant(grants []kms.ConsideredGrant, ofAccount bool) func() (string, bool) {
	return func() (string, bool) {
		for _, g := range grants {
			if g.Operation && g.OfAccount == ofAccount {
				return g.ID, true
			}
		}
		return "", false
	}
}

func (s *survey) rewrite(d *policy.Document, how supposition, known knownKeys, c identity.Caller, name string, open map[string]map[int]string) (*policy.Document, error) {
	key := suppositionOf{d, how, c.Session != nil, c.Session != nil && c.Session.Name != anySession}
	done, ok := s.documents[key]
	if !ok {
		text, err := suppose(d.Text(), how, known.has)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		done = rewritten{d, text.open}
		if len(text.open) > 0 {
			if done.document, err = policy.Parse(d.Kind(), text.text); err != nil {
				return nil, fmt.Errorf("%s, without its conditions: %w", name, err)
			}
		}
		s.documents[key] = done
	}
	if len(done.open) > 0 {
		open[name] = done.open
	}
	return done.document, nil
}
