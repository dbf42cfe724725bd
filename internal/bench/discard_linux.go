package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// discard receives n bytes and drops them in the kernel: TCP copies nothing
// when MSG_TRUNC is given (tcp(7)). A client that copied would take as much
// from the cores as the server does.
func discard(conn *net.TCPConn, n int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var room [1 << 20]byte // its length is what counts
	for n > 0 {
		var got int
		var recvErr error
		err := raw.Read(func(fd uintptr) bool {
			got, _, recvErr = syscall.Recvfrom(int(fd), room[:min(n, len(room))], syscall.MSG_TRUNC)
			return recvErr != syscall.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case recvErr != nil:
			return os.NewSyscallError("recvfrom", recvErr)
		case got == 0:
			return fmt.Errorf("%d bytes are missing: %w", n, io.ErrUnexpectedEOF)
		}
		n -= got
	}
	return nil
}
