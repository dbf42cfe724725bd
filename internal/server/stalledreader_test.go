package server

import (
	"os"
	"strings"
	"testing"
)

// TestStalledReader asks for a large object and reads nothing of it. The server
// must let go: the request ends, its outcome is in the trail, and the object's
// files can be removed. It takes as long as writeTimeout.
func TestStalledReader(t *testing.T) {
	if os.Getenv("STRONGROOM_TEST_LONG") == "" {
		t.Skip("takes half a minute; set STRONGROOM_TEST_LONG=1")
	}
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, wireConfig(dir))
	putBucket(t, s.Endpoint(), "stalled")
	putKey(t, s.Endpoint(), "/stalled/large", strings.Repeat("0123456789abcdef", 2<<20))
	wire, _ := wireSigner("s3").sign(message{method: "GET", path: "/stalled/large"})
	conn := dial(t, s.Endpoint())
	if _, err := conn.Write(wire); err != nil {
		t.Fatal(err)
	}
	outcome := func() bool {
		for _, r := range records(t, dir) {
			if strings.Contains(r, `"eventName":"GetObject"`) && strings.Contains(r, `"errorCode"`) {
				return true
			}
		}
		return false
	}
	eventually(t, "the record of a GET that nobody reads", outcome)
}
