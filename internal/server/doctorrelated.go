package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// checkRelatedKeys finds multi-region keys that do not agree with their primary
// key or replicas. The server changes all of them at once, so that only a row
// that was lost or put back makes it so; what a key of such a set cannot do then
// is to be replicated, rotated, or destroyed with the others knowing.
func checkRelatedKeys(ctx context.Context, cfg Config) (good string, err error) {
	st, err := sqlite.OpenReadOnly(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	c, err := readCustody(ctx, st, cfg)
	if err != nil {
		return "", err
	}
	n, err := kms.NewExaminer(st, c.Module, c.RowMAC, c.HeaderMAC).Related(ctx)
	if errors.Is(err, kmsdb.ErrUnrelated) {
		return "", fmt.Errorf("%w: a row was lost, or an older one put back; restore the database from a backup", err)
	}
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "there are none", nil
	}
	return fmt.Sprintf("all %d agree with their primary key and replicas", n), nil
}
