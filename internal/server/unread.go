package server

import (
	"io"
	"net/http"
	"time"
)

// maxUnread is how much of a refused request's body is taken before the
// refusal, in bytes: a part of the clients' transfer managers.
const maxUnread = 16 << 20

// unread is the body of a request over TLS. Where a refusal leaves much of a
// body unread, net/http closes its side after the answer and lets the client
// finish. Over TLS that is a close_notify, on which OpenSSL refuses to write:
// the client would see a broken connection and not the reason.
type unread struct {
	r      *http.Request
	limits *limits
}

// discard takes what is left of the body, within bounds. A client that waits to
// be told to go on has sent none, and is not told.
func (u *unread) discard(w http.ResponseWriter) {
	if u.r.Header.Get("Expect") != "" {
		return
	}
	// When any of it fails the answer is sent all the same, and the connection ends.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(u.limits.refused))
	_, _ = io.CopyN(io.Discard, u.r.Body, maxUnread)
}
