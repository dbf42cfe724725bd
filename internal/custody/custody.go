// Package custody keeps the key hierarchy of a data directory: domain keys and
// the server's own keys as rows, made and opened.
package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// Global is the domain of everything that belongs to no region.
const Global = "global"

// Config says which key hierarchy to open. Every field is required.
type Config struct {
	Store       *store.Store
	DataDir     string   // names the directory in errors
	RootKeyFile string   // made in an unused directory when it is not there
	Regions     []string // the enabled regions
}

// Custody is the opened key hierarchy of a data directory: the module with its
// domain keys, and the keys that the server itself works with
// (docs/formats/custody-rows.md).
type Custody struct {
	Module    *hsm.Module
	RowMAC    *hsm.MACKey               // authority rows
	HeaderMAC *hsm.MACKey               // headers of ciphertext blobs
	Records   map[string]*hsm.RecordKey // by region: sealed fields of S3 records
}

// custodyDoc is the row meta/custody. It says which keys there must be, so that
// a lost one is missed and not made anew: what it sealed would be lost with it.
type custodyDoc struct {
	RootKeyID string   // public; names the root key that is wanted
	Regions   []string // whose domain and record keys were made
}

const custodyKey = "custody"

// The bindings of the server's own keys.
var (
	rowMACBinding    = hsm.Binding{Purpose: hsm.PurposeRowMAC, Domain: Global, KeyID: "authority-rows"}
	headerMACBinding = hsm.Binding{Purpose: hsm.PurposeBlobHeader, Domain: Global, KeyID: "blob-headers"}
)

func recordBinding(region string) hsm.Binding {
	return hsm.Binding{Purpose: hsm.PurposeRecord, Domain: region, Region: region, KeyID: "s3-records"}
}

