package server

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one connection, below TLS if there is any. It closes itself on a
// peer that takes nothing of what is written (limits.patience): so no request
// needs a deadline or a timer of its own for that.
type conn struct {
	net.Conn
	table  *connections
	peer   netip.Addr
	status atomic.Int64 // connections.status

	greeted atomic.Bool // TLS: the client's first message has come
	heard   atomic.Bool // something has come since the last change of state

	readDeadline atomic.Int64 // Unix nanoseconds; 0: none, or it has passed
	asked        atomic.Int64 // deadline of writes that somebody set; 0: none
	first        sync.Once    // the first read
	closing      sync.Once

	mu            sync.Mutex // guards what follows, and orders writes
	patience      patience
	writeDeadline time.Time
}

// errPlainHTTP ends the handshake of a client that does not know of TLS.
var errPlainHTTP = errors.New("the client sent plain HTTP")

// become changes the state, unless the connection is to be closed.
func (c *conn) become(state int64) {
	c.heard.Store(false)
	next := c.table.status(state)
	for old := c.status.Load(); old%connStates != connClosed; old = c.status.Load() {
		if c.status.CompareAndSwap(old, next) {
			return
		}
	}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
		if c.table.secure {
			plain := false
			c.first.Do(func() { plain = p[0] >= 'A' && p[0] <= 'Z' }) // a method, and no TLS record (RFC 8446 section 5.1)
			if plain {
				c.refusePlain()
				return 0, errPlainHTTP
			}
		}
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.readTimedOut()
	}
	return n, err
}

// textPlain answers who sends plain HTTP to a listener that speaks TLS.
const textPlain = "This address speaks TLS: use https://, and trust its CA (AWS_CA_BUNDLE).\n"

// refusePlain answers and lets the client read it: closing at once would
// reset the connection while the request is still coming.
func (c *conn) refusePlain() {
	c.table.metrics.refused.WithLabelValues("plain HTTP").Inc()
	_ = c.Conn.SetDeadline(time.Now().Add(c.table.limits.refused))
	_, err := io.WriteString(c.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+textPlain)
	if err == nil && c.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, maxHeaderBytes) // the client closes, or the deadline passes
	}
}

// readTimedOut counts a deadline that has passed, once.
func (c *conn) readTimedOut() {
	if c.readDeadline.Swap(0) <= int64(time.Hour) { // net/http wakes readers with a time long ago
		return
	}
	kind := "body"
	if c.status.Load()%connStates == connIdle {
		switch {
		case c.table.secure && !c.greeted.Load():
			kind = "handshake"
		case c.heard.Load():
			kind = "header"
		default:
			kind = "idle"
		}
	}
	c.timedOut(kind)
}

func (c *conn) timedOut(kind string) {
	c.table.metrics.timeouts.WithLabelValues(kind).Inc()
	if kind == "idle" { // which is as it should be
		return
	}
	if log, ok := c.table.lines.logger(); ok {
		log.Warn("a client was too slow", "kind", kind, "peer", c.peer)
	}
}

// Write implements net.Conn. It goes on as long as the peer takes something in
// time. What it could not write when the peer's patience is used up, it never will.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := 0
	for {
		begin := time.Now()
		asked := c.asked.Load()
		if asked == 0 {
			if end := begin.Add(c.patience.left); c.writeDeadline.IsZero() || end.Sub(c.writeDeadline) > min(deadlineSlack, c.patience.max/4) {
				if err := c.Conn.SetWriteDeadline(end); err != nil {
					return done, err
				}
				c.writeDeadline = end
			}
		}
		n, err := c.Conn.Write(p[done:])
		done += n
		c.patience.spend(time.Since(begin), n)
		if err == nil || asked != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return done, err
		}
		if n == 0 || c.patience.left <= 0 {
			c.timedOut("answer")
			return done, err
		}
	}
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		c.readDeadline.Store(0)
	} else {
		c.readDeadline.Store(t.UnixNano())
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn. A deadline that somebody sets holds
// instead of the connection's own until it is taken back.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		c.asked.Store(0)
		c.mu.Lock()
		c.writeDeadline = time.Time{}
		c.mu.Unlock()
		return nil // the next write sets its own
	}
	c.asked.Store(t.UnixNano())
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite lets net/http end its side first.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.become(connClosed)
	return c.shut()
}

// shut closes the connection, whatever its state, and gives its place away.
func (c *conn) shut() (err error) {
	err = net.ErrClosed
	c.closing.Do(func() {
		err = c.Conn.Close()
		c.table.remove(c)
	})
	return err
}
