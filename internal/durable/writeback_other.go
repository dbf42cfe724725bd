//go:build !linux

package durable

// StartWriteback does nothing where there is no sync_file_range(2).
func StartWriteback(f any, off, n int64) {}
