package durable

import "syscall"

// StartWriteback tells the kernel to begin writing n bytes of f from off to the
// disk, and does not wait for it (sync_file_range(2), SYNC_FILE_RANGE_WRITE). It
// promises nothing: whoever wants the bytes on the disk calls Sync, which then
// finds less to do. It does nothing where f is not a file of the system's.
func StartWriteback(f any, off, n int64) {
	file, ok := f.(syscall.Conn)
	if !ok {
		return
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return
	}
	const write = 2 // SYNC_FILE_RANGE_WRITE
	_ = conn.Control(func(fd uintptr) { _ = syscall.SyncFileRange(int(fd), off, n, write) })
}
