package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// What the file says of principals and their policies. Everything but tags and
// names is what the entity has from then on: what is left out, it has not.

type bootstrapInline struct {
	Name         text     `yaml:"name"`
	Document     document `yaml:"document"`
	DocumentFile text     `yaml:"documentFile"`
}

type bootstrapPolicy struct {
	Name         text            `yaml:"name"`
	Absent       bool            `yaml:"absent"`
	Path         text            `yaml:"path"`
	Description  text            `yaml:"description"`
	Tags         map[string]text `yaml:"tags"`
	Document     document        `yaml:"document"`
	DocumentFile text            `yaml:"documentFile"`
}

type bootstrapGroup struct {
	Name           text              `yaml:"name"`
	Absent         bool              `yaml:"absent"`
	Path           text              `yaml:"path"`
	Policies       []text            `yaml:"policies"` // names or ARNs of managed policies
	InlinePolicies []bootstrapInline `yaml:"inlinePolicies"`
}

type bootstrapUser struct {
	Name           text                 `yaml:"name"`
	Absent         bool                 `yaml:"absent"`
	Path           text                 `yaml:"path"`
	Policies       []text               `yaml:"policies"`
	InlinePolicies []bootstrapInline    `yaml:"inlinePolicies"`
	Groups         []text               `yaml:"groups"`
	Boundary       text                 `yaml:"boundary"` // name or ARN of a managed policy
	Tags           map[string]text      `yaml:"tags"`
	AccessKeys     []bootstrapAccessKey `yaml:"accessKeys"`
}

type bootstrapRole struct {
	Name               text              `yaml:"name"`
	Absent             bool              `yaml:"absent"`
	Path               text              `yaml:"path"`
	Description        text              `yaml:"description"`
	MaxSessionDuration *int              `yaml:"maxSessionDuration"` // seconds
	TrustPolicy        document          `yaml:"trustPolicy"`
	TrustPolicyFile    text              `yaml:"trustPolicyFile"`
	Policies           []text            `yaml:"policies"`
	InlinePolicies     []bootstrapInline `yaml:"inlinePolicies"`
	Boundary           text              `yaml:"boundary"`
	Tags               map[string]text   `yaml:"tags"`
}

// bootstrapControl is a service control policy: AWS's by its name, or one with
// its document.
type bootstrapControl struct {
	Name         text     `yaml:"name"`
	Level        text     `yaml:"level"`
	Document     document `yaml:"document"`
	DocumentFile text     `yaml:"documentFile"`
}

// accountLevel is the level of service control policies that name none.
const accountLevel = "account"

