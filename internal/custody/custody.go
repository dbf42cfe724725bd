// Package custody keeps the key hierarchy of a data directory: domain keys and
// the server's own keys as rows, made, opened, rotated, destroyed.
//
// A domain key is rotated by [Custody.Work] in steps, each of which a process
// that was killed can take again: a new version is stored, then used; tokens
// under older ones are re-wrapped; versions that nothing is under are destroyed.
package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// Global is the domain of everything that belongs to no region.
const Global = "global"

// Config says which key hierarchy to open. Every field is required, but for
// those that say otherwise.
type Config struct {
	Store       *store.Store
	DataDir     string     // names the directory in errors; a request of [AskRotation] is left there
	RootKeyFile string     // made in an unused directory when it is not there
	FS          durable.FS // of the root key file; nil: the machine's
	Regions     []string   // the enabled regions
	Tokens      []Tokens   // the tables of key tokens beside internal_keys

	Account  string           // whose trail gets the records of rotations; empty: that of KeepSettings
	Rotation time.Duration    // age at which a domain key is rotated; 0: only when that is requested
	Clock    func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: slog.Default()

	step func(name string) // called between the steps of a rotation, by tests
}

// rootKey is how a root key file is opened.
func (cfg *Config) rootKey(path string) hsm.Config { return hsm.Config{RootKeyFile: path, FS: cfg.FS} }

func (cfg *Config) complete() {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.step == nil {
		cfg.step = func(string) {}
	}
}

// Custody is the opened key hierarchy of a data directory: the module with its
// domain keys, and the keys that the server itself works with
// (docs/formats/custody-rows.md). It is safe for concurrent use.
type Custody struct {
	Module    *hsm.Module
	RowMAC    *hsm.MACKey               // authority rows
	HeaderMAC *hsm.MACKey               // headers of ciphertext blobs
	Records   map[string]*hsm.RecordKey // by region: sealed fields of S3 records
	// Sessions seals session tokens. It is nil in what Look opens, when the
	// directory was last used by a release that had no sessions.
	Sessions *hsm.SessionKey
	// Imports seals import tokens. Nil as Sessions is, of a directory of before
	// there were any.
	Imports *hsm.ImportTokenKey

	cfg    Config
	tables []Tokens

	working sync.Mutex // held by Work; guards what follows
	skip    int        // runs of Work before it tries again what did not open
	blocked error      // what did not open
	busy    int        // runs in which the log could not be truncated
}

// custodyDoc is the row meta/custody. It says which keys there must be, so that
// a lost one is missed and not made anew: what it sealed would be lost with it.
type custodyDoc struct {
	RootKeyID string   // public; names the root key that is wanted
	Regions   []string // whose domain and record keys were made
	Sessions  bool     // the session key was made; releases before it did not say
	Imports   bool     // the key of import tokens was made; likewise
}

const custodyKey = "custody"

// The bindings of the server's own keys.
var (
	rowMACBinding    = hsm.Binding{Purpose: hsm.PurposeRowMAC, Domain: Global, KeyID: "authority-rows"}
	headerMACBinding = hsm.Binding{Purpose: hsm.PurposeBlobHeader, Domain: Global, KeyID: "blob-headers"}
	sessionBinding   = hsm.Binding{Purpose: hsm.PurposeSession, Domain: Global, KeyID: "sessions"}
	importBinding    = hsm.Binding{Purpose: hsm.PurposeImport, Domain: Global, KeyID: "imports"}
)

func recordBinding(region string) hsm.Binding {
	return hsm.Binding{Purpose: hsm.PurposeRecord, Domain: region, Region: region, KeyID: "s3-records"}
}

