package custody

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// domainKeyDoc is a row of domain_keys: one version.
type domainKeyDoc struct {
	hsm.DomainKeyToken
	Created time.Time `json:",omitzero"` // zero in rows of releases that did not rotate
}

func (d domainKeyDoc) row() string { return DomainKeyRow(d.Domain, d.Version) }

// DomainKeyRow names the row of one version in domain_keys, so that versions
// sort by number. It is the reference of the tokens that are under the version,
// too.
func DomainKeyRow(domain string, version uint32) string {
	return fmt.Sprintf("%s/%010d", domain, version)
}

// parseDomainKeyRow is the inverse of DomainKeyRow.
func parseDomainKeyRow(row string) (domain string, version uint32, ok bool) {
	i := strings.LastIndexByte(row, '/')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(row[i+1:], 10, 32)
	return row[:i], uint32(n), err == nil && DomainKeyRow(row[:i], uint32(n)) == row
}

func decodeDomainKey(r store.Row) (d domainKeyDoc, err error) {
	if err := json.Unmarshal(r.Doc, &d); err != nil {
		return d, fmt.Errorf("row %s/%s: %w", store.DomainKeys, r.Key, err)
	}
	if r.Key != d.row() {
		return d, fmt.Errorf("row %s/%s holds the domain key of %s", store.DomainKeys, r.Key, d.row())
	}
	return d, nil
}

// readDomainKeys returns every version of every domain key: domains in the
// order of their names, versions from the oldest.
func readDomainKeys(ctx context.Context, st *store.Store) (docs []domainKeyDoc, err error) {
	for after := ""; ; {
		rows, err := st.List(ctx, store.DomainKeys, store.Query{After: after, Limit: 1000})
		if err != nil || len(rows) == 0 {
			return docs, err
		}
		for _, r := range rows {
			d, err := decodeDomainKey(r)
			if err != nil {
				return nil, err
			}
			docs = append(docs, d)
		}
		after = rows[len(rows)-1].Key
	}
}

// listDomainKeys is the list of one domain's rows, the oldest version first, in
// a transaction.
func listDomainKeys(tx *store.Tx, domain string) (all []store.Row, err error) {
	for after := ""; ; {
		rows, err := tx.List(store.DomainKeys, store.Query{Prefix: domain + "/", After: after, Limit: 1000})
		if err != nil || len(rows) == 0 {
			return all, err
		}
		all = append(all, rows...)
		after = rows[len(rows)-1].Key
	}
}

// domains groups versions by domain.
func domains(docs []domainKeyDoc) (names []string, versions map[string][]domainKeyDoc) {
	versions = map[string][]domainKeyDoc{}
	for _, d := range docs {
		if versions[d.Domain] == nil {
			names = append(names, d.Domain)
		}
		versions[d.Domain] = append(versions[d.Domain], d)
	}
	return names, versions
}
