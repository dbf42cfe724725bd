package server

import "testing"

// TestTransferCodingIsNotStored: aws-chunked is how a body travels, and no
// property of the object; other codings come back as they were sent.
func TestTransferCodingIsNotStored(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	putBucket(t, s.Endpoint(), "coding")
	for _, tt := range []struct{ name, sent, want string }{
		{"chunked", "aws-chunked", ""},
		{"both", "gzip,aws-chunked", "gzip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := message{
				method: "PUT", path: "/coding/" + tt.name, hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
				signed: []field{{"Content-Encoding", tt.sent}, {"X-Amz-Decoded-Content-Length", "5"}, {"X-Amz-Trailer", "x-amz-checksum-crc32"}},
				body:   "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
			}
			mustAsk(t, s.Endpoint(), "s3", m)
			a := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: m.path})
			if got := a.header.Get("Content-Encoding"); got != tt.want || a.body != "hello" {
				t.Errorf("got encoding %q and %q, want %q and hello", got, a.body, tt.want)
			}
		})
	}
}
