package server

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// checkAuthority verifies every row that says who may do what, and reads the
// principals as a start would. A server finds a row of a key, a grant or a bucket
// that was changed by hand when it reads it; who asks how the data is should not
// have to wait for that.
func checkAuthority(ctx context.Context, cfg Config) (good string, err error) {
	st, err := sqlite.OpenReadOnly(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	c, err := readCustody(ctx, st, cfg)
	if err != nil {
		return "", err
	}
	for _, t := range authorityTables {
		if err := verifyRows(ctx, st, t, c.RowMAC); err != nil {
			return "", err
		}
	}
	if _, err := iam.New(ctx, iam.Config{Store: st, Module: c.Module, RowMAC: c.RowMAC, Clock: cfg.Clock}); err != nil {
		return "", err
	}
	return "every key, grant, policy, principal and bucket is as the server wrote it", nil
}
