package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/diskstore"
	"github.com/strongroom/strongroom/internal/store"
)

// Examined is what the root key opened in a backup.
type Examined struct {
	RootKeyID string
	Keys      int
	s3.Examined
}

// authorityTables have a MAC on every row.
var authorityTables = []store.Table{
	store.Accounts, store.Users, store.AccessKeys, store.KMSKeys, store.KMSAliases, store.Buckets,
	store.Groups, store.Roles, store.Policies, store.BucketPolicies,
	store.KMSGrants, store.KMSGrantRetirers, store.KMSKeyStores, store.KMSKeyUsage,
}

// examineCustody opens everything in a store that the root key opens, and
// changes nothing: domain keys and the server's own, the MAC of every authority
// row, access keys, key tokens, and the records of objects with the sizes of
// their blobs. With everything, also every chunk of every object.
func examineCustody(cfg Config, everything bool, found *Examined) backup.Custody {
	return func(ctx context.Context, st *store.Store, objectsDir string, fault func(error)) error {
		c, err := readCustody(ctx, st, cfg)
		if err != nil {
			return err
		}
		found.RootKeyID = c.Module.RootKeyID()
		for _, t := range authorityTables {
			if err := verifyRows(ctx, st, t, c.RowMAC); err != nil {
				return err
			}
		}
		if _, err := iam.New(ctx, iam.Config{Store: st, Module: c.Module, RowMAC: c.RowMAC, Clock: cfg.Clock}); err != nil {
			return err // it opens every access key
		}
		keys := kms.NewExaminer(st, c.Module, c.RowMAC, c.HeaderMAC)
		if found.Keys, err = keys.Keys(ctx); err != nil {
			return err
		}
		blobs, err := diskstore.NewReader(objectsDir)
		if err != nil {
			return err
		}
		found.Examined, err = s3.Examination{
			Store: st, RowMAC: c.RowMAC, RecordKeys: c.Records, Open: blobs.Open, Everything: everything, Fault: fault,
			DataKey: func(ctx context.Context, account, region string, service bool, blob []byte, encryptionContext map[string]string) (*hsm.DataKey, error) {
				k, err := keys.DataKey(ctx, account, region, service, blob, encryptionContext)
				if errors.Is(err, kms.ErrKeyGone) {
					err = s3.ErrKeyGone
				}
				return k, err
			},
		}.Run(ctx)
		return errors.Join(err, blobs.Close())
	}
}

// verifyRows checks the MAC of every row of a table.
func verifyRows(ctx context.Context, st *store.Store, t store.Table, mac store.MAC) error {
	for after := ""; ; {
		rows, err := st.List(ctx, t, store.Query{After: after, Limit: 500})
		if err != nil {
			return fmt.Errorf("checking the rows of %s: %w", t, err)
		}
		if len(rows) == 0 {
			return nil
		}
		for _, r := range rows {
			if err := store.VerifyRow(mac, t, r); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].Key
	}
}