// Open opens the key hierarchy, or makes it in an unused data directory.
// Regions that are enabled for the first time get their keys. A rotation of the
// root key that was interrupted is finished.
//
// It registers guards with the store (see [store.Store.Guard]): from then on no
// token is stored that does not open, or that is not under the newest version of
// its domain key.
func Open(ctx context.Context, cfg Config) (_ *Custody, err error) {
	cfg.complete()
	if cfg.Account, err = cfg.account(ctx); err != nil {
		return nil, err
	}
	doc, err := readCustodyDoc(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	if doc == nil { // an unused directory; the root key file may have been put there
		if err := cfg.rootKey(cfg.RootKeyFile).CreateRootKeyFile(); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	m, err := settleRootKey(cfg, doc)
	if err != nil {
		return nil, err
	}
	c := newCustody(cfg, m)
	if err := c.installDomainKeys(ctx); err != nil {
		return nil, err
	}
	for _, t := range c.tables {
		cfg.Store.Guard(t.Table, func(tx *store.Tx, r *store.Row) error { return c.admit(tx, t, r) })
	}
	if err := c.makeKeys(ctx, doc, cfg.Regions); err != nil {
		return nil, err
	}
	return c, c.load(ctx, &custodyDoc{Regions: cfg.Regions, Sessions: true, Imports: true})
}

func newCustody(cfg Config, m *hsm.Module) *Custody {
	return &Custody{
		Module: m, Records: map[string]*hsm.RecordKey{},
		cfg: cfg, tables: append([]Tokens{internalTokens}, cfg.Tokens...),
	}
}

// Look opens the key hierarchy of a store that is only looked at: the root key
// of cfg, every domain key with it, and the server's own keys with those. It
// changes nothing, so cfg.Store may be read-only, and needs nothing else of cfg
// but the names.
func Look(ctx context.Context, cfg Config) (*Custody, error) {
	doc, err := needCustodyDoc(ctx, cfg)
	if err != nil {
		return nil, err
	}
	m, _, err := openRootKey(cfg, doc)
	if err != nil {
		return nil, err
	}
	c := newCustody(cfg, m)
	for range lookTries {
		if err = c.installDomainKeys(ctx); err == nil {
			err = c.load(ctx, doc)
		}
		if !errors.Is(err, hsm.ErrUnknownDomainKey) { // else perhaps rotated between the two
			break
		}
	}
	return c, err
}

// lookTries is how often Look reads keys that a server may be rotating.
const lookTries = 3

// WantedRootKey returns the id of the root key that opens a store.
func WantedRootKey(ctx context.Context, st *store.Store) (string, error) {
	doc, err := needCustodyDoc(ctx, Config{Store: st, DataDir: "the database"})
	if err != nil {
		return "", err
	}
	return doc.RootKeyID, nil
}

// needCustodyDoc is readCustodyDoc for what makes no sense in an unused
// directory.
func needCustodyDoc(ctx context.Context, cfg Config) (*custodyDoc, error) {
	doc, err := readCustodyDoc(ctx, cfg.Store)
	if err == nil && doc == nil {
		err = fmt.Errorf("%s has no keys yet: start a server on it first", cfg.DataDir)
	}
	return doc, err
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

// installDomainKeys opens every version of every domain key there is.
func (c *Custody) installDomainKeys(ctx context.Context) error {
	docs, err := readDomainKeys(ctx, c.cfg.Store)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if err := c.Module.InstallDomainKey(d.DomainKeyToken); err != nil {
			return fmt.Errorf("row %s/%s: %w", store.DomainKeys, d.row(), err)
		}
	}
	return nil
}

// makeKeys makes, in one transaction, the keys of an unused directory (doc is
// nil) and those that doc does not know: of regions, of sessions, of import
// tokens. It makes nothing that there has been before.
func (c *Custody) makeKeys(ctx context.Context, doc *custodyDoc, regions []string) error {
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
	if !fresh && added == nil && doc.Sessions && doc.Imports {
		return nil
	}
	return c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		if fresh {
			if err := c.makeDomain(tx, Global, rowMACBinding, headerMACBinding); err != nil {
				return err
			}
		}
		if !doc.Sessions {
			if err := c.makeKey(tx, sessionBinding); err != nil {
				return err
			}
		}
		if !doc.Imports {
			if err := c.makeKey(tx, importBinding); err != nil {
				return err
			}
		}
		for _, r := range added {
			if err := c.makeDomain(tx, r, recordBinding(r)); err != nil {
				return err
			}
		}
		b, err := json.Marshal(custodyDoc{RootKeyID: doc.RootKeyID, Regions: append(doc.Regions, added...), Sessions: true, Imports: true})
		if err != nil {
			return err
		}
		return tx.PutUnlogged(store.Meta, store.Row{Key: custodyKey, Doc: b})
	})
}

// makeDomain makes the first domain key of a domain and the keys it wraps.
func (c *Custody) makeDomain(tx *store.Tx, domain string, keys ...hsm.Binding) error {
	// Installed before it is stored, which is safe here alone: when the
	// transaction fails there is no server, and nothing that the key wraps.
	t, err := c.Module.NewDomainKey(domain, 1)
	if err != nil {
		return err
	}
	d := domainKeyDoc{t, c.cfg.Clock().UTC().Truncate(time.Second)}
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := makeRow(tx, store.DomainKeys, d.row(), b); err != nil {
		return err
	}
	for _, binding := range keys {
		if err := c.makeKey(tx, binding); err != nil {
			return err
		}
	}
	return nil
}

// makeKey makes one of the server's own keys, under the newest key of its domain.
func (c *Custody) makeKey(tx *store.Tx, b hsm.Binding) error {
	token, err := c.Module.GenerateKey(b)
	if err != nil {
		return err
	}
	return makeRow(tx, store.InternalKeys, InternalKeyRow(b), token)
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

// load opens the server's own keys, those that doc says there are.
func (c *Custody) load(ctx context.Context, doc *custodyDoc) (err error) {
	st := c.cfg.Store
	if c.RowMAC, err = LoadKey(ctx, st, c.Module.LoadMACKey, rowMACBinding); err != nil {
		return err
	}
	if c.HeaderMAC, err = LoadKey(ctx, st, c.Module.LoadMACKey, headerMACBinding); err != nil {
		return err
	}
	if doc.Sessions {
		if c.Sessions, err = LoadKey(ctx, st, c.Module.LoadSessionKey, sessionBinding); err != nil {
			return err
		}
	}
	if doc.Imports {
		if c.Imports, err = LoadKey(ctx, st, c.Module.LoadImportTokenKey, importBinding); err != nil {
			return err
		}
	}
	for _, r := range doc.Regions {
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

// InternalKeyRow names the row of one of the server's own keys in internal_keys.
func InternalKeyRow(b hsm.Binding) string { return b.Domain + "/" + b.KeyID }