// Open opens the key hierarchy, or makes it in an unused data directory.
// Regions that are enabled for the first time get their keys.
func Open(ctx context.Context, cfg Config) (*Custody, error) {
	doc, err := readCustodyDoc(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	if doc == nil { // an unused directory; the root key file may have been put there
		if err := hsmConfig(cfg).CreateRootKeyFile(); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	m, err := openRootKey(cfg, doc)
	if err != nil {
		return nil, err
	}
	c := &Custody{Module: m, Records: map[string]*hsm.RecordKey{}}
	if err := c.installDomainKeys(ctx, cfg.Store); err != nil {
		return nil, err
	}
	if err := c.makeKeys(ctx, cfg.Store, doc, cfg.Regions); err != nil {
		return nil, err
	}
	return c, c.load(ctx, cfg.Store, cfg.Regions)
}

// Look opens the key hierarchy of a store that is only looked at: the root key
// of cfg, every domain key with it, and the server's own keys with those. It
// changes nothing, so cfg.Store may be read-only, and cfg.Regions may be empty.
func Look(ctx context.Context, cfg Config) (*Custody, error) {
	doc, err := readCustodyDoc(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, fmt.Errorf("%s has no keys yet: start a server on it", cfg.DataDir)
	}
	m, err := openRootKey(cfg, doc)
	if err != nil {
		return nil, err
	}
	c := &Custody{Module: m, Records: map[string]*hsm.RecordKey{}}
	if err := c.installDomainKeys(ctx, cfg.Store); err != nil {
		return nil, err
	}
	return c, c.load(ctx, cfg.Store, doc.Regions)
}

// WantedRootKey returns the id of the root key that opens a store.
func WantedRootKey(ctx context.Context, st *store.Store) (string, error) {
	doc, err := readCustodyDoc(ctx, st)
	if err != nil {
		return "", err
	}
	if doc == nil {
		return "", errors.New("the database has no keys yet: start a server on it first")
	}
	return doc.RootKeyID, nil
}

// readCustodyDoc returns the row meta/custody, nil in an unused directory. A
// directory that has keys and lacks the row has lost it.
func readCustodyDoc(ctx context.Context, st *store.Store) (*custodyDoc, error) {
	row, err := st.Get(ctx, store.Meta, custodyKey)
	if err == nil {
		doc := new(custodyDoc)
		if err := json.Unmarshal(row.Doc, doc); err != nil {
			return nil, fmt.Errorf("row %s/%s: %w", store.Meta, custodyKey, err)
		}
		return doc, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	for _, t := range []store.Table{store.DomainKeys, store.InternalKeys} {
		rows, err := st.List(ctx, t, store.Query{Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			return nil, MissingRow(store.Meta, custodyKey)
		}
	}
	return nil, nil
}

// MissingRow is the error of a lost row of wrapped key material, or of what says
// which there are.
func MissingRow(t store.Table, key string) error {
	return fmt.Errorf("row %s/%s is missing from the database: what depends on it cannot be opened; restore the database from a backup", t, key)
}

func hsmConfig(cfg Config) hsm.Config { return hsm.Config{RootKeyFile: cfg.RootKeyFile, FS: cfg.fs} }

// openRootKey opens the root key file and compares it with what doc wants.
func openRootKey(cfg Config, doc *custodyDoc) (*hsm.Module, error) {
	if _, err := os.Lstat(cfg.RootKeyFile); errors.Is(err, fs.ErrNotExist) && doc != nil {
		return nil, fmt.Errorf("root key file %s is missing: %s was made with root key %s and nothing in it opens without; put the file back, or name it with --root-key", cfg.RootKeyFile, cfg.DataDir, doc.RootKeyID)
	}
	m, err := hsm.Open(hsmConfig(cfg))
	if err != nil {
		return nil, err
	}
	if doc != nil && m.RootKeyID() != doc.RootKeyID {
		return nil, fmt.Errorf("root key file %s holds root key %s, but %s was made with root key %s; name the right file with --root-key", cfg.RootKeyFile, m.RootKeyID(), cfg.DataDir, doc.RootKeyID)
	}
	return m, nil
}

// installDomainKeys opens every version of every domain key there is.
func (c *Custody) installDomainKeys(ctx context.Context, st *store.Store) error {
	for after := ""; ; {
		rows, err := st.List(ctx, store.DomainKeys, store.Query{After: after, Limit: 1000})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			var t hsm.DomainKeyToken
			if err := json.Unmarshal(r.Doc, &t); err != nil {
				return fmt.Errorf("row %s/%s: %w", store.DomainKeys, r.Key, err)
			}
			if r.Key != DomainKeyRow(t.Domain, t.Version) {
				return fmt.Errorf("row %s/%s holds the domain key of %s", store.DomainKeys, r.Key, DomainKeyRow(t.Domain, t.Version))
			}
			if err := c.Module.InstallDomainKey(t); err != nil {
				return fmt.Errorf("row %s/%s: %w", store.DomainKeys, r.Key, err)
			}
		}
		after = rows[len(rows)-1].Key
	}
}

// makeKeys makes, in one transaction, the keys of an unused directory (doc is
// nil) and of the regions that doc does not know. It makes nothing that there
// has been before.
func (c *Custody) makeKeys(ctx context.Context, st *store.Store, doc *custodyDoc, regions []string) error {
	fresh := doc == nil
	if fresh {
		doc = &custodyDoc{RootKeyID: c.Module.RootKeyID()}
	}
	var added []string
	for _, r := range regions {
		if !slices.Contains(doc.Regions, r) {
			added = append(added, r)
		}
	}
	if !fresh && added == nil {
		return nil
	}
	return st.Update(ctx, func(tx *store.Tx) error {
		if fresh {
			if err := c.makeDomain(tx, Global, rowMACBinding, headerMACBinding); err != nil {
				return err
			}
		}
		for _, r := range added {
			if err := c.makeDomain(tx, r, recordBinding(r)); err != nil {
				return err
			}
		}
		b, err := json.Marshal(custodyDoc{RootKeyID: doc.RootKeyID, Regions: append(doc.Regions, added...)})
		if err != nil {
			return err
		}
		return tx.PutUnlogged(store.Meta, store.Row{Key: custodyKey, Doc: b})
	})
}

// makeDomain makes the first domain key of a domain and the keys it wraps.
func (c *Custody) makeDomain(tx *store.Tx, domain string, keys ...hsm.Binding) error {
	t, err := c.Module.NewDomainKey(domain, 1)
	if err != nil {
		return err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := makeRow(tx, store.DomainKeys, DomainKeyRow(domain, 1), b); err != nil {
		return err
	}
	for _, binding := range keys {
		token, err := c.Module.GenerateKey(binding)
		if err != nil {
			return err
		}
		if err := makeRow(tx, store.InternalKeys, InternalKeyRow(binding), token); err != nil {
			return err
		}
	}
	return nil
}

// makeRow puts a row of wrapped key material where there is none.
func makeRow(tx *store.Tx, t store.Table, key string, doc []byte) error {
	if _, err := tx.Get(t, key); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = fmt.Errorf("row %s/%s is there though row %s/%s does not know it: restore the database from a backup", t, key, store.Meta, custodyKey)
		}
		return err
	}
	return tx.PutUnlogged(t, store.Row{Key: key, Doc: doc})
}

// load opens the server's own keys.
func (c *Custody) load(ctx context.Context, st *store.Store, regions []string) (err error) {
	if c.RowMAC, err = LoadKey(ctx, st, c.Module.LoadMACKey, rowMACBinding); err != nil {
		return err
	}
	if c.HeaderMAC, err = LoadKey(ctx, st, c.Module.LoadMACKey, headerMACBinding); err != nil {
		return err
	}
	for _, r := range regions {
		if c.Records[r], err = LoadKey(ctx, st, c.Module.LoadRecordKey, recordBinding(r)); err != nil {
			return err
		}
	}
	return nil
}

// LoadKey reads one of the server's own keys and opens it with a Load method of the
// module. Errors as for the method; a row that is not there is [MissingRow]'s.
func LoadKey[K any](ctx context.Context, st *store.Store, open func([]byte, hsm.Binding) (K, error), b hsm.Binding) (K, error) {
	row, err := st.Get(ctx, store.InternalKeys, InternalKeyRow(b))
	if err != nil {
		var none K
		if errors.Is(err, store.ErrNotFound) {
			err = MissingRow(store.InternalKeys, InternalKeyRow(b))
		}
		return none, err
	}
	k, err := open(row.Doc, b)
	if err != nil {
		return k, fmt.Errorf("row %s/%s: %w", store.InternalKeys, row.Key, err)
	}
	return k, nil
}

// DomainKeyRow names the row of one version in domain_keys, so that versions
// sort by number.
func DomainKeyRow(domain string, version uint32) string {
	return fmt.Sprintf("%s/%010d", domain, version)
}

// InternalKeyRow names the row of one of the server's own keys in internal_keys.
func InternalKeyRow(b hsm.Binding) string { return b.Domain + "/" + b.KeyID }
