package server

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

func newWorld() *world { return &world{objects: map[string]*object{}, requests: map[string]string{}} }

func (w *world) makeBucket(t *testing.T, cl clients) {
	t.Helper()
	if _, err := cl.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(killBucket)}); err != nil {
		t.Fatal(err)
	}
}

// TestKillAtEveryPoint ends the server with kill -9 at each point of the list,
// and looks after each restart: what was acknowledged is there, with one record
// each; nothing is half there, and nothing is left over.
func TestKillAtEveryPoint(t *testing.T) {
	rounds := 1
	if os.Getenv("STRONGROOM_TEST_LONG") != "" {
		rounds = 12
	}
	all := append(slices.Clone(points), storePoints()...)
	t.Run("first", func(t *testing.T) {
		for round := range rounds {
			for _, p := range all {
				if p.when == atFirst || p.when == atStart {
					t.Run(fmt.Sprintf("%s %d", p.name, round), func(t *testing.T) {
						t.Parallel() // each in a directory of its own
						killAtFirst(t, p, round)
					})
				}
			}
		}
	})
	t.Run("work", func(t *testing.T) { killAtWork(t, all, rounds) })
}

// killAtFirst kills a server in an unused directory on its way up.
func killAtFirst(t *testing.T, p point, round int) {
	dir := dataDirIn(t)
	for n := 1 + round; ; n-- { // it may not be reached so often
		if n == 0 {
			t.Fatalf("point %s was never reached", p.name)
		}
		c, _ := tryChild(t, dir, []string{fmt.Sprintf("%s=%s %d", killEnv, p.name, n)})
		if c.endpoint == "" {
			if err := c.cmd.Wait(); err == nil || err.Error() != "signal: killed" {
				t.Fatalf("the server ended by itself: %v", err)
			}
			break
		}
		c.kill(t)
		if p.when == atFirst {
			dir = dataDirIn(t)
		}
	}
	w := newWorld()
	c := startChild(t, dir)
	cl := client(t, c.endpoint, dir, 1)
	w.makeBucket(t, cl)
	if err := w.makeKey(t.Context(), cl, "alias/after"); err != nil {
		t.Error(err)
	}
	if err := w.write(t.Context(), cl, "object", "after ", 1000, true); err != nil {
		t.Error(err)
	}
	w.check(t, cl)
	c.stop(t)
	w.checkAll(t, dir)
}

// killAtWork kills a server under load at each point that the load meets, on
// one directory.
func killAtWork(t *testing.T, all []point, rounds int) {
	dir := dataDirIn(t)
	w := newWorld()
	first := true
	for round := range rounds {
		for i, p := range all {
			if p.when != atWork {
				continue
			}
			c, said := tryChild(t, dir, []string{killEnv + "="})
			if c.endpoint == "" {
				t.Fatalf("before %s: the server did not start: %s", p.name, said)
			}
			cl := client(t, c.endpoint, dir, 1)
			if first {
				first = false
				w.makeBucket(t, cl)
			}
			w.check(t, cl)
			died := c.arm(t, p.name, 1+(3*i+5*round)%7)
			w.load(t, cl, round*len(all)+i, died, func() {
				select {
				case <-died:
				case <-time.After(30 * time.Second):
					t.Errorf("point %s was not reached under load", p.name)
					_ = c.cmd.Process.Kill()
					<-died
				}
			})
			if t.Failed() {
				t.Fatalf("after the kill before this one, at a point before %s in the list, or while %s was to be reached", p.name, p.name)
			}
		}
	}
	c := startChild(t, dir)
	w.check(t, client(t, c.endpoint, dir, 1))
	c.stop(t)
	w.checkAll(t, dir)
	t.Logf("%d keys, %d objects, %d acknowledged requests", len(w.keys), len(w.objects), len(w.requests))
}

// arm makes the child die at a point. What is returned is closed when it has.
func (c *child) arm(t *testing.T, name string, n int) <-chan struct{} {
	t.Helper()
	if _, err := fmt.Fprintf(c.stdin, "%s %d\n", name, n); err != nil {
		t.Fatal(err)
	}
	for c.said.Scan() && c.said.Text() != "armed" {
	}
	died := make(chan struct{})
	go func() {
		defer close(died)
		for c.said.Scan() {
		}
		_ = c.cmd.Wait() // says that it was killed
	}()
	return died
}

// checkAll looks at everything a stopped server leaves.
func (w *world) checkAll(t *testing.T, dir string) {
	t.Helper()
	w.checkTrail(t, dir)
	w.checkFiles(t, dir)
	for _, f := range Doctor(t.Context(), Config{DataDir: dir}) {
		if f.Err != nil && f.Subject != "disk" { // how full it is here is not the matter
			t.Errorf("doctor: %s: %v", f.Subject, f.Err)
		}
	}
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".tmp") || filepath.Base(filepath.Dir(path)) == "staging") {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
