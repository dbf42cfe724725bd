// Package faultproxy is a test kit: a TCP proxy on loopback that breaks
// connections between a client and a server as it is told, so that tests see
// what retries of clients we did not write make of our server. It knows
// nothing of HTTP but that a connection begins with a line.
package faultproxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"time"
)

// A Kind is what goes wrong with a connection.
type Kind int

// The kinds of faults. What the other side sees is an orderly end of the
// stream, or a reset where Reset is in the name.
const (
	None         Kind = iota + 1 // nothing
	Refuse                       // reset before the server hears of it
	CutRequest                   // ends when After bytes went to the server
	ResetRequest                 // the same by a reset
	CutAnswer                    // ends when After bytes came back; 0: the server did it all, and nobody hears of it
	ResetAnswer                  // the same by a reset
	Silence                      // the answer is swallowed, and after Hold the connection ends
	Delay                        // the answer is held for Hold, and then passed on
	Pause                        // the request stops after After bytes, until Then has returned
)

func (k Kind) String() string {
	names := [...]string{"none", "refuse", "cut request", "reset request", "cut answer", "reset answer", "silence", "delay", "pause"}
	if k < None || int(k) > len(names) {
		return "no kind"
	}
	return names[k-1]
}

// A Fault is what happens to one connection.
type Fault struct {
	Kind  Kind
	After int64         // bytes let through before the cut
	Hold  time.Duration // of Silence and Delay
	Then  func()        // called when the fault strikes, before the client sees it; nil: nothing
}

// A Plan says what happens to a connection: conn counts them from 0, line is
// the first line of what the client sent. It is called by many goroutines.
type Plan func(conn int, line string) Fault

// Clean is the plan without faults.
func Clean(int, string) Fault { return Fault{Kind: None} }

// Seeded breaks the first faults connections by a plan that the seed alone
// decides, and none after them. Which request a connection carries is the
// client's affair, so two runs with one seed are alike and not the same. Cuts
// come half of the time anywhere in the first largest bytes, a quarter about
// the headers, and a quarter before the first byte.
func Seeded(seed uint64, faults int, largest int64, hold time.Duration) Plan {
	return func(conn int, _ string) Fault {
		if conn >= faults {
			return Fault{Kind: None}
		}
		dice := sha256.Sum256(fmt.Appendf(nil, "%d %d", seed, conn))
		throw := func(i int, sides int64) int64 {
			return int64(binary.BigEndian.Uint64(dice[8*i:])>>1) % sides
		}
		f := Fault{Kind: Refuse + Kind(throw(0, int64(Delay-Refuse)+1)), Hold: time.Duration(throw(1, int64(hold)+1))}
		switch throw(2, 4) {
		case 0, 1:
			f.After = throw(3, largest+1)
		case 2:
			f.After = throw(3, 2048)
		default: // nothing passes: for an answer, done and not heard
		}
		return f
	}
}

// Proxy is a proxy that listens. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	target string
	plan   Plan
	conns  int
	struck map[Kind]int
	open   map[net.Conn]bool
	closed bool
}

// Start returns a proxy on a free port of loopback that leads to target, a
// host and port.
func Start(target string, plan Plan) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, plan: plan, struck: map[Kind]int{}, open: map[net.Conn]bool{}}
	p.running.Go(p.accept)
	return p, nil
}

// Address is the host and port that clients connect to.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Lead makes new connections lead to target.
func (p *Proxy) Lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Follow replaces the plan, and counts connections from 0 again.
func (p *Proxy) Follow(plan Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan, p.conns = plan, 0
}

// Struck returns how often each kind of fault has struck.
func (p *Proxy) Struck() map[Kind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.struck)
}

// Close breaks all connections and returns when nothing runs any more.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	_ = p.listener.Close()
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.carry(c) })
	}
}

// keep makes Close close c, and reports whether there is time for that.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// carry is one connection of a client.
func (p *Proxy) carry(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	head := make([]byte, 4096)
	n, err := client.Read(head)
	if err != nil {
		return
	}
	head = head[:n]
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	p.mu.Lock()
	conn, plan, target := p.conns, p.plan, p.target
	p.conns++
	p.mu.Unlock()
	f := plan(conn, string(line))
	if f.Kind == Refuse {
		p.strike(f)
		reset(client)
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return // as a server that is gone
	}
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	done := make(chan struct{})
	p.running.Go(func() {
		defer close(done)
		p.answer(client, server, f)
	})
	p.request(client, server, head, f)
	<-done
}

// request passes on what the client sends.
func (p *Proxy) request(client, server net.Conn, head []byte, f Fault) {
	from := io.MultiReader(bytes.NewReader(head), client)
	if f.Kind == Pause {
		if _, err := io.CopyN(server, from, f.After); err == nil {
			p.strike(f)
		}
	}
	if f.Kind != CutRequest && f.Kind != ResetRequest {
		_, _ = io.Copy(server, from)
		if c, ok := server.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
		return
	}
	if n, _ := io.CopyN(server, from, f.After); n == f.After {
		p.strike(f)
	}
	p.part(client, server, f.Kind == ResetRequest)
}

// answer passes on what the server sends.
func (p *Proxy) answer(client, server net.Conn, f Fault) {
	defer p.part(client, server, f.Kind == ResetAnswer)
	switch f.Kind {
	case CutAnswer, ResetAnswer:
		if n, _ := io.CopyN(client, server, f.After); n < f.After {
			return
		}
		// Strikes when there is more, so that the server has answered.
		if _, err := io.ReadFull(server, make([]byte, 1)); err == nil {
			p.strike(f)
		}
	case Silence, Delay:
		first := make([]byte, 1)
		if _, err := io.ReadFull(server, first); err != nil {
			return
		}
		p.strike(f)
		<-time.After(f.Hold)
		if f.Kind == Delay {
			_, _ = io.Copy(client, io.MultiReader(bytes.NewReader(first), server))
		}
	default:
		_, _ = io.Copy(client, server)
	}
}

// part ends both sides.
func (p *Proxy) part(client, server net.Conn, byReset bool) {
	if byReset {
		reset(client)
		reset(server)
		return
	}
	_ = client.Close()
	_ = server.Close()
}

// strike counts the fault and tells who wants to know.
func (p *Proxy) strike(f Fault) {
	p.mu.Lock()
	p.struck[f.Kind]++
	p.mu.Unlock()
	if f.Then != nil {
		f.Then()
	}
}

// reset closes c so that the other side sees a reset, with whatever it had
// not read yet thrown away.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
