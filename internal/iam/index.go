package iam

import (
	"fmt"
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// index is every principal and document in memory, as one commit left them. It
// is immutable once it is in force; a commit makes another one of the parts that
// it does not concern, so that no reader sees half a change. What is derived
// from several rows (an authority) is made at its first use and kept beside its
// entry, under the generation it was made of.
//
// An entry whose row does not verify any more stays, as err: whoever needs it is
// refused, and told which row it is.
type index struct {
	generation uint64

	accounts *table[*accountEntry]
	users    *table[*user]    // by row key
	groups   *table[*group]   // by row key
	roles    *table[*role]    // by row key
	policies *table[*managed] // by row key
	keys     *table[*accessKey]

	userIDs *table[*user] // by unique id
	roleIDs *table[*role]

	aws map[string]*managed // AWS's managed policies, by ARN
}

// The entries. Each is immutable but for what it derives.
type (
	accountEntry struct {
		doc     accountDoc
		err     error
		levels  [][]gate.Named // service control policies; nil: none apply
		derived derived[*gate.Authority]
	}
	user struct {
		doc     userDoc
		err     error
		arn     string
		inline  []gate.Named
		derived derived[*gate.Authority]
	}
	group struct {
		doc    groupDoc
		err    error
		arn    string
		inline []gate.Named
	}
	role struct {
		doc     roleDoc
		err     error
		arn     string
		inline  []gate.Named
		trust   *policy.Document // nil: nobody may assume it
		derived derived[*gate.Authority]
	}
	managed struct {
		doc policyDoc
		err error
		gate.Named
	}
	accessKey struct {
		doc     accessKeyDoc
		err     error
		key     *hsm.AccessKey
		derived derived[*Credential]
	}
)

// derived is what was made of an entry and of others.
type derived[V any] struct{ at atomic.Pointer[derivation[V]] }

type derivation[V any] struct {
	generation uint64
	value      V
	err        error
}

// of returns what make makes, made once for each generation. Several callers
// may make it at the same time; any of what they make may stay.
func (d *derived[V]) of(generation uint64, make func() (V, error)) (V, error) {
	if got := d.at.Load(); got != nil && got.generation == generation {
		return got.value, got.err
	}
	v, err := make()
	d.at.Store(&derivation[V]{generation, v, err})
	return v, err
}

func newIndex(aws map[string]*managed) *index {
	seed := maphash.MakeSeed()
	return &index{
		accounts: newTable[*accountEntry](seed), users: newTable[*user](seed), groups: newTable[*group](seed),
		roles: newTable[*role](seed), policies: newTable[*managed](seed), keys: newTable[*accessKey](seed),
		userIDs: newTable[*user](seed), roleIDs: newTable[*role](seed), aws: aws,
	}
}

// next returns an index that can be changed, of the next generation.
func (ix *index) next() *index {
	return &index{
		generation: ix.generation + 1,
		accounts:   ix.accounts.clone(), users: ix.users.clone(), groups: ix.groups.clone(),
		roles: ix.roles.clone(), policies: ix.policies.clone(), keys: ix.keys.clone(),
		userIDs: ix.userIDs.clone(), roleIDs: ix.roleIDs.clone(), aws: ix.aws,
	}
}

// indexed are the tables that the index has.
var indexed = []store.Table{store.Accounts, store.Policies, store.Groups, store.Users, store.Roles, store.AccessKeys}

// enter takes a row in. With err, which says why it could not be read, there is
// no row.
func (s *Service) enter(ix *index, t store.Table, key string, r store.Row, err error) {
	switch t {
	case store.Accounts:
		e := &accountEntry{err: err}
		if err == nil {
			e.err = s.openAccount(e, r)
		}
		ix.accounts.set(key, e, true)
	case store.Policies:
		e := &managed{err: err}
		if err == nil {
			e.err = s.openPolicy(e, r)
		}
		ix.policies.set(key, e, true)
	case store.Groups:
		e := &group{err: err}
		if err == nil {
			e.err = s.openGroup(e, r)
		}
		ix.groups.set(key, e, true)
	case store.Users:
		e := &user{err: err}
		if err == nil {
			e.err = s.openUser(e, r)
		}
		ix.putUser(key, e)
	case store.Roles:
		e := &role{err: err}
		if err == nil {
			e.err = s.openRole(e, r)
		}
		ix.putRole(key, e)
	case store.AccessKeys:
		e := &accessKey{err: err}
		if err == nil {
			e.err = s.openAccessKey(e, r)
		}
		ix.keys.set(key, e, true)
	}
}

// putUser keeps the unique ids beside the users. A user that cannot be read
// keeps the id it had, so that its sessions meet the error and not a stranger.
func (ix *index) putUser(key string, e *user) {
	was, ok := ix.users.get(key)
	if ok && e.err != nil && e.doc.ID == "" {
		e.doc = was.doc
	}
	if ok {
		ix.userIDs.set(was.doc.ID, nil, false)
	}
	ix.users.set(key, e, true)
	if e.doc.ID != "" {
		ix.userIDs.set(e.doc.ID, e, true)
	}
}

// putRole is putUser for roles.
func (ix *index) putRole(key string, e *role) {
	was, ok := ix.roles.get(key)
	if ok && e.err != nil && e.doc.ID == "" {
		e.doc = was.doc
	}
	if ok {
		ix.roleIDs.set(was.doc.ID, nil, false)
	}
	ix.roles.set(key, e, true)
	if e.doc.ID != "" {
		ix.roleIDs.set(e.doc.ID, e, true)
	}
}

// remove takes a row out.
func (ix *index) remove(t store.Table, key string) {
	switch t {
	case store.Accounts:
		ix.accounts.set(key, nil, false)
	case store.Policies:
		ix.policies.set(key, nil, false)
	case store.Groups:
		ix.groups.set(key, nil, false)
	case store.Users:
		if was, ok := ix.users.get(key); ok {
			ix.userIDs.set(was.doc.ID, nil, false)
		}
		ix.users.set(key, nil, false)
	case store.Roles:
		if was, ok := ix.roles.get(key); ok {
			ix.roleIDs.set(was.doc.ID, nil, false)
		}
		ix.roles.set(key, nil, false)
	case store.AccessKeys:
		ix.keys.set(key, nil, false)
	}
}

// attachable finds a managed policy by its ARN: one of AWS's, or of the account.
// It may be one that cannot be read.
func (ix *index) attachable(account, arn string) (*managed, bool) {
	if m, ok := ix.aws[arn]; ok {
		return m, true
	}
	k, key, ok := named(arn)
	if !ok || k.noun != aPolicy.noun || !strings.HasPrefix(key, account+"/") {
		return nil, false
	}
	m, ok := ix.policies.get(key)
	if !ok || m.err == nil && m.Name != arn {
		return nil, false
	}
	return m, true
}

// managedPolicy is attachable for a policy that is attached, and so must be there.
func (ix *index) managedPolicy(account, arn string) (*managed, error) {
	m, ok := ix.attachable(account, arn)
	if !ok {
		_, key, _ := named(arn)
		return nil, fmt.Errorf("iam: policy %s is attached, and row %s/%s is missing from the database; restore it from a backup", arn, store.Policies, key)
	}
	return m, m.err
}

// check reports the first entry that cannot be used, and who needs a row that
// is not there.
func (ix *index) check() error {
	for key, e := range ix.accounts.all {
		if err := e.err; err != nil {
			return err
		}
		if _, err := ix.accountAuthority(key); err != nil {
			return err
		}
	}
	for _, e := range ix.policies.all {
		if e.err != nil {
			return e.err
		}
	}
	for _, e := range ix.groups.all {
		if e.err != nil {
			return e.err
		}
		if _, err := ix.policiesOf(e.doc.Account, e.arn, e.doc.PolicyARNs); err != nil {
			return err
		}
	}
	for _, e := range ix.users.all {
		if _, err := ix.userAuthority(e); err != nil {
			return err
		}
	}
	for _, e := range ix.roles.all {
		if _, err := ix.roleAuthority(e); err != nil {
			return err
		}
	}
	for _, e := range ix.keys.all {
		if _, err := ix.credential(e); err != nil {
			return err
		}
	}
	return nil
}
