package faultproxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestFaults sends one request through each kind of fault.
func TestFaults(t *testing.T) {
	const answer = "an answer of some length"
	for _, tt := range []struct {
		name    string
		fault   Fault
		body    string // of the request
		heard   bool   // the server had all of the request
		works   bool   // the client had all of the answer
		strikes int
	}{
		{"none", Fault{Kind: None}, "body", true, true, 0},
		{"refuse", Fault{Kind: Refuse}, "body", false, false, 1},
		{"cut in the line", Fault{Kind: CutRequest, After: 3}, "body", false, false, 1},
		{"cut in the body", Fault{Kind: CutRequest, After: 100_000}, strings.Repeat("b", 1<<20), false, false, 1},
		{"reset in the body", Fault{Kind: ResetRequest, After: 100_000}, strings.Repeat("b", 1<<20), false, false, 1},
		{"cut after the end", Fault{Kind: CutRequest, After: 1 << 30}, "body", true, true, 0},
		{"no answer", Fault{Kind: CutAnswer}, "body", true, false, 1},
		{"half an answer", Fault{Kind: CutAnswer, After: 150}, "body", true, false, 1},
		{"reset answer", Fault{Kind: ResetAnswer, After: 20}, "body", true, false, 1},
		{"silence", Fault{Kind: Silence, Hold: time.Millisecond}, "body", true, false, 1},
		{"pause", Fault{Kind: Pause, After: 100_000}, strings.Repeat("b", 1<<20), true, true, 1},
		{"delay", Fault{Kind: Delay, Hold: time.Millisecond}, "body", true, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var heard atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				heard.Store(err == nil && string(b) == tt.body)
				_, _ = io.WriteString(w, answer)
			}))
			defer server.Close()
			told := 0
			var line string
			fault := tt.fault
			fault.Then = func() { told++ }
			p, err := Start(server.Listener.Addr().String(), func(_ int, l string) Fault { line = l; return fault })
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{DisableKeepAlives: true}
			works := false
			// A POST is not sent again by net/http itself.
			resp, err := (&http.Client{Transport: transport}).Post("http://"+p.Address()+"/path?q", "text/plain", strings.NewReader(tt.body))
			if err == nil {
				b, err := io.ReadAll(resp.Body)
				works = err == nil && string(b) == answer
				resp.Body.Close()
			}
			p.Close() // nothing runs after it
			if works != tt.works || heard.Load() != tt.heard {
				t.Errorf("got answer %t, request %t, want %t and %t", works, heard.Load(), tt.works, tt.heard)
			}
			if line != "POST /path?q HTTP/1.1" {
				t.Errorf("got line %q", line)
			}
			if told != tt.strikes || p.Struck()[fault.Kind] != tt.strikes {
				t.Errorf("got %d strikes, %v, want %d", told, p.Struck(), tt.strikes)
			}
		})
	}
}

// TestSeeded finds the same plan for one seed, every kind in it, and its end.
func TestSeeded(t *testing.T) {
	plan, again, other := Seeded(1, 100, 1<<20, time.Second), Seeded(1, 100, 1<<20, time.Second), Seeded(2, 100, 1<<20, time.Second)
	kinds, differ := map[Kind]bool{}, false
	for i := range 100 {
		f := plan(i, "")
		if got := again(i, "another line"); !reflect.DeepEqual(got, f) {
			t.Errorf("got %v and %v for connection %d", got, f, i)
		}
		differ = differ || !reflect.DeepEqual(other(i, ""), f)
		kinds[f.Kind] = true
		if f.After > 1<<20 || f.Hold > time.Second {
			t.Errorf("got %v beyond the bounds", f)
		}
	}
	if !differ || len(kinds) != int(Delay-Refuse)+1 || kinds[None] {
		t.Errorf("got kinds %v, another for another seed %t", kinds, differ)
	}
	if got := plan(100, "").Kind; got != None {
		t.Errorf("got %v after the last fault", got)
	}
}

// TestLead goes to a server that came up later, and none in between.
func TestLead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	p, err := Start(gone.Addr().String(), Clean)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if resp, err := http.Get("http://" + p.Address()); err == nil {
		resp.Body.Close()
		t.Error("got an answer of no server")
	}
	p.Lead(server.Listener.Addr().String())
	resp, err := http.Get("http://" + p.Address())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
