package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// connections is the listener and what came of it: at most limit connections
// are open at a time. For one more the server takes another's place, and waits
// only when there is none to take (see victim). So whoever holds connections
// without using them, however many, keeps nobody out.
//
// The requests themselves touch atomics of their own connection, and no lock.
type connections struct {
	net.Listener
	limits  limits
	limit   int
	secure  bool // the listener is to speak TLS
	metrics *connectionMetrics
	lines   *refusals // bounds the log
	epoch   time.Time

	mu   sync.Mutex // guards open
	open map[*conn]struct{}

	room    chan struct{} // told, when Accept waits, that there may be room
	waiting atomic.Bool
	closed  chan struct{}
	once    sync.Once

	victims []victim // found by the last look, best first; of Accept alone
}

// The states of a connection, as far as its place is concerned.
const (
	connIdle  int64 = iota // no request, or not all of its headers
	connBusy               // a request whose caller is not known
	connKnown              // a request of a known caller
	connClosed
	connStates // their number
)

// victim is a connection that may have to go, and its status when it was found.
type victim struct {
	conn   *conn
	status int64
}

// batch is how many victims one look over all connections finds.
const batch = 64

func newConnections(l net.Listener, lim limits, limit int, secure bool, m *connectionMetrics, lines *refusals) *connections {
	c := &connections{
		Listener: l, limits: lim, limit: limit, secure: secure, metrics: m, lines: lines, epoch: time.Now(),
		open: map[*conn]struct{}{}, room: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	others := m.count
	m.count = func() (idle, busy int) {
		idle, busy = others()
		i, b := c.count()
		return idle + i, busy + b
	}
	return c
}

// now is the time since epoch in nanoseconds.
func (l *connections) now() int64 { return int64(time.Since(l.epoch)) }

// Accept implements net.Listener. What the system has no file descriptor for
// is waited for, after an idle connection has given up its own.
func (l *connections) Accept() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.admit(c)
		}
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return nil, err
		}
		l.metrics.acceptFailures.Inc()
		if log, ok := l.lines.logger(); ok {
			log.Warn("no file descriptor for a new connection", "error", err)
		}
		l.makeRoom()
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-time.After(pause):
		}
	}
}

// admit makes room for a new connection, and waits for it when it has to.
func (l *connections) admit(raw net.Conn) (net.Conn, error) {
	c := &conn{Conn: raw, table: l, peer: peerOf(raw), patience: l.limits.newPatience()}
	c.status.Store(l.status(connIdle))
	waited := false
	for !l.add(c) {
		if l.makeRoom() {
			continue
		}
		if !waited {
			waited = true
			l.metrics.waits.Inc()
			if log, ok := l.lines.logger(); ok {
				log.Warn("every connection is busy: a new one waits", "limit", l.limit)
			}
		}
		l.waiting.Store(true)
		select {
		case <-l.closed:
			_ = raw.Close()
			return nil, net.ErrClosed
		case <-l.room:
		case <-time.After(l.limits.strangers / 2): // one may have become a victim by now
		}
		l.waiting.Store(false)
	}
	return c, nil
}

// add adds c if there is room.
func (l *connections) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.limit {
		return false
	}
	l.open[c] = struct{}{}
	return true
}

// remove forgets a connection that was closed.
func (l *connections) remove(c *conn) {
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
	l.wake()
}

// wake tells an Accept that waits to look again.
func (l *connections) wake() {
	if l.waiting.Load() {
		select {
		case l.room <- struct{}{}:
		default:
		}
	}
}

// makeRoom closes the next victim. It reports whether there was one.
func (l *connections) makeRoom() bool {
	for range 2 {
		for len(l.victims) > 0 {
			v := l.victims[0]
			l.victims = l.victims[1:]
			// Not when it has done something since it was found.
			if !v.conn.status.CompareAndSwap(v.status, l.status(connClosed)) {
				continue
			}
			reason := "idle, for another's sake"
			if v.status%connStates == connBusy {
				reason = "slow and unknown, for another's sake"
			}
			l.metrics.refused.WithLabelValues(reason).Inc()
			if log, ok := l.lines.logger(); ok {
				log.Warn("connection closed to make room", "reason", reason, "peer", v.conn.peer, "limit", l.limit)
			}
			v.conn.shut()
			return true
		}
		l.findVictims()
	}
	return false
}

// findVictims looks for connections to close: those without a request before
// those whose request has no caller yet, for some time; of these, those of the
// peer that has most connections; of these, those that have been so longest.
// A request of a known caller is never closed for another's.
func (l *connections) findVictims() {
	now := l.now()
	l.mu.Lock()
	peers := map[netip.Addr]int{}
	var found []victim
	for c := range l.open {
		peers[c.peer]++
		s := c.status.Load()
		if state := s % connStates; state == connIdle || state == connBusy && now-s/connStates > int64(l.limits.strangers) {
			found = append(found, victim{c, s})
		}
	}
	l.mu.Unlock()
	slices.SortFunc(found, func(a, b victim) int {
		return cmp.Or(
			cmp.Compare(a.status%connStates, b.status%connStates),
			cmp.Compare(peers[b.conn.peer], peers[a.conn.peer]),
			cmp.Compare(a.status, b.status),
		)
	})
	l.victims = found[:min(len(found), batch)]
}

// status is a state with the time at which it began.
func (l *connections) status(state int64) int64 { return l.now()*connStates + state }

// Close implements net.Listener.
func (l *connections) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// count returns how many connections are idle and how many are busy.
func (l *connections) count() (idle, busy int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if c.status.Load()%connStates == connIdle {
			idle++
		} else {
			busy++
		}
	}
	return idle, busy
}

// changed is the http.Server's hook: c began a request, or ended one.
func (l *connections) changed(c net.Conn, state http.ConnState) {
	under := underlying(c)
	if under == nil {
		return
	}
	switch state {
	case http.StateActive:
		under.become(connBusy)
	case http.StateIdle:
		under.become(connIdle)
		l.wake()
	}
}

// underlying returns the conn of a connection that net/http has.
func underlying(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	under, _ := c.(*conn)
	return under
}

// connKey finds the conn of a request in its context.
type connKey struct{}

// context is the http.Server's hook that puts it there.
func (l *connections) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, underlying(c))
}

// known marks the connection of a request as one of a known caller.
func known(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok && c != nil {
		c.become(connKnown)
	}
}

// peerOf returns the peer's address: of IPv6 the network of 64 bits, because
// one host has as many addresses in it as it likes.
func peerOf(c net.Conn) netip.Addr {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := a.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}
