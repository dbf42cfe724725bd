package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/custody"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/tlscert"
)

// The keys of --tls self are tokens like the server's other ones
// (docs/formats/custody-rows.md). They are made when it is first used.
var (
	caBinding     = hsm.Binding{Purpose: hsm.PurposeSigning, Domain: iam.Domain, KeyID: "tls-ca"}
	serverBinding = hsm.Binding{Purpose: hsm.PurposeSigning, Domain: iam.Domain, KeyID: "tls-server"}
)

// localCADoc is the row meta/tls-ca. It also says that there must be the two
// keys. It needs no MAC: the certificate is signed by the sealed key.
type localCADoc struct {
	Certificate []byte // DER
}

const localCAKey = "tls-ca"

// openLocalCA opens the local CA and the key of the certificates under it. It
// makes them when there are none, or when cfg wants new ones.
func openLocalCA(ctx context.Context, st *store.Store, m *hsm.Module, names tlscert.Names, cfg Config) (*tlscert.CA, *hsm.SigningKey, error) {
	doc, err := readLocalCADoc(ctx, st)
	if err != nil {
		return nil, nil, err
	}
	if doc != nil && !cfg.NewCA {
		return loadLocalCA(ctx, st, m, doc)
	}
	if !cfg.NewCA {
		for _, b := range []hsm.Binding{caBinding, serverBinding} {
			if _, err := st.Get(ctx, store.InternalKeys, custody.InternalKeyRow(b)); !errors.Is(err, store.ErrNotFound) {
				return nil, nil, cmp.Or(err, fmt.Errorf("%w, or make a new CA by one start with --tls-new-ca", custody.MissingRow(store.Meta, localCAKey)))
			}
		}
	}
	return makeLocalCA(ctx, st, m, names, cfg)
}

// readLocalCADoc returns the row meta/tls-ca, nil when there is none.
func readLocalCADoc(ctx context.Context, st *store.Store) (*localCADoc, error) {
	row, err := st.Get(ctx, store.Meta, localCAKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	doc := new(localCADoc)
	if err := json.Unmarshal(row.Doc, doc); err != nil {
		return nil, fmt.Errorf("row %s/%s: %w", store.Meta, localCAKey, err)
	}
	return doc, nil
}

func loadLocalCA(ctx context.Context, st *store.Store, m *hsm.Module, doc *localCADoc) (*tlscert.CA, *hsm.SigningKey, error) {
	signer, err := custody.LoadKey(ctx, st, m.LoadSigningKey, caBinding)
	if err != nil {
		return nil, nil, err
	}
	key, err := custody.LoadKey(ctx, st, m.LoadSigningKey, serverBinding)
	if err != nil {
		return nil, nil, err
	}
	ca, err := tlscert.OpenCA(doc.Certificate, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("row %s/%s: %w; restore the database from a backup, or make a new CA by one start with --tls-new-ca", store.Meta, localCAKey, err)
	}
	return ca, key, nil
}

// makeLocalCA makes both keys and the CA's certificate, in one transaction, in
// the place of any others.
func makeLocalCA(ctx context.Context, st *store.Store, m *hsm.Module, names tlscert.Names, cfg Config) (*tlscert.CA, *hsm.SigningKey, error) {
	tokens := map[string][]byte{}
	keys := map[string]*hsm.SigningKey{}
	for _, b := range []hsm.Binding{caBinding, serverBinding} {
		token, err := m.GenerateSigningKey(b)
		if err != nil {
			return nil, nil, err
		}
		if keys[b.KeyID], err = m.LoadSigningKey(token, b); err != nil {
			return nil, nil, err
		}
		tokens[custody.InternalKeyRow(b)] = token
	}
	ca, err := tlscert.NewCA(keys[caBinding.KeyID], names, cfg.Clock())
	if err != nil {
		return nil, nil, err
	}
	doc, err := json.Marshal(localCADoc{ca.DER()})
	if err != nil {
		return nil, nil, err
	}
	err = st.Update(ctx, func(tx *store.Tx) error {
		for row, token := range tokens {
			if err := tx.PutUnlogged(store.InternalKeys, store.Row{Key: row, Doc: token}); err != nil {
				return err
			}
		}
		return tx.PutUnlogged(store.Meta, store.Row{Key: localCAKey, Doc: doc})
	})
	if err != nil {
		return nil, nil, err
	}
	cfg.Logger.Info("a local CA was made", "until", ca.NotAfter(), "certificate", CAFile(cfg.DataDir))
	return ca, keys[serverBinding.KeyID], nil
}
