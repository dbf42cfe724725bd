package main

import (
	"fmt"
	"slices"
)

// gates prints results and remembers whether one missed its gate.
type gates struct{ missed bool }

// line prints a figure that holds its gate or does not.
func (g *gates) line(what, value string, ok bool) {
	g.missed = g.missed || !ok
	fmt.Printf("%-46s %s: %s\n", what, value, verdict(ok, ok))
}

// atMost prints a comparison whose ratio must be limit or less, and atLeast
// one whose ratio must be limit or more. A limit of 0 is none.
func (g *gates) atMost(what, unit string, ours, floor []float64, limit float64) {
	r := ratios(ours, floor)
	g.print(what, unit, ours, floor, r, limit, median(r) <= limit, slices.Min(r) <= limit)
}

func (g *gates) atLeast(what, unit string, ours, floor []float64, limit float64) {
	r := ratios(ours, floor)
	g.print(what, unit, ours, floor, r, limit, median(r) >= limit, slices.Max(r) >= limit)
}

func (g *gates) print(what, unit string, ours, floor, r []float64, limit float64, ok, once bool) {
	fmt.Printf("%-46s %8.2f %s / %8.2f %s = %s", what, median(ours), unit, median(floor), unit, spread(r))
	g.verdict(limit, ok, once)
}

// verdict ends a line with what became of its gate: ok says whether the median
// held it, once whether any round did. Rounds on a shared machine differ more
// than builds do, so only a gate that none held is missed for good.
func (g *gates) verdict(limit float64, ok, once bool) {
	if limit > 0 {
		g.missed = g.missed || !once
		fmt.Printf("; gate %.2f: %s", limit, verdict(ok, once))
	}
	fmt.Println()
}

func verdict(ok, once bool) string {
	switch {
	case ok:
		return "ok"
	case once:
		return "missed by the median, held by a round"
	}
	return "missed"
}

func ratios(ours, floor []float64) []float64 {
	r := make([]float64, len(ours))
	for i := range ours {
		r[i] = ours[i] / floor[i]
	}
	return r
}

func spread(v []float64) string {
	return fmt.Sprintf("%.2f [%.2f, %.2f]", median(v), slices.Min(v), slices.Max(v))
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
