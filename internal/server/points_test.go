package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// point is a named place where the server changes what is on the disk. Files
// are told by the kind of the operation and the path, with the data directory
// as "data" in the directory that holds it; those of the store name themselves.
type point struct {
	name string
	when phase
	path string // a pattern of filepath.Match
	do   []errorfs.Kind
}

// phase is when a point is reached.
type phase int

const (
	atFirst phase = iota + 1 // when a data directory is made
	atStart                  // at every start
	atWork                   // under load
	seldom                   // only when something went wrong before
)

var (
	writing = []errorfs.Kind{errorfs.Create, errorfs.Chmod, errorfs.Write}
	syncing = []errorfs.Kind{errorfs.Sync}
	linking = []errorfs.Kind{errorfs.Link}
	naming  = []errorfs.Kind{errorfs.Rename}
	removal = []errorfs.Kind{errorfs.Remove}
	making  = []errorfs.Kind{errorfs.Mkdir}
)

// points is the one list of them. Whoever adds an operation on files adds its
// point here (TestEveryOperationIsAPoint says so), and TestKillAtEveryPoint
// then ends the server there.
var points = []point{
	{"data.make", atFirst, "data", making},
	{"above.sync", atFirst, ".", syncing},
	{"above.name", atFirst, "..", syncing},
	{"data.sync", atStart, "data", syncing},
	{"rootkey.write", atFirst, ".data.root-key.*.tmp", writing},
	{"rootkey.sync", atFirst, ".data.root-key.*.tmp", syncing},
	{"rootkey.link", atFirst, "data.root-key", linking},
	{"rootkey.clean", atFirst, ".data.root-key.*.tmp", removal},
	{"credentials.write", atFirst, ".data.credentials.*.tmp", writing},
	{"credentials.sync", atFirst, ".data.credentials.*.tmp", syncing},
	{"credentials.link", atFirst, "data.credentials", linking},
	{"credentials.clean", atFirst, ".data.credentials.*.tmp", removal},
	{"endpoint.write", atStart, "data/.endpoint.json.*.tmp", writing},
	{"endpoint.sync", atStart, "data/.endpoint.json.*.tmp", syncing},
	{"endpoint.rename", atStart, "data/endpoint.json", naming},
	{"endpoint.clean", seldom, "data/.endpoint.json.*.tmp", removal},

	{"audit.make", atFirst, "data/audit", making},
	{"audit.name", atStart, "data/audit", syncing},
	{"audit.roll.write", atWork, "data/audit/.segment-*.log.*.tmp", writing},
	{"audit.roll.sync", atWork, "data/audit/.segment-*.log.*.tmp", syncing},
	{"audit.roll", atWork, "data/audit/segment-*.log", linking},
	{"audit.roll.clean", atWork, "data/audit/.segment-*.log.*.tmp", removal},
	{"audit.write", atWork, "data/audit/segment-*.log", []errorfs.Kind{errorfs.Write}},
	{"audit.sync", atWork, "data/audit/segment-*.log", syncing},
	{"audit.cut", seldom, "data/audit/segment-*.log", []errorfs.Kind{errorfs.Truncate}},

	{"objects.make", atFirst, "data/objects", making},
	{"objects.make.staging", atFirst, "data/objects/*", making},
	{"objects.make.shard", atStart, "data/objects/objects/*", making},
	{"objects.sync", atFirst, "data/objects", syncing},
	{"objects.sync.shards", atStart, "data/objects/objects", syncing},
	{"blob.create", atWork, "data/objects/staging/*", []errorfs.Kind{errorfs.Create}},
	{"blob.write", atWork, "data/objects/staging/*", []errorfs.Kind{errorfs.Write}},
	{"blob.sync", atWork, "data/objects/staging/*", syncing},
	{"blob.commit", atWork, "data/objects/staging", syncing},
	{"blob.link", atWork, "data/objects/objects/*/*", linking},
	{"blob.publish", atWork, "data/objects/objects/*", syncing}, // and after a removal
	{"blob.unstage", atWork, "data/objects/staging/*", removal},
	{"blob.remove", atWork, "data/objects/objects/*/*", removal},
}

// storePoints are those that the store has by itself.
func storePoints() (list []point) {
	for _, name := range sqlite.Points() {
		p := point{name: name, when: atWork}
		if name == "store.create" {
			p.when = atFirst
		}
		list = append(list, p)
	}
	return list
}

// pointOf names an operation on files below the directory above; "" when it
// has no name.
func pointOf(above string, op errorfs.Op) string {
	rel, err := filepath.Rel(above, op.Path)
	if err != nil {
		return ""
	}
	for _, p := range points {
		if ok, err := filepath.Match(p.path, rel); err == nil && ok && slices.Contains(p.do, op.Kind) {
			return p.name
		}
	}
	return ""
}

