package kmsdb

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

// GrantRef names a grant. It is comparable.
type GrantRef struct {
	Key KeyRef
	ID  string // 64 hexadecimal digits
	// Grantee is the unique id of the principal that the grant is for. It is in
	// the row's name so that whoever hears of a change knows whom it concerns.
	Grantee string
}

// Row returns the key of r's row in kms_grants.
func (r GrantRef) Row() string { return r.Key.Row() + "/" + r.ID + "/" + r.Grantee }

// ParseGrantRow is the inverse of [GrantRef.Row].
func ParseGrantRow(row string) (GrantRef, bool) {
	p := strings.Split(row, "/")
	if len(p) != 5 || p[0] == named {
		return GrantRef{}, false
	}
	return GrantRef{KeyRef{Account: p[0], Region: p[1], ID: p[2]}, p[3], p[4]}, true
}

// Grant is the record of a grant. It is never changed, only made and deleted.
type Grant struct {
	Account, Region, KeyID string // of the key
	ID                     string // 64 hexadecimal digits
	Name                   string `json:",omitempty"`
	Grantee                Party
	Retiring               Party                   `json:",omitzero"` // the zero value: nobody was named
	Operations             []kmsapi.GrantOperation // in the order of the request, each once
	// Constraint is "EncryptionContextEquals" or "EncryptionContextSubset", and
	// Context its pairs; both are empty without a constraint.
	Constraint     string            `json:",omitempty"`
	Context        map[string]string `json:",omitempty"`
	IssuingAccount string            // of the principal that made it
	CreationDate   time.Time

	rev int64 // as loaded
}

// Party is a principal in a grant.
type Party struct {
	// ID is the account of an account, the unique id of a user (AIDA…) or role
	// (AROA…), AROA…:name of a role session, account:name of a federated user.
	// It decides: a namesake has another one.
	ID  string
	ARN string // as the request had it
}

// The kinds of [Grant.Constraint], as kms:GrantConstraintType has them.
const (
	ContextEquals = "EncryptionContextEquals"
	ContextSubset = "EncryptionContextSubset"
)

// Key returns the name of the key that g is on.
func (g *Grant) Key() KeyRef { return KeyRef{Account: g.Account, Region: g.Region, ID: g.KeyID} }

// Ref returns the name of g.
func (g *Grant) Ref() GrantRef { return GrantRef{g.Key(), g.ID, g.Grantee.ID} }

// granteeRef is what the rows of a grantee's grants on a key refer to.
func granteeRef(key KeyRef, grantee string) string { return key.Row() + "/" + grantee }

// retirerRow names a grant under its retiring principal, region by region.
func retirerRow(region, retirer string, r GrantRef) string {
	return retirerPrefix(region, retirer) + r.Key.Account + "/" + r.Key.ID + "/" + r.ID
}

func retirerPrefix(region, retirer string) string { return region + "/" + retirer + "/" }

// namedRow names a grant by everything that a repeated CreateGrant repeats, so
// that the repetition finds it. No listing of grants shows it.
func namedRow(g *Grant) string {
	h := sha256.New()
	add := func(parts ...string) {
		for _, p := range parts {
			var n [4]byte
			binary.BigEndian.PutUint32(n[:], uint32(len(p)))
			h.Write(n[:])
			h.Write([]byte(p))
		}
	}
	add(g.IssuingAccount, g.Name, g.Grantee.ID, g.Retiring.ID, g.Constraint)
	for _, o := range slices.Sorted(slices.Values(g.Operations)) {
		add(string(o))
	}
	for _, name := range slices.Sorted(maps.Keys(g.Context)) {
		add("=", name, g.Context[name])
	}
	return namedPrefix(g.Key()) + hex.EncodeToString(h.Sum(nil))
}

func namedPrefix(key KeyRef) string { return named + "/" + key.Row() + "/" }

// named begins the rows of [namedRow].
const named = "named"

// grantCountRow has how many grants a key has.
func grantCountRow(key KeyRef) string { return "kms/grants/" + key.Row() }

