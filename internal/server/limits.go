package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultMaxConnections is the default of [Config.MaxConnections].
const DefaultMaxConnections = 4096

// What one request may have. S3's own limit for headers is 8 KiB; session
// tokens and long keys in a query need more.
const (
	maxHeaderBytes = 64 << 10 // request line and headers; beyond it net/http answers 431
	maxURI         = 16 << 10 // path and query, in bytes as sent
	maxHeaders     = 1000     // header lines
)

// filesPerConnection is how many file descriptors one connection can need at
// a time: itself, and two files of sealed bytes. reservedFiles are for the
// database, the trail, and what else the server has open.
const (
	filesPerConnection = 3
	reservedFiles      = 128
)

// limits says how long a peer may let the server wait, and how much it may
// hold. The zero value of a field is its default; only tests set others.
type limits struct {
	// header is for a TLS handshake, and for all headers of a request.
	header time.Duration // 20 s
	// idle is how long a connection may be without a request.
	idle time.Duration // 3 min
	// body is for all of a body that is read before its caller is known.
	body time.Duration // 30 s
	// refused is for the rest of the body of a refused request.
	refused time.Duration // 5 s

	// patience is how long the server waits for a peer that sends or takes
	// nothing, in the middle of a body or an answer. Waiting uses it up, each
	// second of waiting a second; bytes that move earn it back, rate bytes a
	// second. So a pause of patience is fine, and in the long run rate bytes a
	// second are.
	patience time.Duration // 30 s
	rate     int           // 1024

	// strangers may hold a connection this long, when there is no room for
	// another one, with a request whose caller is not known yet.
	strangers time.Duration // 2 s
}

func (l *limits) complete() {
	for _, d := range []struct {
		p     *time.Duration
		value time.Duration
	}{
		{&l.header, 20 * time.Second}, {&l.idle, 3 * time.Minute}, {&l.body, 30 * time.Second}, {&l.refused, 5 * time.Second},
		{&l.patience, 30 * time.Second}, {&l.strangers, 2 * time.Second},
	} {
		if *d.p == 0 {
			*d.p = d.value
		}
	}
	if l.rate == 0 {
		l.rate = 1024
	}
}

// patience is what a peer has left of limits.patience. It is not safe for
// concurrent use.
type patience struct {
	left time.Duration
	max  time.Duration
	rate int
}

func (l *limits) newPatience() patience { return patience{l.patience, l.patience, l.rate} }

// spend accounts for having waited for the peer until it moved n bytes.
func (p *patience) spend(waited time.Duration, n int) {
	p.left = min(p.max, p.left-waited+time.Duration(n)*time.Second/time.Duration(p.rate))
}

// deadlineSlack is by how much a deadline may be early or late: it is moved
// once in that time and not with every read and write.
const deadlineSlack = time.Second

// keepAlive finds peers that are gone without a word within a minute or so.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// errHeaderSection says that a request's line or headers exceed a limit.
var errHeaderSection = errors.New("the request line or the headers are larger than any request's")

// checkHeader refuses requests whose line or headers are out of proportion.
func checkHeader(r *http.Request) error {
	lines := 0
	for _, values := range r.Header {
		lines += len(values)
	}
	if len(r.RequestURI) > maxURI || lines > maxHeaders {
		return errHeaderSection
	}
	return nil
}

// raiseFileLimit raises the soft limit of open files to the hard one and
// returns it.
func raiseFileLimit() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("asking for the limit of open files: %w", err)
	}
	if l.Cur < l.Max {
		raised := unix.Rlimit{Cur: l.Max, Max: l.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err == nil { // else the soft limit is the limit
			l = raised
		}
	}
	return l.Cur, nil
}

// connectionLimit returns how many connections the server may have: as many as
// configured, unless so many could not open their files.
func connectionLimit(configured int, files uint64) (int, error) {
	most := 1
	if files > reservedFiles+filesPerConnection {
		most = int(min((files-reservedFiles)/filesPerConnection, 1<<20))
	}
	if configured == 0 {
		return min(DefaultMaxConnections, most), nil
	}
	if configured > most {
		return 0, fmt.Errorf("--max-connections %d needs %d open files, and this process may have %d: raise the limit (ulimit -n, LimitNOFILE=), or give %d at most",
			configured, reservedFiles+filesPerConnection*configured, files, most)
	}
	return configured, nil
}
