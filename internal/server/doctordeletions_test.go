package server

import (
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// A deletion that cannot be completed is set aside by the server, and doctor says so.
func TestDoctorNamesDeletionsSetAside(t *testing.T) {
	t.Parallel()
	cfg := wireConfig(dataDirIn(t))
	s, stop := start(t, cfg)
	putBucket(t, s.Endpoint(), "bucket")
	stop()
	finding := func() Finding {
		for _, f := range Doctor(t.Context(), cfg) {
			if f.Subject == "deletions" {
				return f
			}
		}
		t.Fatal("doctor says nothing of deletions")
		return Finding{}
	}
	if f := finding(); f.Err != nil {
		t.Errorf("got %v, want no fault", f.Err)
	}
	st, err := sqlite.Open(t.Context(), sqlite.Config{Path: databasePath(cfg.DataDir)})
	if err != nil {
		t.Fatal(err)
	}
	const row = ".parts/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if err := st.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutUnlogged(store.Uploads, store.Row{Key: row, Ref: "doomed", Doc: []byte("{")})
	}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	_, stop = start(t, cfg)
	defer stop()
	limit := time.After(20 * time.Second)
	for f := finding(); f.Err == nil || !strings.Contains(f.Text(), row); f = finding() {
		select {
		case <-limit:
			t.Fatalf("got %q, want it to name %s", f.Text(), row)
		default:
		}
	}
}
