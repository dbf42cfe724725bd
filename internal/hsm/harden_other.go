//go:build !linux

package hsm

// Harden does nothing on this system.
func Harden() error { return nil }
