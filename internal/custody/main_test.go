package custody

import (
	"flag"
	"os"
	"testing"
)

// TestMain bounds the random runs: each has a database, whose every commit is
// an fsync.
func TestMain(m *testing.M) {
	flag.Parse()
	checks := "12"
	if os.Getenv("STRONGROOM_TEST_LONG") != "" {
		checks = "500"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
