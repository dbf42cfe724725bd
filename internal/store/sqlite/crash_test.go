package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// crashEnv makes the test binary a process that writes to the store at this
// path until it is killed. It prints the name of each update once it is
// acknowledged.
const crashEnv = "STORE_TEST_CRASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		fmt.Println(writeUntilKilled(path, os.Getenv(crashEnv+"_ROUND")))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeUntilKilled(path, round string) error {
	s, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", round, w, i)
				if err := s.Update(context.Background(), func(tx *store.Tx) error { return crashUpdate(tx, name) }); err != nil {
					failed <- err
				}
				// One write, so that a kill leaves no half of a line.
				if _, err := os.Stdout.WriteString(name + "\n"); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// crashUpdate is one update in four parts: two rows in two tables, a row moved
// to its next revision, and the record of it all.
func crashUpdate(tx *store.Tx, name string) error {
	tx.SetRecord([]byte(name))
	for _, t := range []store.Table{store.KMSKeys, store.KMSAliases} {
		if _, err := tx.Put(t, store.Row{Key: name, Doc: document, Ref: name}); err != nil {
			return err
		}
	}
	counter, err := tx.Get(store.Meta, "counter")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	counter.Key = "counter"
	_, err = tx.Put(store.Meta, counter)
	return err
}

// TestKill kills the process that writes, again and again on one database. The
// page cache survives a kill, so this shows that updates are whole and that
// none is answered too early, and not that the disk has them.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	acknowledged := map[string]bool{}
	for round, after := range []int{1, 40, 300, 7, 900} {
		for _, name := range runAndKill(t, path, round, after) {
			acknowledged[name] = true
		}
		checkCrashed(t, path, acknowledged)
	}
	t.Logf("%d updates were acknowledged", len(acknowledged))
}

// runAndKill returns what was acknowledged before the kill, at least so many.
func runAndKill(t *testing.T, path string, round, after int) (names []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+path, crashEnv+"_ROUND="+strconv.Itoa(round))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSpace(line)
		if !strings.HasPrefix(name, strconv.Itoa(round)+"-") {
			t.Fatalf("the writer stopped: %s", name)
		}
		names = append(names, name)
		if len(names) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("got the writer's end %v, want a kill", err)
	}
	return names
}

// checkCrashed opens the database and finds each update whole or not at all.
func checkCrashed(t *testing.T, path string, acknowledged map[string]bool) {
	t.Helper()
	s := openTest(t, Config{Path: path})
	defer s.Close()
	ctx := t.Context()
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	feed, err := s.Changes(ctx, 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for i := 0; i < len(feed); i += 3 {
		if len(feed) < i+3 {
			t.Fatalf("got %d changes, want threes", len(feed))
		}
		a, b, c := feed[i], feed[i+1], feed[i+2]
		name := a.Key
		if string(a.Record) != name || b.Record != nil || c.Record != nil ||
			a.Table != store.KMSKeys || b.Table != store.KMSAliases || b.Key != name ||
			c.Key != "counter" || c.Rev != int64(i/3+1) {
			t.Fatalf("got changes %v %v %v, want those of one update", a, b, c)
		}
		stored[name] = true
		for _, table := range []store.Table{store.KMSKeys, store.KMSAliases} {
			if _, err := s.Get(ctx, table, name); err != nil {
				t.Fatalf("%s is in the feed: %v", name, err)
			}
		}
	}
	for name := range acknowledged {
		if !stored[name] {
			t.Errorf("%s was acknowledged and is gone", name)
		}
	}
	for _, table := range []store.Table{store.KMSKeys, store.KMSAliases} {
		rows, err := s.List(ctx, table, store.Query{Limit: len(stored) + 1})
		if err != nil || len(rows) != len(stored) {
			t.Errorf("got %d rows in %s, %v, want the %d of the feed", len(rows), table, err, len(stored))
		}
	}
}
