package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/server"
)

func envCommand() *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that point the AWS CLI and SDKs at the server, for eval",
		Long: `Print the variables that point the AWS CLI and SDKs at the server:

  eval "$(strongroom env)"

AWS_ENDPOINT_URL is read by AWS CLI 1.29 and 2.13, boto3 1.28 and newer. An
older client would ignore it and talk to AWS itself: give it --endpoint-url.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			env, err := server.Environment(dataDir)
			if err != nil {
				return err
			}
			for _, v := range env {
				printf(cmd.OutOrStdout(), "export %s=%s\n", v.Name, shellQuote(v.Value))
			}
			return nil
		},
	}
	dataDirFlag(cmd, &dataDir)
	return cmd
}

// shellQuote quotes s for a POSIX shell when it holds anything but letters,
// digits and a few harmless signs.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// isGoRun reports whether the program was started by `go run`, which builds
// into a directory named go-build….
func isGoRun() bool {
	exe, err := os.Executable()
	return err == nil && strings.Contains(filepath.ToSlash(exe), "/go-build")
}
