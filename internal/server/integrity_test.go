package server

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"
)

// TestIntegrityIsChecked: rot in what no request reads is found all the same,
// by the job that reads everything.
func TestIntegrityIsChecked(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, wireConfig(dir))
	putBucket(t, s.Endpoint(), "bucket")
	eventually(t, "the check at the start", func() bool {
		return metric(t, s.Endpoint(), `strongroom_worker_last_success_seconds{worker="integrity"}`) > 0
	})
	stop()

	db, err := sql.Open("sqlite", databasePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`UPDATE buckets SET doc = x'00' WHERE key = 'bucket'`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, wireConfig(dir))
	eventually(t, "the damage to be reported", func() bool {
		resp, err := http.Get(s.Endpoint() + "/_/health")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var h health
		if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
			t.Fatal(err)
		}
		return slices.Contains(h.Failing, "integrity")
	})
}
