package iam

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// inlinePolicies compiles the inline policies of a principal, in the order of
// their names.
func inlinePolicies(what string, texts map[string]string) ([]gate.Named, error) {
	var all []gate.Named
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		n := what + ", inline policy " + name
		d, err := stored(policy.Identity, n, texts[name])
		if err != nil {
			return nil, err
		}
		all = append(all, gate.Named{Name: n, Document: d})
	}
	return all, nil
}

func (s *Service) openAccount(e *accountEntry, r store.Row) error {
	if err := s.read(store.Accounts, r, &e.doc); err != nil {
		return err
	}
	if e.doc.Management {
		return nil
	}
	for _, l := range e.doc.ServiceControl {
		level := []gate.Named{}
		for _, p := range l.Policies {
			n := fmt.Sprintf("service control policy %s of %s", p.Name, l.Name)
			d, err := stored(policy.ServiceControl, n, p.Document)
			if err != nil {
				return err
			}
			level = append(level, gate.Named{Name: n, Document: d})
		}
		e.levels = append(e.levels, level)
	}
	return nil
}

func (s *Service) openPolicy(e *managed, r store.Row) (err error) {
	if err := s.read(store.Policies, r, &e.doc); err != nil {
		return err
	}
	e.Name = aPolicy.arn(e.doc.Account, e.doc.Path, e.doc.Name)
	e.Document, err = stored(policy.Identity, "policy "+e.Name, e.doc.Document)
	return err
}

func (s *Service) openGroup(e *group, r store.Row) (err error) {
	if err := s.read(store.Groups, r, &e.doc); err != nil {
		return err
	}
	e.arn = aGroup.arn(e.doc.Account, e.doc.Path, e.doc.Name)
	e.inline, err = inlinePolicies("group "+e.doc.Name, e.doc.Inline)
	return err
}

func (s *Service) openUser(e *user, r store.Row) (err error) {
	if err := s.read(store.Users, r, &e.doc); err != nil {
		return err
	}
	e.arn = aUser.arn(e.doc.Account, e.doc.Path, e.doc.Name)
	e.inline, err = inlinePolicies("user "+e.doc.Name, e.doc.Inline)
	return err
}

func (s *Service) openRole(e *role, r store.Row) (err error) {
	if err := s.read(store.Roles, r, &e.doc); err != nil {
		return err
	}
	e.arn = aRole.arn(e.doc.Account, e.doc.Path, e.doc.Name)
	if e.inline, err = inlinePolicies("role "+e.doc.Name, e.doc.Inline); err != nil || e.doc.Trust == "" {
		return err
	}
	e.trust, err = stored(policy.Trust, "trust policy of role "+e.doc.Name, e.doc.Trust)
	return err
}

func (s *Service) openAccessKey(e *accessKey, r store.Row) (err error) {
	if err := s.read(store.AccessKeys, r, &e.doc); err != nil {
		return err
	}
	e.key, err = s.loadSecret(e.doc)
	return err
}

// Documents, as they are stored. What was added after the first release is left
// out where there is nothing, so that the rows of that release stay as they are.
type (
	accountDoc struct {
		ID             string
		Created        time.Time
		Organization   string         `json:",omitempty"`
		Management     bool           `json:",omitempty"`
		ServiceControl []controlLevel `json:",omitempty"`
	}
	controlLevel struct {
		Name     string
		Policies []controlPolicy
	}
	controlPolicy struct{ Name, Document string }

	userDoc struct {
		Account    string
		Name       string
		ID         string // AIDA…: what policies hold, so that a namesake inherits nothing
		Created    time.Time
		PolicyARNs []string
		Path       string            `json:",omitempty"` // empty: "/"
		Inline     map[string]string `json:",omitempty"` // documents by name
		Groups     []string          `json:",omitempty"` // names
		Boundary   string            `json:",omitempty"` // ARN
		Tags       map[string]string `json:",omitempty"`
	}
	groupDoc struct {
		Account, Name, ID string
		Created           time.Time
		Path              string            `json:",omitempty"`
		PolicyARNs        []string          `json:",omitempty"`
		Inline            map[string]string `json:",omitempty"`
	}
	roleDoc struct {
		Account, Name, ID string
		Created           time.Time
		Path              string            `json:",omitempty"`
		Description       string            `json:",omitempty"`
		MaxSession        int               // seconds
		PolicyARNs        []string          `json:",omitempty"`
		Inline            map[string]string `json:",omitempty"`
		Boundary          string            `json:",omitempty"`
		Tags              map[string]string `json:",omitempty"`
		Trust             string            `json:",omitempty"` // with unique ids; empty: nobody is trusted yet
	}
	policyDoc struct {
		Account, Name, ID string
		Created, Updated  time.Time
		Path              string            `json:",omitempty"`
		Description       string            `json:",omitempty"`
		Tags              map[string]string `json:",omitempty"`
		Version           int               // how many documents it has had
		Document          string
	}
	accessKeyDoc struct {
		ID       string
		Account  string
		UserName string `json:",omitempty"`
		Created  time.Time
		SecretID string // which secret; see secret.go
		Secret   []byte `json:",omitempty"` // its token, in schema 1 only
	}
)
