package kmsdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

// KeyStoreRef names a custom key store. It is comparable.
type KeyStoreRef struct {
	Account, Region string
	ID              string // cks- and 17 hexadecimal digits
}

// Row returns the key of r's row in kms_key_stores.
func (r KeyStoreRef) Row() string { return r.Account + "/" + r.Region + "/" + r.ID }

// KeyStore is the record of a custom key store. The secret that opens what is
// behind it is not in it: that is a token in a row of its own.
type KeyStore struct {
	Account, Region, ID string

	Name         string // unique in account and region
	Type         kmsapi.CustomKeyStoreType
	CreationDate time.Time

	State   kmsapi.ConnectionStateType
	Failure kmsapi.ConnectionErrorCodeType `json:",omitempty"` // of State FAILED

	// Credential is the id of the secret: the password of kmsuser, or the raw
	// secret access key of the proxy. Its row is kms_key_store_tokens/Row/Credential,
	// so that the token of an earlier secret does not stand in for it.
	Credential string

	// Of type AWS_CLOUDHSM.
	Cluster     string `json:",omitempty"` // cluster-…
	TrustAnchor string `json:",omitempty"` // the cluster's customerCA.crt, PEM

	Proxy Proxy `json:",omitzero"` // of type EXTERNAL_KEY_STORE

	rev int64 // as loaded; 0 for one that is not stored yet
}

// Proxy is how an external key store is reached.
type Proxy struct {
	Connectivity kmsapi.XksProxyConnectivityType
	AccessKeyID  string // of the credential
	Endpoint     string // https:// and a host
	Path         string // ends in /kms/xks/v1

	// Of connectivity VPC_ENDPOINT_SERVICE.
	Service      string `json:",omitempty"` // com.amazonaws.vpce.REGION.vpce-svc-…
	ServiceOwner string `json:",omitempty"` // an account id
}

// Ref returns the name of k.
func (k *KeyStore) Ref() KeyStoreRef { return KeyStoreRef{k.Account, k.Region, k.ID} }

// CredentialBinding is what the token of k's secret is bound to. The region's
// domain key wraps it.
func (k *KeyStore) CredentialBinding() hsm.Binding { return credentialBinding(k.Ref(), k.Credential) }

func credentialBinding(ref KeyStoreRef, credential string) hsm.Binding {
	return hsm.Binding{
		Purpose: hsm.PurposeCredential, Domain: ref.Region, Account: ref.Account, Region: ref.Region,
		KeyID: ref.ID + "/" + credential,
	}
}

// KeyStoreTokenBinding returns what the token in a row of kms_key_store_tokens
// is bound to. It reads nothing else.
func KeyStoreTokenBinding(_ func(store.Table, string) (store.Row, error), r store.Row) (hsm.Binding, error) {
	p := strings.Split(r.Key, "/")
	if len(p) != 4 {
		return hsm.Binding{}, fmt.Errorf("row %s/%s names no custom key store", store.KMSKeyStoreTokens, r.Key)
	}
	return credentialBinding(KeyStoreRef{p[0], p[1], p[2]}, p[3]), nil
}

// KeyStore loads a custom key store. Errors to test for: [store.ErrNotFound],
// *[store.TamperedError].
func (d *DB) KeyStore(ctx context.Context, ref KeyStoreRef) (KeyStore, error) {
	r, err := d.store.Get(ctx, store.KMSKeyStores, ref.Row())
	if err != nil {
		return KeyStore{}, fmt.Errorf("reading custom key store %s: %w", ref.Row(), err)
	}
	return decodeKeyStore(d.mac, r)
}

// KeyStores returns up to limit custom key stores of an account and region in
// the order of their ids, from the first one after the id after ("" for the
// beginning).
func (d *DB) KeyStores(ctx context.Context, account, region, after string, limit int) ([]KeyStore, error) {
	prefix := account + "/" + region + "/"
	q := store.Query{Prefix: prefix, Limit: limit}
	if after != "" {
		q.After = prefix + after
	}
	return list(ctx, d, store.KMSKeyStores, q, decodeKeyStore)
}

// KeyIn returns the id of a key that is in the custom key store, "" when there
// is none. It reads every key of the account and region.
func (d *DB) KeyIn(ctx context.Context, ref KeyStoreRef) (keyID string, err error) {
	for after := ""; ; {
		keys, err := d.Keys(ctx, ref.Account, ref.Region, after, examineBatch)
		if err != nil {
			return "", err
		}
		for i := range keys {
			if keys[i].CustomKeyStore == ref.ID {
				return keys[i].ID, nil
			}
		}
		if len(keys) < examineBatch {
			return "", nil
		}
		after = keys[len(keys)-1].ID
	}
}

