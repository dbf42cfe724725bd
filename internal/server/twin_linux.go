package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// holdInstallation takes the installation's name on this machine: an abstract
// unix socket (unix(7)), which belongs to the network namespace and to no
// directory, so that a copy of the data directory finds it taken wherever it
// lies. It goes with the process, however that ends. The error is a *TwinError
// when another process has it.
func holdInstallation(id string) (io.Closer, error) {
	addr := &net.UnixAddr{Net: "unix", Name: "@strongroom-installation-" + id}
	l, err := net.ListenUnix("unix", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &TwinError{id, holderOf(addr)}
	}
	if err != nil {
		return nil, fmt.Errorf("taking the name of the installation: %w", err)
	}
	go func() {
		for { // so that those who ask who holds it are answered, and do not pile up
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_ = c.Close() // they know what they wanted
			}
		}
	}()
	return l, nil
}

// holderOf says who listens at addr.
func holderOf(addr *net.UnixAddr) string {
	const unknown = "by another process on this machine"
	c, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		return unknown
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return unknown
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return unknown
	}
	return fmt.Sprintf("by process %d of user %d on this machine", cred.Pid, cred.Uid)
}
