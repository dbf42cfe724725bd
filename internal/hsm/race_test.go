//go:build race

package hsm

// raceEnabled: under the race detector sync.Pool drops entries at random.
const raceEnabled = true
