package sqlite

import (
	"errors"
	"fmt"
	"testing"

	code "modernc.org/sqlite/lib"

	"github.com/strongroom/strongroom/internal/store"
)

// Callers take store.ErrDiskFull for "certainly not stored". So no result that
// COMMIT can have after its last frame is in the log may be called that, and
// least of all on a disk that is full.
func TestMeaning(t *testing.T) {
	for _, tt := range []struct {
		name                string
		code                int
		room, full, opening error
	}{
		{"full", code.SQLITE_FULL, store.ErrDiskFull, store.ErrDiskFull, store.ErrDiskFull},
		{"write", code.SQLITE_IOERR_WRITE, nil, store.ErrDiskFull, store.ErrDiskFull},
		{"cannot open", code.SQLITE_CANTOPEN, nil, store.ErrDiskFull, store.ErrDiskFull},
		{"sync", code.SQLITE_IOERR_FSYNC, nil, nil, nil},
		{"sync of the directory", code.SQLITE_IOERR_DIR_FSYNC, nil, nil, nil},
		{"growing -shm", code.SQLITE_IOERR_SHMSIZE, nil, nil, store.ErrDiskFull},
		{"mapping -shm", code.SQLITE_IOERR_SHMMAP, nil, nil, store.ErrDiskFull},
		{"opening -shm", code.SQLITE_IOERR_SHMOPEN, nil, nil, store.ErrDiskFull},
		{"cutting the log", code.SQLITE_IOERR_TRUNCATE, nil, nil, nil},
		{"read", code.SQLITE_IOERR_READ, nil, nil, nil},
		{"some error of the disk", code.SQLITE_IOERR, nil, nil, nil},
		{"short read", code.SQLITE_IOERR_SHORT_READ, store.ErrDamaged, store.ErrDamaged, store.ErrDamaged},
		{"damaged", code.SQLITE_CORRUPT, store.ErrDamaged, store.ErrDamaged, store.ErrDamaged},
		{"damaged index", code.SQLITE_CORRUPT_INDEX, store.ErrDamaged, store.ErrDamaged, store.ErrDamaged},
		{"busy", code.SQLITE_BUSY, nil, nil, nil},
	} {
		for _, row := range []struct {
			when  string
			means func(int, string, func() bool) error
			full  bool
			want  error
		}{
			{"with room", meaning, false, tt.room},
			{"on a full disk", meaning, true, tt.full},
			{"opening with room", meaningOpening, false, tt.room},
			{"opening on a full disk", meaningOpening, true, tt.opening},
		} {
			t.Run(tt.name+" "+row.when, func(t *testing.T) {
				if got := row.means(tt.code, "", func() bool { return row.full }); !errors.Is(got, row.want) {
					t.Errorf("got %v, want %v", got, row.want)
				}
			})
		}
	}
	for text, want := range map[string]error{"no such table: blobs": store.ErrDamaged, "no such column: rev": store.ErrDamaged, "syntax": nil} {
		if got := meaning(code.SQLITE_ERROR, fmt.Sprintf("SQL logic error: %s (1)", text), nil); !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
