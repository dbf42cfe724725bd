//go:build !linux

package main

import (
	"io"
	"net"
)

// discard receives n bytes and drops them.
func discard(conn *net.TCPConn, n int) error {
	_, err := io.CopyN(io.Discard, conn, int64(n))
	return err
}
