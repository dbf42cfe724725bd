package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// Account is one account to put in place, whole; see [Service.PutAccountIn].
type Account struct {
	ID string
	// Organization is o-…, aws:PrincipalOrgID, or the path of the account in it,
	// o-…/r-…/ou-…/, aws:PrincipalOrgPaths; empty: it is in none.
	Organization string
	// Management exempts the account from service control policies, as AWS does
	// with the management account of an organization.
	Management bool
	// ServiceControl has the service control policies of each level above and at
	// the account; at every level one must allow. Nil: none apply.
	ServiceControl []ServiceControlLevel
}

// ServiceControlLevel is the root of an organization, one of its organizational
// units, or an account, with the service control policies attached there.
type ServiceControlLevel struct {
	Name     string
	Policies []ServiceControlPolicy
}

// ServiceControlPolicy is a service control policy. One named FullAWSAccess
// without a document is AWS's.
type ServiceControlPolicy struct{ Name, Document string }

// FullAWSAccess is the name of AWS's own service control policy.
const FullAWSAccess = "FullAWSAccess"

// Quotas of AWS Organizations ("Quotas for AWS Organizations"): policies
// attached to one level, and levels: the root, organizational units nested five
// deep, and the account.
const (
	maxControlPolicies = 5
	maxControlLevels   = 7
)

// PutAccount makes sure that the account exists. Doing it again changes nothing.
func (s *Service) PutAccount(ctx context.Context, id string) error {
	return s.cfg.Store.Update(ctx, func(tx *store.Tx) error { return s.EnsureAccountIn(tx, id) })
}

// EnsureAccountIn is [Service.PutAccount] in a transaction of the caller's: of an
// account that is there it changes nothing.
func (s *Service) EnsureAccountIn(tx *store.Tx, id string) error {
	there, err := s.exists(tx, store.Accounts, id)
	if there || err != nil {
		return err
	}
	return s.PutAccountIn(tx, Account{ID: id})
}

// AccountIn returns the account as it is, or what a new one is.
func (s *Service) AccountIn(tx *store.Tx, id string) (Account, error) {
	var doc accountDoc
	a := Account{ID: id}
	if !accountForm.MatchString(id) {
		return a, nil // PutAccountIn refuses it
	}
	_, ok, err := s.there(tx, store.Accounts, id, &doc)
	if !ok || err != nil {
		return a, err
	}
	a.Organization, a.Management = doc.Organization, doc.Management
	for _, l := range doc.ServiceControl {
		level := ServiceControlLevel{Name: l.Name}
		for _, p := range l.Policies {
			if p.Name == FullAWSAccess {
				p.Document = ""
			}
			level.Policies = append(level.Policies, ServiceControlPolicy(p))
		}
		a.ServiceControl = append(a.ServiceControl, level)
	}
	return a, nil
}

// PutAccountIn makes sure that the account exists just as it is given. Service
// control policies are under the MAC of the account's own row: one of them
// cannot be taken away without it.
func (s *Service) PutAccountIn(tx *store.Tx, a Account) error {
	if !accountForm.MatchString(a.ID) {
		return fmt.Errorf("account %q: an account id has 12 digits", a.ID)
	}
	if a.Organization != "" && !organizationForm.MatchString(a.Organization) {
		return fmt.Errorf("account %s: organization %q: the id of an organization is o- and 10 to 32 small letters or digits; the path of an account in it goes on with /r-ROOT/ and an ou-… and / for each unit", a.ID, a.Organization)
	}
	levels, err := controlLevels(a)
	if err != nil {
		return err
	}
	return s.put(tx, store.Accounts, a.ID, a.ID, "", func(old []byte) (any, event, error) {
		doc := accountDoc{ID: a.ID, Created: s.now(), Organization: a.Organization, Management: a.Management, ServiceControl: levels}
		e := event{name: "CreateAccount", details: map[string]any{"accountId": a.ID}}
		if old != nil {
			var was accountDoc
			if err := json.Unmarshal(old, &was); err != nil {
				return nil, event{}, err
			}
			doc.Created = was.Created
			// Organizations has an operation for each: AttachPolicy, DetachPolicy,
			// InviteAccountToOrganization. This is all of them at once.
			e.name, e.source = "UpdateAccount", organizationsSource
		}
		if id, _, inPath := strings.Cut(doc.Organization, "/"); id != "" {
			e.details["organizationId"] = id
			if inPath {
				e.details["organizationPath"] = doc.Organization
			}
		}
		if doc.Management {
			e.details["managementAccount"] = true
		}
		if levels != nil || old != nil {
			e.details["serviceControlPolicies"] = levels
		}
		return doc, e, nil
	})
}

const organizationsSource = "organizations.amazonaws.com"

// controlLevels checks the service control policies of an account.
func controlLevels(a Account) ([]controlLevel, error) {
	if len(a.ServiceControl) > maxControlLevels {
		return nil, fmt.Errorf("account %s: %d levels of service control policies; there may be %d", a.ID, len(a.ServiceControl), maxControlLevels)
	}
	var levels []controlLevel
	for _, l := range a.ServiceControl {
		if !longNameForm.MatchString(l.Name) {
			return nil, fmt.Errorf("account %s: level %q of service control policies: a name has 1 to 128 of the characters A-Z a-z 0-9 _ + = , . @ -", a.ID, l.Name)
		}
		if slices.ContainsFunc(levels, func(other controlLevel) bool { return other.Name == l.Name }) {
			return nil, fmt.Errorf("account %s: level %s of service control policies is given twice", a.ID, l.Name)
		}
		if len(l.Policies) > maxControlPolicies {
			return nil, awserr.New("ConstraintViolationException", "You have attached the maximum number of policies to the specified target.")
		}
		level := controlLevel{Name: l.Name}
		for _, p := range l.Policies {
			if slices.ContainsFunc(level.Policies, func(other controlPolicy) bool { return other.Name == p.Name }) {
				return nil, fmt.Errorf("account %s: service control policy %s is given twice at level %s", a.ID, p.Name, l.Name)
			}
			doc, err := controlDocument(p)
			if err != nil {
				return nil, fmt.Errorf("account %s: %w", a.ID, err)
			}
			level.Policies = append(level.Policies, controlPolicy{p.Name, doc})
		}
		levels = append(levels, level)
	}
	return levels, nil
}

// controlDocument checks one service control policy.
func controlDocument(p ServiceControlPolicy) (string, error) {
	what := "service control policy " + p.Name
	if p.Name == FullAWSAccess {
		if p.Document != "" {
			return "", fmt.Errorf("%s is AWS's own; give it no document, or yours another name", what)
		}
		return fullAWSAccess, nil
	}
	if !longNameForm.MatchString(p.Name) {
		return "", fmt.Errorf("service control policy %q: a policy name has 1 to 128 of the characters A-Z a-z 0-9 _ + = , . @ -", p.Name)
	}
	if p.Document == "" {
		return "", fmt.Errorf("%s has no document; only %s is known by its name", what, FullAWSAccess)
	}
	if len(p.Document) > maxServiceControl {
		return "", fmt.Errorf("%s: its document has %d bytes; there may be %d", what, len(p.Document), maxServiceControl)
	}
	if _, err := parse(policy.ServiceControl, what, p.Document); err != nil {
		return "", err
	}
	return p.Document, nil
}