// Granted returns the grants that a principal has on a key by its unique id, up
// to limit, in the order of their ids from the first one after the grant after
// ("" for the beginning). A row that is not what was written is left out and is
// one of bad.
func (d *DB) Granted(ctx context.Context, key KeyRef, grantee, after string, limit int) (grants []Grant, last string, bad []error, err error) {
	q := store.Query{Ref: granteeRef(key, grantee), After: after, Limit: limit, KeepDamaged: true}
	rows, err := d.store.List(ctx, store.KMSGrants, q)
	if err != nil {
		return nil, "", nil, fmt.Errorf("listing %s: %w", store.KMSGrants, err)
	}
	for _, r := range rows {
		g, err := Grant{}, r.Damaged
		if err == nil {
			g, err = decodeGrant(d.mac, r)
		}
		if err != nil {
			bad = append(bad, err)
			continue
		}
		grants = append(grants, g)
	}
	if len(rows) == limit {
		last = rows[limit-1].Key
	}
	return grants, last, bad, nil
}

// Grants returns up to limit grants on a key in the order of their ids, from the
// first one after the id after ("" for the beginning); with a grantee only its.
func (d *DB) Grants(ctx context.Context, key KeyRef, grantee, after string, limit int) ([]Grant, error) {
	q := store.Query{Prefix: key.Row() + "/", Limit: limit}
	if grantee != "" {
		q.Ref = granteeRef(key, grantee)
	}
	if after != "" {
		q.From, _ = store.PrefixEnd(q.Prefix + after + "/")
	}
	return list(ctx, d, store.KMSGrants, q, decodeGrant)
}

// Grant loads a grant by its id. Errors to test for: [store.ErrNotFound],
// *[store.TamperedError].
func (d *DB) Grant(ctx context.Context, key KeyRef, id string) (Grant, error) {
	rows, err := d.store.List(ctx, store.KMSGrants, store.Query{Prefix: key.Row() + "/" + id + "/", Limit: 1})
	return onlyGrant(d.mac, rows, err, id)
}

// Grant loads a grant as [DB.Grant] does.
func (t *Tx) Grant(key KeyRef, id string) (Grant, error) {
	rows, err := t.tx.List(store.KMSGrants, store.Query{Prefix: key.Row() + "/" + id + "/", Limit: 1})
	return onlyGrant(t.mac, rows, err, id)
}

func onlyGrant(m store.MAC, rows []store.Row, err error, id string) (Grant, error) {
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return Grant{}, fmt.Errorf("reading grant %s: %w", id, err)
	}
	return decodeGrant(m, rows[0])
}

// Retirable returns up to limit grants of a region that name a principal, by its
// unique id, as the one to retire them. After and last name places in the list:
// after "" is the beginning, last is that of the last grant returned.
func (d *DB) Retirable(ctx context.Context, region, retirer, after string, limit int) (grants []Grant, last []string, err error) {
	q := store.Query{Prefix: retirerPrefix(region, retirer), Limit: limit}
	if after != "" {
		q.After = q.Prefix + after
	}
	for {
		rows, err := d.store.List(ctx, store.KMSGrantRetirers, q)
		if err != nil {
			return nil, nil, fmt.Errorf("listing %s: %w", store.KMSGrantRetirers, err)
		}
		for _, r := range rows {
			key, id, err := openRetirer(d.mac, r, region)
			if err != nil {
				return nil, nil, err
			}
			q.After = r.Key
			g, err := d.Grant(ctx, key, id)
			if errors.Is(err, store.ErrNotFound) {
				continue // it has gone since the rows were read
			}
			if err != nil {
				return nil, nil, err
			}
			grants, last = append(grants, g), append(last, strings.TrimPrefix(r.Key, q.Prefix))
		}
		if q.Limit = limit - len(grants); len(rows) == 0 || q.Limit == 0 {
			return grants, last, nil
		}
	}
}

// openRetirer returns the grant that a row of kms_grant_retirers leads to.
func openRetirer(m store.MAC, r store.Row, region string) (key KeyRef, id string, err error) {
	if err := store.VerifyRow(m, store.KMSGrantRetirers, r); err != nil {
		return KeyRef{}, "", err
	}
	p := strings.Split(r.Key, "/")
	if len(p) != 5 || p[0] != region {
		return KeyRef{}, "", fmt.Errorf("row %s/%s names no grant", store.KMSGrantRetirers, r.Key)
	}
	return KeyRef{Account: p[2], Region: region, ID: p[3]}, p[4], nil
}

func decodeGrant(m store.MAC, r store.Row) (g Grant, err error) {
	err = open(m, store.KMSGrants, r, &g)
	if err == nil && g.Ref().Row() != r.Key {
		err = fmt.Errorf("row %s/%s holds grant %s", store.KMSGrants, r.Key, g.Ref().Row())
	}
	g.rev = r.Rev
	return g, err
}
