package kmsdb

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// TokenBinding returns what the token in a row of kms_key_tokens is bound to:
// its key's [Key.Binding]. The row does not name the id of a service's own key;
// that is read from the key's row, with get. Nothing is verified: with a wrong
// binding a token does not open.
func TokenBinding(get func(store.Table, string) (store.Row, error), r store.Row) (hsm.Binding, error) {
	i := strings.LastIndexByte(r.Key, '/')
	ref, ok := ParseKeyRow(r.Key[:max(i, 0)])
	if !ok {
		return hsm.Binding{}, fmt.Errorf("row %s/%s names no key", store.KMSKeyTokens, r.Key)
	}
	k := Key{Account: ref.Account, Region: ref.Region, ID: ref.ID}
	if ref.Service != "" {
		row, err := get(store.KMSKeys, ref.Row())
		if err != nil {
			return hsm.Binding{}, fmt.Errorf("reading key %s: %w", ref, err)
		}
		var named struct{ ID string }
		if err := json.Unmarshal(row.Doc, &named); err != nil {
			return hsm.Binding{}, fmt.Errorf("row %s/%s: %w", store.KMSKeys, row.Key, err)
		}
		k.ID = named.ID
	}
	b := k.Binding()
	if p, _, ok := hsm.ParseToken(r.Doc); ok { // of asymmetric and HMAC keys it is another
		b.Purpose = p
	}
	return b, nil
}
