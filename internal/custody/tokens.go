package custody

import (
	"context"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// Tokens is a table whose documents are key tokens, nothing else, and whose
// references custody may use.
type Tokens struct {
	Table store.Table
	// Binding returns what the token of a row is bound to. It may read further
	// rows, with get, as of the moment at which the row itself was read. It
	// need not trust them: with a wrong binding the token does not open.
	Binding func(get func(t store.Table, key string) (store.Row, error), r store.Row) (hsm.Binding, error)
}

// internalTokens are the server's own keys. A row of internal_keys is named by
// domain and key id; region is the domain, unless that is Global; there is no
// account. The purpose is the token's own word, which its opening proves.
var internalTokens = Tokens{
	Table: store.InternalKeys,
	Binding: func(_ func(store.Table, string) (store.Row, error), r store.Row) (hsm.Binding, error) {
		domain, id, ok := strings.Cut(r.Key, "/")
		purpose, _, isToken := hsm.ParseToken(r.Doc)
		if !ok || !isToken {
			return hsm.Binding{}, fmt.Errorf("it is no key token of a domain: %w", hsm.ErrTampered)
		}
		b := hsm.Binding{Purpose: purpose, Domain: domain, KeyID: id}
		if domain != Global {
			b.Region = domain
		}
		return b, nil
	},
}

// admit is the guard of a table of tokens. What is put there has been made some
// time before, outside of any transaction; the version it is under may be old by
// now, or destroyed. Such a token is re-wrapped, or refused: after the guard
// nothing new is under an old version, which is what allows to destroy it.
//
// The reference of the row says what the token is under, for the index.
func (c *Custody) admit(tx *store.Tx, t Tokens, r *store.Row) error {
	fail := func(err error) error { return fmt.Errorf("row %s/%s: %w", t.Table, r.Key, err) }
	_, version, ok := hsm.ParseToken(r.Doc)
	if !ok {
		return fail(fmt.Errorf("it is no key token: %w", hsm.ErrTampered))
	}
	b, err := t.Binding(tx.Get, *r)
	if err != nil {
		return fail(err)
	}
	newest := c.Module.NewestDomainKey(b.Domain)
	if version == newest {
		err = c.Module.CheckToken(r.Doc, b)
	} else {
		r.Doc, err = c.Module.Rewrap(r.Doc, b)
	}
	if err != nil {
		return fail(err)
	}
	_, version, _ = hsm.ParseToken(r.Doc)
	r.Ref = DomainKeyRow(b.Domain, version)
	return nil
}

// token is what a row says of its token without opening it.
type token struct {
	binding hsm.Binding
	version uint32
}

// readToken looks at a row as it was listed.
func readToken(ctx context.Context, st *store.Store, t Tokens, r store.Row) (token, error) {
	if r.Damaged != nil {
		return token{}, r.Damaged
	}
	_, version, ok := hsm.ParseToken(r.Doc)
	if !ok {
		return token{}, fmt.Errorf("it is no key token: %w", hsm.ErrTampered)
	}
	get := func(t store.Table, key string) (store.Row, error) { return st.Get(ctx, t, key) }
	b, err := t.Binding(get, r)
	return token{b, version}, err
}

// eachPage calls fn with the rows of a table, page by page, those that are not
// what was written included.
func eachPage(ctx context.Context, st *store.Store, t store.Table, fn func([]store.Row) error) error {
	for after := ""; ; {
		rows, err := st.List(ctx, t, store.Query{After: after, Limit: pageSize, KeepDamaged: true})
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := fn(rows); err != nil {
			return err
		}
		last := rows[len(rows)-1].Key
		if last <= after { // rot of a key: it would go round for ever
			return fmt.Errorf("table %s: row %q comes after row %q: %w", t, last, after, store.ErrDamaged)
		}
		after = last
	}
}
