// Command bench measures the ratios of docs/results: what an operation costs
// against the least that anything of its kind could cost, both in one run, so
// that the machine's speed drops out. It prints medians of interleaved rounds
// and says which of the gates hold; it exits with status 1 when one is missed
// by more than the rounds differ among themselves.
//
// Run it as `make bench`. Everything is on loopback; each load is bounded.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

const (
	rounds = 9
	starts = 5
)

// What the numbers must be. A ratio of CPU times is at most its gate, a ratio
// of rates at least.
const (
	maxStart   = 500 * time.Millisecond
	maxIdle    = 64 << 20 // bytes
	maxEncrypt = 2.0
	minGet     = 0.85
)

func main() {
	if role := os.Getenv(roleEnv); role != "" {
		serveRole(role)
		return
	}
	var o options
	flag.StringVar(&o.only, "only", "", "measure only `decision`, encrypt, get or put")
	flag.StringVar(&o.base, "base", "", "compare with the server in another build of this command, at `path`")
	flag.StringVar(&o.profile, "profile", "", "write CPU profiles of the servers into `directory`")
	flag.Parse()
	missed, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if missed {
		os.Exit(1)
	}
}

// options are the flags.
type options struct{ only, base, profile string }

// benchStart starts servers on new data directories, one after the other.
func benchStart(self, dir string, g *gates) error {
	var took, spent []float64
	for round := range starts {
		p, err := startRole(self, roleStrongroom, fmt.Sprintf("%s/start-%d", dir, round), "")
		if err != nil {
			return err
		}
		p.stop()
		took, spent = append(took, float64(p.startup.Milliseconds())), append(spent, float64(p.spent.Milliseconds()))
	}
	limit := float64(maxStart.Milliseconds())
	fmt.Printf("%-46s %s ms, %.0f ms of CPU", fmt.Sprintf("start to first answer, %d times", starts), spread(took), median(spent))
	g.verdict(limit, median(took) <= limit, slices.Min(took) <= limit)
	return nil
}

// servers are the processes under measurement.
type servers struct {
	strongroom *process
	base       *process // of another build; nil: none
	echo       *process
}

func run(o options) (missed bool, err error) {
	dir, err := os.MkdirTemp("", "strongroom-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%s, %s/%s, %d CPUs; medians of %d interleaved rounds, [least, most]\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds)

	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	var g gates
	if err := benchStart(self, dir, &g); err != nil {
		return false, err
	}
	var s servers
	if s.strongroom, err = startRole(self, roleStrongroom, dir, o.profile); err != nil {
		return false, err
	}
	defer s.strongroom.stop()
	if s.echo, err = startRole(self, roleEcho, dir, o.profile); err != nil {
		return false, err
	}
	defer s.echo.stop()
	if o.base != "" {
		if s.base, err = startRole(o.base, roleStrongroom, dir+"/base", ""); err != nil {
			return false, err
		}
		defer s.base.stop()
	}

	idle := s.strongroom.memory()
	g.line("memory when idle", fmt.Sprintf("%.0f MiB", mib(idle)), idle <= maxIdle)
	for _, part := range []struct {
		name string
		run  func(servers, string, *gates) error
	}{
		{"decision", benchDecision}, {"encrypt", benchEncrypt}, {"get", benchGet}, {"put", benchPut},
	} {
		if o.only != "" && o.only != part.name {
			continue
		}
		if err := part.run(s, dir, &g); err != nil {
			return false, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return g.missed, nil
}