// principals adds the steps of principals and their policies, of all accounts:
// what names something comes after it, and what is removed before what may take
// its place or names it no more.
func (p *plan) principals(accounts []bootstrapAccount) error {
	for _, phase := range []func(bootstrapAccount) error{
		p.accountItself, p.removals, p.managedPolicies, p.groups, p.users, p.trustPolicies, p.reservedRoles, p.roles, p.lateRemovals,
	} {
		for _, a := range accounts {
			if err := phase(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// accountItself puts an account in place. What the file does not give of it
// stays.
func (p *plan) accountItself(a bootstrapAccount) error {
	if err := p.once("account", "", a.ID); err != nil {
		return err
	}
	levels, err := p.controls(a)
	if err != nil {
		return err
	}
	p.add(a.ID, func(tx *store.Tx) error {
		put, err := p.s.iam.AccountIn(tx, a.ID.s)
		if err != nil {
			return err
		}
		if a.Organization.given() {
			put.Organization = a.Organization.s
		}
		if a.ManagementAccount != nil {
			put.Management = *a.ManagementAccount
		}
		if a.ServiceControlPolicies != nil {
			put.ServiceControl = levels
		}
		return p.s.iam.PutAccountIn(tx, put)
	})
	return nil
}

// controls sorts an account's service control policies by their levels, in the
// order in which the file names them.
func (p *plan) controls(a bootstrapAccount) ([]iam.ServiceControlLevel, error) {
	var levels []iam.ServiceControlLevel
	place := map[string]int{}
	for _, c := range a.ServiceControlPolicies {
		at := c.Name.or(a.ID)
		level := accountLevel
		if c.Level.given() {
			level = c.Level.s
		}
		d, err := p.document(at, policy.ServiceControl, "service control policy "+c.Name.s, "document", c.Document, c.DocumentFile)
		if err != nil {
			return nil, err
		}
		put := iam.ServiceControlPolicy{Name: c.Name.s}
		if d != nil {
			put.Document = d.s
		}
		i, ok := place[level]
		if !ok {
			i = len(levels)
			place[level] = i
			levels = append(levels, iam.ServiceControlLevel{Name: level})
		}
		levels[i].Policies = append(levels[i].Policies, put)
	}
	return levels, nil
}

func (p *plan) managedPolicies(a bootstrapAccount) error {
	for _, m := range a.Policies {
		at := m.Name.or(a.ID)
		if err := p.once("policy", a.ID.s, m.Name); err != nil {
			return err
		}
		if m.Absent {
			continue
		}
		d, err := p.document(at, policy.Identity, "policy "+m.Name.s, "document", m.Document, m.DocumentFile)
		if err != nil {
			return err
		}
		if d == nil {
			return at.errorf("policy %s has no document", m.Name.s)
		}
		put := iam.Policy{Account: a.ID.s, Name: m.Name.s, Path: m.Path.s, Description: m.Description.s, Tags: plainTags(m.Tags), Document: d.s}
		p.add(at, func(tx *store.Tx) error { return p.s.iam.PutPolicyIn(tx, put) })
	}
	return nil
}

func (p *plan) groups(a bootstrapAccount) error {
	for _, g := range a.Groups {
		at := g.Name.or(a.ID)
		if err := p.once("group", a.ID.s, g.Name); err != nil {
			return err
		}
		if g.Absent {
			continue
		}
		inline, err := p.inline(at, "group "+g.Name.s, g.InlinePolicies)
		if err != nil {
			return err
		}
		p.add(at, func(tx *store.Tx) error {
			return p.s.iam.PutGroupIn(tx, iam.Group{
				Account: a.ID.s, Name: g.Name.s, Path: g.Path.s, PolicyARNs: p.arns(tx, a.ID.s, g.Policies), Inline: inline,
			})
		})
	}
	return nil
}

func (p *plan) users(a bootstrapAccount) error {
	if err := p.accessKeys(a.ID, text{}, a.AccessKeys); err != nil {
		return err
	}
	for _, u := range a.Users {
		if u.Absent {
			continue
		}
		at := u.Name.or(a.ID)
		inline, err := p.inline(at, "user "+u.Name.s, u.InlinePolicies)
		if err != nil {
			return err
		}
		var groups []string
		for _, g := range u.Groups {
			groups = append(groups, g.s)
		}
		p.add(at, func(tx *store.Tx) error {
			return p.s.iam.PutUserIn(tx, iam.User{
				Account: a.ID.s, Name: u.Name.s, Path: u.Path.s, PolicyARNs: p.arns(tx, a.ID.s, u.Policies), Inline: inline,
				Groups: groups, Boundary: p.boundary(tx, a.ID.s, u.Boundary), Tags: plainTags(u.Tags),
			})
		})
		if err := p.accessKeys(a.ID, u.Name, u.AccessKeys); err != nil {
			return err
		}
	}
	return nil
}

// trustPolicies reads the trust policies, and notes whom they name.
func (p *plan) trustPolicies(a bootstrapAccount) error {
	for _, r := range a.Roles {
		if r.Absent {
			continue
		}
		at := r.Name.or(a.ID)
		d, err := p.document(at, policy.Trust, "trust policy of role "+r.Name.s, "trustPolicy", r.TrustPolicy, r.TrustPolicyFile)
		if err != nil {
			return err
		}
		if d == nil {
			return at.errorf("role %s has no trustPolicy, which says who may assume it", r.Name.s)
		}
		p.trust[r.Name] = d
		for name := range d.parsed.Principals() {
			if parsed, ok := arn.Parse(name); ok && (parsed.Service == "iam" || parsed.Service == "sts") {
				p.trusted[parsed.AccountID+":"+parsed.Resource] = true
				role, _, _ := strings.Cut(strings.TrimPrefix(parsed.Resource, "assumed-role/"), "/")
				p.trusted[parsed.AccountID+":"+role] = true // of a session, whose ARN has no path
			}
		}
	}
	return nil
}

// reservedRoles makes the roles that are not there yet and that trust policies
// name, each other's or their own, so that they are there to be named.
func (p *plan) reservedRoles(a bootstrapAccount) error {
	for _, r := range a.Roles {
		path := "/"
		if r.Path.given() {
			path = r.Path.s
		}
		if r.Absent || !p.trusted[a.ID.s+":role"+path+r.Name.s] && !p.trusted[a.ID.s+":"+r.Name.s] {
			continue
		}
		p.add(r.Name.or(a.ID), func(tx *store.Tx) error { return p.s.iam.ReserveRoleIn(tx, a.ID.s, r.Path.s, r.Name.s) })
	}
	return nil
}

func (p *plan) roles(a bootstrapAccount) error {
	for _, r := range a.Roles {
		if r.Absent {
			continue
		}
		at := r.Name.or(a.ID)
		inline, err := p.inline(at, "role "+r.Name.s, r.InlinePolicies)
		if err != nil {
			return err
		}
		trust := p.trust[r.Name]
		put := iam.NewRole{Account: a.ID.s, Name: r.Name.s, Path: r.Path.s, Description: r.Description.s, Inline: inline, Tags: plainTags(r.Tags), Trust: trust.s}
		if n := r.MaxSessionDuration; n != nil {
			if *n < 3600 || *n > 43200 { // before it is multiplied
				return at.errorf("role %s: maxSessionDuration is %d seconds; it may be 3600 to 43200", r.Name.s, *n)
			}
			put.MaxSession = time.Duration(*n) * time.Second
		}
		p.add(at, func(tx *store.Tx) error {
			put := put
			put.PolicyARNs, put.Boundary = p.arns(tx, a.ID.s, r.Policies), p.boundary(tx, a.ID.s, r.Boundary)
			return trust.wrap(p.s.iam.PutRoleIn(tx, put))
		})
	}
	return nil
}

// inline reads the inline policies of who.
func (p *plan) inline(at text, who string, given []bootstrapInline) (map[string]string, error) {
	var all map[string]string
	for _, g := range given {
		name := g.Name.or(at)
		if err := p.once("inline policy", fmt.Sprint(who, at.line, ":", at.column), g.Name); err != nil {
			return nil, err
		}
		d, err := p.document(name, policy.Identity, who+", inline policy "+g.Name.s, "document", g.Document, g.DocumentFile)
		if err != nil {
			return nil, err
		}
		if d == nil {
			return nil, name.errorf("%s: inline policy %q has no document", who, g.Name.s)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[g.Name.s] = d.s
	}
	return all, nil
}

// arns are the ARNs of managed policies, which the file may give by name. A
// transaction knows those of the account that the file has put in place.
func (p *plan) arns(tx *store.Tx, account string, given []text) (arns []string) {
	for _, g := range given {
		arns = append(arns, p.s.iam.PolicyARN(tx, account, g.s))
	}
	return arns
}

func (p *plan) boundary(tx *store.Tx, account string, given text) string {
	if !given.given() {
		return ""
	}
	return p.s.iam.PolicyARN(tx, account, given.s)
}

func plainTags(given map[string]text) map[string]string {
	if given == nil {
		return nil
	}
	tags := make(map[string]string, len(given))
	for name, value := range given {
		tags[name] = value.s
	}
	return tags
}
