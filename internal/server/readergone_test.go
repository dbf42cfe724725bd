package server

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestReaderGone hangs up in the middle of an object, as transfer managers do
// whenever they are stopped: the log tells it, and not as an error of ours.
func TestReaderGone(t *testing.T) {
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	var log safeBuffer
	cfg.Logger = log.logger()
	s, _ := start(t, cfg)
	putBucket(t, s.Endpoint(), "gone")
	putKey(t, s.Endpoint(), "/gone/large", strings.Repeat("0123456789abcdef", 2<<20))
	wire, _ := wireSigner("s3").sign(message{method: "GET", path: "/gone/large"})
	conn := dial(t, s.Endpoint())
	if _, err := conn.Write(wire); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, conn, 1000); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a line about it", func() bool { return bytes.Contains(log.Bytes(), []byte(`level=INFO msg="streaming object"`)) })
	if got := log.Bytes(); bytes.Contains(got, []byte("level=ERROR")) {
		t.Errorf("got an error in the log:\n%s", got)
	}
}