// killEnv, in the environment of a child, is what the child is armed with from
// its start: a point and a number, "audit.sync 3". The child dies when it
// reaches the point for the third time. Empty arms nothing; a line on its
// standard input does then.
const killEnv = "STRONGROOM_TEST_KILL"

// killer ends the process at a point.
type killer struct {
	mu   sync.Mutex
	name string
	left int
}

// killerFromEnv puts a killer into the server's configuration, in a child that
// has killEnv.
func killerFromEnv(cfg *Config) *killer {
	k := &killer{}
	armed, ok := os.LookupEnv(killEnv)
	if !ok {
		return k
	}
	k.arm(armed)
	cfg.segmentSize = 20_000 // so that it rolls
	cfg.at = k.reach
	above := filepath.Dir(cfg.DataDir)
	cfg.fs = errorfs.Wrap(durable.OS{}, func(op errorfs.Op) error {
		if op.Kind.Changes() {
			k.reach(pointOf(above, op))
		}
		return nil
	})
	return k
}

func (k *killer) arm(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, _ = fmt.Sscan(what, &k.name, &k.left)
}

func (k *killer) reach(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.name == "" || name != k.name {
		return
	}
	if k.left--; k.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing more is done
	}
}

// TestEveryOperationIsAPoint runs a server from its first start on, and wants
// every change of files that it makes to have a name, and every name to be met
// that is not for a mishap.
func TestEveryOperationIsAPoint(t *testing.T) {
	dir := dataDirIn(t)
	var mu sync.Mutex
	met := map[string]bool{}
	meet := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		met[name] = true
	}
	cfg := Config{DataDir: dir, segmentSize: 20_000, at: meet}
	cfg.fs = errorfs.Wrap(durable.OS{}, func(op errorfs.Op) error {
		if !op.Kind.Changes() {
			return nil
		}
		name := pointOf(filepath.Dir(dir), op)
		if name == "" {
			t.Errorf("%s of %s is no point: add one to the list in this file", op.Kind, strings.TrimPrefix(op.Path, filepath.Dir(dir)))
		}
		meet(name)
		return nil
	})
	w := newWorld()
	s, stop := start(t, cfg)
	cl := client(t, s.Endpoint(), dir, 1)
	w.makeBucket(t, cl)
	w.load(t, cl, 0, nil, stop)
	s, stop = start(t, cfg)
	cl = client(t, s.Endpoint(), dir, 1)
	w.check(t, cl)
	stop()
	mu.Lock()
	defer mu.Unlock()
	for _, p := range append(slices.Clone(points), storePoints()...) {
		if p.when != seldom && !met[p.name] {
			t.Errorf("point %s was never met", p.name)
		}
	}
}

// TestFaultAtStart fails the start of a server in a new directory at each point
// that it meets: the error is told, no file stays open, and the next start finds
// nothing in its way.
func TestFaultAtStart(t *testing.T) {
	for _, p := range points {
		if p.when == seldom || strings.HasPrefix(p.name, "blob.") {
			continue // no first start comes there
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			dir := dataDirIn(t)
			above := filepath.Dir(dir)
			var failed atomic.Bool
			cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", Logger: new(safeBuffer).logger()}
			cfg.fs = errorfs.Wrap(durable.OS{}, func(op errorfs.Op) error {
				if !op.Kind.Changes() || pointOf(above, op) != p.name || failed.Swap(true) {
					return nil
				}
				return syscall.EIO
			})
			s, err := New(t.Context(), cfg)
			switch {
			case !failed.Load():
				t.Error("the start does not meet it")
			case err == nil && p.name == "audit.write":
				// A change's record that cannot be written is kept, and written
				// as soon as it can be: the log says so.
			case !errors.Is(err, syscall.EIO):
				t.Errorf("got %v, want %v", err, syscall.EIO)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if left := openBelow(t, above); len(left) > 0 {
				t.Errorf("got %q still open", left)
			}
			s, stop := start(t, Config{DataDir: dir})
			w := newWorld()
			cl := client(t, s.Endpoint(), dir, 1)
			w.makeBucket(t, cl)
			if err := errors.Join(w.makeKey(t.Context(), cl, "alias/after"), w.write(t.Context(), cl, "object", "after ", 1000, true)); err != nil {
				t.Error(err)
			}
			w.check(t, cl)
			stop()
			w.checkAll(t, dir)
			if left := openBelow(t, above); len(left) > 0 {
				t.Errorf("got %q still open after the end", left)
			}
		})
	}
}

// openBelow returns the files below dir that this process has open, as far as
// the system tells.
func openBelow(t *testing.T, dir string) (paths []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Logf("what is open cannot be known here: %v", err)
		return nil
	}
	for _, e := range entries {
		path, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && strings.HasPrefix(path, dir+"/") {
			paths = append(paths, path)
		}
	}
	return paths
}
