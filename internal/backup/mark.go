package backup

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// Mark says that a data directory was restored and has not been served since.
type Mark struct {
	Installation string    // as in the backup
	Generation   string    // the new one, drawn by the restore
	Backup       time.Time // when the backup was taken
	Restored     time.Time
	Host         string   // where the backup was taken
	Endpoints    []string // of the server that it was taken of
}

func markPath(dataDir string) string { return filepath.Join(dataDir, "restored.json") }

func newMark(h Header) Mark {
	var generation [16]byte
	_, _ = rand.Read(generation[:]) // never fails: see crypto/rand
	return Mark{
		Installation: h.Installation, Generation: hex.EncodeToString(generation[:]),
		Backup: h.Time, Restored: time.Now().UTC().Truncate(time.Second), Host: h.Host, Endpoints: h.Endpoints,
	}
}

// Write puts the mark into a data directory.
func (m Mark) Write(dataDir string) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return durable.WriteFile(markPath(dataDir), append(b, '\n'), 0o600)
}

// ReadMark returns the mark of a data directory, nil when there is none.
func ReadMark(dataDir string) (*Mark, error) {
	b, err := os.ReadFile(markPath(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(Mark)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%s: %w", markPath(dataDir), err)
	}
	if m.Installation == "" || m.Generation == "" {
		return nil, fmt.Errorf("%s: it does not name the installation and its new generation; restore the backup again", markPath(dataDir))
	}
	return m, nil
}

// RemoveMark removes the mark of a data directory for good.
func RemoveMark(dataDir string) error {
	if err := os.Remove(markPath(dataDir)); err != nil {
		return err
	}
	return durable.SyncDir(dataDir)
}

// RefuseBackup returns an error for a directory that is a backup. It has the
// form of a data directory, and would be one no more if it were served.
func RefuseBackup(dir string) error {
	for _, name := range []string{manifestName, manifestPart} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, fmt.Errorf("%s is a backup, and stays one: make a data directory of it by `strongroom restore`", dir))
		}
	}
	return nil
}