// KeyStore loads a custom key store as [DB.KeyStore] does.
func (t *Tx) KeyStore(ref KeyStoreRef) (KeyStore, error) {
	r, err := t.tx.Get(store.KMSKeyStores, ref.Row())
	if err != nil {
		return KeyStore{}, fmt.Errorf("reading custom key store %s: %w", ref.Row(), err)
	}
	return decodeKeyStore(t.mac, r)
}

// KeyStores returns every custom key store of an account and region.
func (t *Tx) KeyStores(account, region string) (all []KeyStore, err error) {
	q := store.Query{Prefix: account + "/" + region + "/", Limit: examineBatch}
	for {
		rows, err := t.tx.List(store.KMSKeyStores, q)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", store.KMSKeyStores, err)
		}
		for _, r := range rows {
			k, err := decodeKeyStore(t.mac, r)
			if err != nil {
				return nil, err
			}
			all = append(all, k)
		}
		if len(rows) < examineBatch {
			return all, nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

// PutKeyStore stores k over the revision that it was loaded at:
// [store.ErrConflict] when that is not the stored one.
func (t *Tx) PutKeyStore(k *KeyStore) (err error) {
	k.rev, err = t.put(store.KMSKeyStores, store.Row{Key: k.Ref().Row(), Rev: k.rev}, k)
	return err
}

// DeleteKeyStore deletes k at the revision that it was loaded at, with whatever
// secrets there are of it: [store.ErrConflict] when that is not the stored one.
func (t *Tx) DeleteKeyStore(k *KeyStore) error {
	row := k.Ref().Row()
	if err := t.tx.Delete(store.KMSKeyStores, row, k.rev); err != nil {
		return fmt.Errorf("deleting %s/%s: %w", store.KMSKeyStores, row, err)
	}
	return t.deleteAll(store.KMSKeyStoreTokens, store.Query{Prefix: row + "/"})
}

// Credential loads the token of k's secret.
func (t *Tx) Credential(k *KeyStore) (token []byte, err error) {
	r, err := t.tx.Get(store.KMSKeyStoreTokens, k.credentialRow())
	if err != nil {
		return nil, missingCredential(k, err)
	}
	return r.Doc, nil
}

// PutCredential stores the token of k's secret, which has none yet, in the place
// of those of earlier ones.
func (t *Tx) PutCredential(k *KeyStore, token []byte) error {
	if err := t.deleteAll(store.KMSKeyStoreTokens, store.Query{Prefix: k.Ref().Row() + "/"}); err != nil {
		return err
	}
	if _, err := t.tx.Put(store.KMSKeyStoreTokens, store.Row{Key: k.credentialRow(), Doc: token}); err != nil {
		return fmt.Errorf("writing the credential of custom key store %s: %w", k.Ref().Row(), err)
	}
	return nil
}

func (k *KeyStore) credentialRow() string { return k.Ref().Row() + "/" + k.Credential }

// missingCredential does not wrap store.ErrNotFound: a secret that is not there
// although the record names it is damage.
func missingCredential(k *KeyStore, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		err = errors.New("it is not there")
	}
	return fmt.Errorf("reading the credential of custom key store %s: %w", k.Ref().Row(), err)
}

// examineKeyStores checks that every custom key store is sealed, in its row, and
// that its secret opens.
func (d *DB) examineKeyStores(ctx context.Context, m *hsm.Module) error {
	for after := ""; ; {
		rows, err := d.store.List(ctx, store.KMSKeyStores, store.Query{After: after, Limit: examineBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			k, err := decodeKeyStore(d.mac, r)
			if err != nil {
				return err
			}
			if k.Ref().Row() != r.Key {
				return fmt.Errorf("row %s/%s holds custom key store %s", store.KMSKeyStores, r.Key, k.Ref().Row())
			}
			token, err := d.store.Get(ctx, store.KMSKeyStoreTokens, k.credentialRow())
			if err != nil {
				return missingCredential(&k, err)
			}
			if err := m.CheckToken(token.Doc, k.CredentialBinding()); err != nil {
				return fmt.Errorf("credential of custom key store %s: %w", r.Key, err)
			}
		}
		after = rows[len(rows)-1].Key
	}
}

func decodeKeyStore(m store.MAC, r store.Row) (k KeyStore, err error) {
	err = open(m, store.KMSKeyStores, r, &k)
	k.rev = r.Rev
	return k, err
}
