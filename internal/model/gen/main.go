// Command gen makes the trimmed API models of internal/model and, from them,
// the wire shapes of the *api packages.
//
//	gen trim -from DIR [-to DIR]    keep what the served operations need of full models
//	gen shapes [-root DIR]          write zz_shapes.go of kmsapi, s3api and stsapi
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/model"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("want a command: trim or shapes")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	from := flags.String("from", "", "directory of the full models")
	to := flags.String("to", "internal/model", "directory of the trimmed models")
	root := flags.String("root", "..", "the internal directory, in which the generated packages lie")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	for _, s := range services {
		var err error
		switch args[0] {
		case "trim":
			err = trimFile(filepath.Join(*from, s.file), filepath.Join(*to, s.file), s.operations)
		case "shapes":
			err = writeShapes(s, *root)
		default:
			err = fmt.Errorf("unknown command %q", args[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeShapes(s service, root string) error {
	data, err := os.ReadFile(filepath.Join(root, "model", s.file))
	if err != nil {
		return err
	}
	f, err := model.ParseFile(data)
	if err != nil {
		return err
	}
	src, err := generate(s, f)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, s.dir, "zz_shapes.go"), src, 0o644)
}
