package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain is the command itself when it is started under the command's name,
// so that scripts run the real thing in processes of their own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"strongroom": func() { os.Exit(run()) }})
}
