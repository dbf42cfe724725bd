package backup

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
)

// previous is an earlier backup that is walked through beside the new one, in
// the same order of paths. The nil previous has no files.
type previous struct {
	manifest *Manifest
	next     func() (File, error, bool)
	stop     func()
	file     File // the first that is not passed over
	ok       bool
	failed   error // of reading the manifest
}

func openPrevious(dir string) (*previous, error) {
	if dir == "" {
		return nil, nil
	}
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, fmt.Errorf("previous backup: %w", err)
	}
	p := &previous{manifest: m}
	p.next, p.stop = iter.Pull2(m.All())
	return p, p.advance()
}

func (p *previous) advance() (err error) {
	p.file, err, p.ok = p.next()
	return err
}

// has reports whether the previous backup has a file of that size at path. The
// paths that are asked for only go up.
func (p *previous) has(path string, size int64) bool {
	if p == nil {
		return false
	}
	for p.ok && p.file.Path < path && p.failed == nil {
		p.failed = p.advance()
	}
	return p.ok && p.file.Path == path && !p.file.Missing && p.file.Size == size
}

// link makes to another name of the file that the previous backup has at path,
// when it has one of that size and, unless want is empty, that sum. It returns
// the file's sum. A file system that cannot link is no error.
func (p *previous) link(path string, size int64, want, to string) (sum string, linked bool, err error) {
	if !p.has(path, size) || want != "" && p.file.SHA256 != want {
		if p != nil {
			err = p.failed
		}
		return "", false, err
	}
	from := filepath.Join(p.manifest.dir, path)
	if info, err := os.Lstat(from); err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return "", false, nil // it was damaged since
	}
	if os.Link(from, to) != nil {
		return "", false, nil
	}
	return p.file.SHA256, true, nil
}

func (p *previous) close() {
	if p != nil {
		p.stop()
	}
}
