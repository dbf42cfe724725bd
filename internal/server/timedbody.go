package server

import (
	"io"
	"net/http"
	"time"
)

// timedBody is a body without a bound on its size. It may take any time, as
// long as the client's patience with us is not the other way round: see
// limits.patience. Only waiting for the client counts, not what the server
// does between two reads.
type timedBody struct {
	body     io.Reader
	conn     *http.ResponseController
	patience patience
	deadline time.Time // that was set last
}

// newTimedBody returns the body of r, to be read while w is answered.
func newTimedBody(w http.ResponseWriter, r *http.Request, l *limits) io.Reader {
	if r.ContentLength == 0 {
		return r.Body
	}
	b := &timedBody{body: r.Body, conn: http.NewResponseController(w), patience: l.newPatience()}
	b.extend(time.Now()) // for the rest of a body that nobody reads
	return b
}

// extend moves the deadline on, if it is much too early. That it cannot be
// moved means that the connection is gone, which the next read tells.
func (b *timedBody) extend(now time.Time) {
	end := now.Add(b.patience.left)
	if end.Sub(b.deadline) > min(deadlineSlack, b.patience.max/4) {
		b.deadline = end
		_ = b.conn.SetReadDeadline(end)
	}
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	begin := time.Now()
	b.extend(begin)
	n, err := b.body.Read(p)
	b.patience.spend(time.Since(begin), n)
	if err == io.EOF {
		// The work on the request may take longer than its body.
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
