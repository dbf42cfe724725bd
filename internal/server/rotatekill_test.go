package server

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestKillDuringRotation kills a server under load that rotates its domain keys
// without a pause. Whatever step it dies in, every key and object that was
// acknowledged opens, then and at the end, and one version of each domain key is
// left.
func TestKillDuringRotation(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	if os.Getenv("STRONGROOM_TEST_LONG") != "" {
		rounds = 200
	}
	t.Setenv(rotateEnv, "1")
	dir := dataDirIn(t)
	w := &world{objects: map[string]*object{}, requests: map[string]string{}}
	for round := range rounds {
		c := startChild(t, dir)
		cl := client(t, c.endpoint, dir, 1)
		if round == 0 {
			if _, err := cl.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(killBucket)}); err != nil {
				t.Fatal(err)
			}
		}
		w.check(t, cl)
		w.load(t, cl, round, nil, func() { c.kill(t) })
	}
	cfg := Config{DataDir: dir}
	if s, err := KeysStatus(t.Context(), cfg, true); err != nil || s.Problems != nil {
		t.Errorf("after the last kill: got %v, %v", s.Problems, err)
	}
	if asked, err := RotateDomainKeys(t.Context(), cfg); asked || err != nil {
		t.Fatalf("rotating once more: got %v, %v", asked, err)
	}
	s, err := KeysStatus(t.Context(), cfg, true)
	if err != nil || s.Problems != nil {
		t.Errorf("at the end: got %v, %v", s.Problems, err)
	}
	for _, d := range s.Domains {
		if len(d.Versions) != 1 || !d.Requested.IsZero() {
			t.Errorf("got %+v at the end, want one version, and nothing requested", d)
		}
		if v := d.Versions[0].Version; int(v) < rounds {
			t.Errorf("got version %d of %s at the end: too little rotation to prove anything", v, d.Domain)
		}
		t.Logf("domain key %s: version %d", d.Domain, d.Versions[len(d.Versions)-1].Version)
	}
	if err := os.Unsetenv(rotateEnv); err != nil { // T.Setenv puts back what was before
		t.Fatal(err)
	}
	for _, k := range w.keys { // all of them, also those of the first round
		k.checked = false
	}
	for _, o := range w.objects {
		o.dirty = true
	}
	c := startChild(t, dir)
	w.check(t, client(t, c.endpoint, dir, 1))
	c.stop(t)
	w.checkTrail(t, dir)
	w.checkFiles(t, dir)
	t.Logf("%d keys, %d objects, %d acknowledged requests over %d kills", len(w.keys), len(w.objects), len(w.requests), rounds)
}
