package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/store"
)

// settings is the row meta/custody/settings: what the server was told last, for
// commands that are not told.
type settings struct {
	Rotation time.Duration // nanoseconds; 0: never for its age
	Account  string
}

// KeepSettings stores what cfg said of rotations.
func (c *Custody) KeepSettings(ctx context.Context) error {
	b, err := json.Marshal(settings{c.cfg.Rotation, c.cfg.Account})
	if err != nil {
		return err
	}
	r, err := c.cfg.Store.Get(ctx, store.Meta, settingsKey)
	if err == nil && string(r.Doc) == string(b) || err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		return tx.PutUnlogged(store.Meta, store.Row{Key: settingsKey, Doc: b})
	})
}

// readSettings returns the zero value when there are none.
func readSettings(ctx context.Context, st *store.Store) (s settings, err error) {
	r, err := st.Get(ctx, store.Meta, settingsKey)
	if errors.Is(err, store.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(r.Doc, &s); err != nil {
		return s, fmt.Errorf("row %s/%s: %w", store.Meta, settingsKey, err)
	}
	return s, nil
}

// account returns whose trail gets the records of rotations.
func (cfg Config) account(ctx context.Context) (string, error) {
	if cfg.Account != "" {
		return cfg.Account, nil
	}
	s, err := readSettings(ctx, cfg.Store)
	return s.Account, err
}
