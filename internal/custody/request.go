package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/store"
)

// Rows of table meta beside meta/custody. None is sealed: who can write to the
// database can ask for rotations, or forget that one was asked for.
const (
	requestPrefix = "custody/rotate/"      // and the domain: a rotation was requested
	settingsKey   = "custody/settings"     // what the server was told
	truncateKey   = "custody/truncate-log" // something was destroyed since the log was truncated
)

// request asks for the end of some versions of a domain key.
type request struct {
	Version uint32    // it and all before it are to be destroyed
	Time    time.Time // of the last request
}

// RequestRotation asks, in the transaction tx, for the domain key of a region,
// or of Global, to be rotated, and for the versions that there are now to be
// destroyed, by the next run of [Custody.Work]. Who destroys a wrapped key asks
// for that: older copies of its token, in backups say, open no more. An error
// fails the transaction.
func (c *Custody) RequestRotation(tx *store.Tx, domain string) error {
	return requestRotation(tx, domain, c.cfg.Clock())
}

func requestRotation(tx *store.Tx, domain string, now time.Time) error {
	rows, err := listDomainKeys(tx, domain)
	if err != nil {
		return fmt.Errorf("requesting the rotation of domain key %s: %w", domain, err)
	}
	if len(rows) == 0 {
		return fmt.Errorf("requesting the rotation of domain key %s: there is none", domain)
	}
	_, version, ok := parseDomainKeyRow(rows[len(rows)-1].Key)
	if !ok {
		return fmt.Errorf("row %s/%s: no version has that name", store.DomainKeys, rows[len(rows)-1].Key)
	}
	b, err := json.Marshal(request{version, now.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return tx.PutUnlogged(store.Meta, store.Row{Key: requestPrefix + domain, Doc: b})
}

// readRequest returns nil when there is none.
func readRequest(ctx context.Context, st *store.Store, domain string) (*request, error) {
	r, err := st.Get(ctx, store.Meta, requestPrefix+domain)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeRequest(r)
}

func decodeRequest(r store.Row) (*request, error) {
	req := new(request)
	if err := json.Unmarshal(r.Doc, req); err != nil {
		return nil, fmt.Errorf("row %s/%s: %w", store.Meta, r.Key, err)
	}
	return req, nil
}

// dropRequest forgets a request that is met when only newest is left.
func dropRequest(tx *store.Tx, domain string, newest uint32) error {
	r, err := tx.Get(store.Meta, requestPrefix+domain)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	req, err := decodeRequest(r)
	if err != nil || newest <= req.Version {
		return err
	}
	return tx.DeleteUnlogged(store.Meta, r.Key)
}

// askFile is how another process asks the one that has the data directory open:
// by a file. It must not write to the database, whose rows the server knows in
// memory and whose one writer it is.
func askFile(dataDir string) string { return filepath.Join(dataDir, "rotate-domain-keys") }

// AskRotation asks the server that runs on a data directory to rotate all
// domain keys. Its next run of [Custody.Work] finds the request.
func AskRotation(dataDir string) error {
	return durable.WriteFile(askFile(dataDir), nil, 0o600)
}

// takeAsked makes requests of what AskRotation left. The file goes last: a
// process that dies between rotates once more.
func (c *Custody) takeAsked(ctx context.Context) error {
	path := askFile(c.cfg.DataDir)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := c.RequestAll(ctx); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return durable.SyncDir(c.cfg.DataDir)
}

// RequestAll is RequestRotation of every domain.
func (c *Custody) RequestAll(ctx context.Context) error {
	docs, err := readDomainKeys(ctx, c.cfg.Store)
	if err != nil {
		return err
	}
	return c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		names, _ := domains(docs)
		for _, name := range names {
			if err := c.RequestRotation(tx, name); err != nil {
				return err
			}
		}
		return nil
	})
}
