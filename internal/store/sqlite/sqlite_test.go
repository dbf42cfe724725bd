package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() (*store.Store, error) {
		path := filepath.Join(t.TempDir(), "store.db")
		return func() (*store.Store, error) { return Open(t.Context(), Config{Path: path}) }
	})
}
