//go:build !linux

package durable

import "os"

// dataSync brings a file to disk where there is no fdatasync.
func dataSync(f *os.File) error { return f.Sync() }
