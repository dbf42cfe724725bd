// Command bench measures the ratios of docs/results: what an operation costs
// against the least that anything of its kind could cost, both in one run, so
// that the machine's speed drops out. It prints medians of interleaved rounds.
//
// Run it as `make bench`. Everything is on loopback; each load is bounded.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

const rounds = 7

func main() {
	if role := os.Getenv(roleEnv); role != "" {
		serveRole(role)
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "strongroom-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%s, %s/%s, %d CPUs; medians of %d interleaved rounds, [least, most]\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds)

	strongroom, err := startRole(roleStrongroom, dir)
	if err != nil {
		return err
	}
	defer strongroom.stop()
	echo, err := startRole(roleEcho, dir)
	if err != nil {
		return err
	}
	defer echo.stop()

	fmt.Printf("start to first answer: %v; memory when idle: %d MiB\n", strongroom.startup.Round(time.Millisecond), strongroom.memory()>>20)
	if err := benchEncrypt(strongroom, echo); err != nil {
		return err
	}
	return benchGet(strongroom, dir)
}

// ratio prints one line: what was compared, the medians and their ratio.
func ratio(what, unit string, ours, floor []float64) {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / floor[i]
	}
	fmt.Printf("%-44s %8.2f %s / %8.2f %s = %s\n", what, median(ours), unit, median(floor), unit, spread(ratios))
}

func spread(v []float64) string {
	return fmt.Sprintf("%.2f [%.2f, %.2f]", median(v), slices.Min(v), slices.Max(v))
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
