// Command strongroom serves AWS KMS and S3 on this machine, sealed and audited.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/server"
)

func main() { os.Exit(run()) }

// run is main with an exit status: 0 done, 1 failed (one line on standard
// error says why), 2 found fault (audit verify, doctor, keys status). Commands
// that answer a question say yes by 0, no by 1, and fail with 2.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := root()
	cmd.SetArgs(os.Args[1:])
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "strongroom: "+oneLine(err))
	if f, ok := err.(faultError); ok {
		return f.status
	}
	return 1
}

// faultError ends a command that worked and found something wrong.
type faultError struct {
	text   string
	status int
}

func (e faultError) Error() string { return e.text }

// oneLine folds an error's text, so that scripts and logs see one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "strongroom",
		Short:         "AWS's encryption stack on your own machine: KMS and S3, sealed, durable and audited",
		SilenceUsage:  true,
		SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	}
	cmd.AddCommand(serveCommand(), envCommand(), auditCommand(), backupCommand(), restoreCommand(), keysCommand(), explainCommand(), whoCanCommand(), doctorCommand(), versionCommand())
	return cmd
}

// help is what a command with nothing but subcommands does. Without it cobra
// would print the same for a mistyped subcommand, and call that a success.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// dataDirFlag adds the flag that every command about a data directory has.
func dataDirFlag(cmd *cobra.Command, p *string) {
	cmd.Flags().StringVar(p, "data-dir", server.DefaultDataDir, "directory of the database, the audit trail and the sealed objects")
}

// printf writes to the command's output. An error there (a closed pipe) ends
// the command by itself at the next write that matters.
func printf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
