package iam

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/store"
)

// The Delete…In functions make sure that something is not there; doing it again
// changes nothing. It is gone, with its sessions, before the change returns: what
// names its unique id elsewhere names nobody from then on, whoever gets its name.

// DeleteUserIn removes a user and its access keys.
func (s *Service) DeleteUserIn(tx *store.Tx, account, name string) error {
	if err := aUser.check(account, "", name); err != nil {
		return err
	}
	var doc userDoc
	row, ok, err := s.there(tx, store.Users, rowKey(account, name), &doc)
	if !ok || err != nil {
		return err
	}
	// The row that has the record is deleted first.
	if err := s.delete(tx, store.Users, row, account, event{name: "DeleteUser", details: map[string]any{"userName": name, "userId": doc.ID}}); err != nil {
		return err
	}
	for {
		keys, err := tx.List(store.AccessKeys, store.Query{Ref: rowKey(account, name), Limit: 100})
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, r := range keys {
			if err := s.deleteAccessKey(tx, r); err != nil {
				return err
			}
		}
	}
}

// DeleteAccessKeyIn removes an access key with its secret.
func (s *Service) DeleteAccessKeyIn(tx *store.Tx, account, userName, id string) error {
	var doc accessKeyDoc
	row, ok, err := s.there(tx, store.AccessKeys, id, &doc)
	if !ok || err != nil {
		return err
	}
	if doc.Account != account || doc.UserName != userName {
		return errors.New("access key " + id + " belongs to another principal")
	}
	record, err := s.record(account, event{name: "DeleteAccessKey", details: map[string]any{"accessKeyId": id, "userName": userName}})
	if err != nil {
		return err
	}
	tx.SetRecord(record)
	return s.deleteAccessKey(tx, row)
}

// deleteAccessKey removes the row of an access key and that of its secret.
func (s *Service) deleteAccessKey(tx *store.Tx, r store.Row) error {
	var doc accessKeyDoc
	if err := s.read(store.AccessKeys, r, &doc); err != nil {
		return err
	}
	if err := tx.Delete(store.AccessKeys, r.Key, r.Rev); err != nil {
		return err
	}
	secret, err := tx.Get(store.AccessKeyTokens, secretRow(doc))
	if err != nil {
		return missingSecret(doc, err)
	}
	return tx.Delete(store.AccessKeyTokens, secret.Key, secret.Rev)
}

// DeleteRoleIn removes a role. Its sessions are at an end.
func (s *Service) DeleteRoleIn(tx *store.Tx, account, name string) error {
	if err := aRole.check(account, "", name); err != nil {
		return err
	}
	var doc roleDoc
	row, ok, err := s.there(tx, store.Roles, rowKey(account, name), &doc)
	if !ok || err != nil {
		return err
	}
	return s.delete(tx, store.Roles, row, account, event{name: "DeleteRole", details: map[string]any{"roleName": name, "roleId": doc.ID}})
}

// DeleteGroupIn removes a group that has no members. One that has some is
// refused with DeleteConflict.
func (s *Service) DeleteGroupIn(tx *store.Tx, account, name string) error {
	if err := aGroup.check(account, "", name); err != nil {
		return err
	}
	var doc groupDoc
	row, ok, err := s.there(tx, store.Groups, rowKey(account, name), &doc)
	if !ok || err != nil {
		return err
	}
	err = s.each(tx, store.Users, account, func(r store.Row) error {
		var u userDoc
		if err := json.Unmarshal(r.Doc, &u); err != nil {
			return err
		}
		if slices.Contains(u.Groups, name) {
			return awserr.New(DeleteConflict, "Cannot delete group %s: user %s is in it.", name, u.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.delete(tx, store.Groups, row, account, event{name: "DeleteGroup", details: map[string]any{"groupName": name, "groupId": doc.ID}})
}

// DeletePolicyIn removes a managed policy that nobody has. One that is attached,
// or that is a permissions boundary, is refused with DeleteConflict.
func (s *Service) DeletePolicyIn(tx *store.Tx, account, name string) error {
	if err := aPolicy.check(account, "", name); err != nil {
		return err
	}
	var doc policyDoc
	row, ok, err := s.there(tx, store.Policies, rowKey(account, name), &doc)
	if !ok || err != nil {
		return err
	}
	arn := aPolicy.arn(doc.Account, doc.Path, doc.Name)
	for _, k := range []kind{aUser, aRole, aGroup} {
		err := s.each(tx, k.table, account, func(r store.Row) error {
			var has struct {
				Name, Boundary string
				PolicyARNs     []string
			}
			if err := json.Unmarshal(r.Doc, &has); err != nil {
				return err
			}
			if slices.Contains(has.PolicyARNs, arn) || has.Boundary == arn {
				return awserr.New(DeleteConflict, "Cannot delete a policy attached to entities: %s has %s.", k.noun+" "+has.Name, name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.delete(tx, store.Policies, row, account, event{name: "DeletePolicy", details: map[string]any{"policyArn": arn, "policyId": doc.ID}})
}

// there reads a row that may be missing.
func (s *Service) there(tx *store.Tx, t store.Table, key string, doc any) (store.Row, bool, error) {
	row, err := tx.Get(t, key)
	if errors.Is(err, store.ErrNotFound) {
		return row, false, nil
	}
	if err != nil {
		return row, false, err
	}
	return row, true, s.read(t, row, doc)
}

// delete removes a row with the record of its end.
func (s *Service) delete(tx *store.Tx, t store.Table, row store.Row, account string, e event) error {
	record, err := s.record(account, e)
	if err != nil {
		return err
	}
	tx.SetRecord(record)
	return tx.Delete(t, row.Key, row.Rev)
}
