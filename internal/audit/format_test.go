package audit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedReader runs the script of docs/formats/audit-segment.md, which
// was written from the page alone, over a segment.
func TestDocumentedReader(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	page, err := os.ReadFile("../../docs/formats/audit-segment.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "```python\n")
	script, _, ok := strings.Cut(script, "```")
	if !ok {
		t.Fatal("the page has no script")
	}
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir})
	appendAll(t, l, `{"eventName":"Encrypt"}`, `{"eventName":"Decrypt"}`)
	if err := l.AppendChange(7, []byte(`{"eventName":"CreateKey"}`)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "read.py")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command(python, path, segmentPath(dir, 1)).CombinedOutput()
	if want := "0 Encrypt\n0 Decrypt\n7 CreateKey\n"; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
