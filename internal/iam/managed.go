package iam

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// Policy is one customer managed policy to put in place; see [Service.PutPolicyIn].
type Policy struct {
	Account     string
	Name        string
	Path        string // cannot be changed, for it is in the ARN
	Description string
	Tags        map[string]string
	Document    string
}

// ARN returns the ARN of the policy.
func (p Policy) ARN() string { return aPolicy.arn(p.Account, p.Path, p.Name) }

// PutPolicyIn makes sure that the managed policy exists just as it is given. A
// new document is in force, for everyone who has the policy, before the change
// that puts it returns.
func (s *Service) PutPolicyIn(tx *store.Tx, p Policy) error {
	what := "policy " + p.Name
	if err := aPolicy.check(p.Account, p.Path, p.Name); err != nil {
		return err
	}
	if err := checkTags(what, p.Tags); err != nil {
		return err
	}
	if err := checkDescription(what, p.Description); err != nil {
		return err
	}
	if n := size(p.Document); n > maxManaged {
		return awserr.New(LimitExceeded, "Cannot exceed quota for PolicySize: %d", maxManaged)
	}
	if _, err := parse(policy.Identity, what, p.Document); err != nil {
		return err
	}
	if len(p.Tags) == 0 {
		p.Tags = nil
	}
	return s.put(tx, store.Policies, p.Account, rowKey(p.Account, p.Name), p.Account, func(old []byte) (any, event, error) {
		doc := policyDoc{
			Account: p.Account, Name: p.Name, ID: aPolicy.newID(), Created: s.now(), Updated: s.now(), Path: storedPath(p.Path),
			Description: p.Description, Tags: p.Tags, Version: 1, Document: p.Document,
		}
		if old == nil {
			return doc, s.created(aPolicy, doc.Name, doc.ID, doc.Path, facets{tags: doc.Tags}, map[string]any{
				"policyDocument": doc.Document, "description": doc.Description,
			}), nil
		}
		var was policyDoc
		if err := json.Unmarshal(old, &was); err != nil {
			return nil, event{}, err
		}
		if was.Path != doc.Path {
			return nil, event{}, fmt.Errorf("policy %s has the path %q, and the path of a policy cannot be changed; remove the policy first", p.Name, "/"+strings.TrimPrefix(was.Path, "/"))
		}
		doc.ID, doc.Created, doc.Updated, doc.Version = was.ID, was.Created, was.Updated, was.Version
		changes := facets{tags: doc.Tags}.changes(aPolicy, facets{tags: was.Tags})
		if doc.Document != was.Document {
			doc.Version++
			doc.Updated = s.now()
			changes = append(changes, change{"CreatePolicyVersion", "policyDocument", doc.Document})
		}
		if doc.Description != was.Description { // AWS's cannot be changed; ours is what the file says
			changes = append(changes, change{"UpdatePolicy", "description", doc.Description})
		}
		return doc, s.updated(aPolicy, doc.Name, changes), nil
	})
}

// checkAttachable refuses a managed policy that cannot be attached in the
// account.
func (s *Service) checkAttachable(tx *store.Tx, account, arn string) error {
	if _, ok := s.index.Load().aws[arn]; ok {
		return nil
	}
	if strings.HasPrefix(arn, awsPrefix) {
		return unknownAWS(arn)
	}
	k, key, ok := named(arn)
	if !ok || k.noun != aPolicy.noun {
		return fmt.Errorf("policy %q is not known here; write the ARN of a managed policy, or its name", arn)
	}
	missing := awserr.New(NoSuchEntity, "Policy %s does not exist or is not attachable.", arn)
	if !strings.HasPrefix(key, account+"/") {
		return missing
	}
	there, err := s.exists(tx, store.Policies, key)
	if err != nil {
		return err
	}
	if !there {
		return missing
	}
	row, err := tx.Get(store.Policies, key)
	if err != nil {
		return err
	}
	var doc policyDoc
	if err := json.Unmarshal(row.Doc, &doc); err != nil {
		return err
	}
	if aPolicy.arn(doc.Account, doc.Path, doc.Name) != arn {
		return missing
	}
	return nil
}

// PolicyARN finds the managed policy that a name stands for in an account: one
// of the account's, else one of AWS's. An ARN stands for itself. A row that was
// changed outside the server stands for nothing: it could name any policy.
func (s *Service) PolicyARN(tx *store.Tx, account, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	row, err := tx.Get(store.Policies, rowKey(account, name))
	var doc policyDoc
	if err == nil && store.VerifyRow(s.cfg.RowMAC, store.Policies, row) == nil && json.Unmarshal(row.Doc, &doc) == nil {
		return aPolicy.arn(doc.Account, doc.Path, doc.Name)
	}
	if _, ok := s.index.Load().aws[awsPrefix+name]; ok {
		return awsPrefix + name
	}
	return name
}
