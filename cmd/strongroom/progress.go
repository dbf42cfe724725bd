package main

import (
	"io"
	"os"
	"time"

	"github.com/strongroom/strongroom/internal/backup"
)

// progress shows on a terminal how far a copy has come, in one line that is
// written over. Elsewhere it shows nothing.
type progress struct {
	out  io.Writer // nil: no terminal
	verb string
	next time.Time
	used bool
}

func newProgress(w io.Writer, verb string) *progress {
	p := &progress{verb: verb}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = w
		}
	}
	return p
}

func (p *progress) show(t backup.Totals) {
	if now := time.Now(); p.out != nil && now.After(p.next) {
		p.next, p.used = now.Add(200*time.Millisecond), true
		printf(p.out, "\r%s %d files, %d MiB ", p.verb, t.Files, t.Bytes>>20)
	}
}

// end takes the line away.
func (p *progress) end() {
	if p.used {
		printf(p.out, "\r\x1b[K")
	}
}
