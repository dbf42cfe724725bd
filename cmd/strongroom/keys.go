package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/custody"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/server"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Look at and rotate the keys that wrap all others", Args: cobra.NoArgs, RunE: help}
	cmd.AddCommand(keysStatusCommand(), keysRotateCommand(), keysRotateRootCommand())
	return cmd
}

// keysFlags adds the flags that every command about keys has.
func keysFlags(cmd *cobra.Command, cfg *server.Config) {
	dataDirFlag(cmd, &cfg.DataDir)
	cmd.Flags().StringVar(&cfg.RootKeyFile, "root-key", "", "root key file (default: the data directory's path with .root-key after it)")
}

// prepareKeys is for a process that opens keys, and has no log but for trouble.
func prepareKeys(cmd *cobra.Command, cfg *server.Config) error {
	cfg.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return hsm.Harden()
}

func keysStatusCommand() *cobra.Command {
	var cfg server.Config
	var asJSON, check bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print the root key, the versions of the domain keys, and what is under each",
		Long: `Print which root key a data directory is under, the versions of each domain
key and how many key tokens each wraps, when the next rotation is due, and which
root keys were retired. Works while the server runs, and changes nothing. With
--check it opens every token. Exits with 2 when something is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := prepareKeys(cmd, &cfg); err != nil {
				return err
			}
			s, err := server.KeysStatus(cmd.Context(), cfg, check)
			if err != nil {
				return err
			}
			if asJSON {
				b, err := json.MarshalIndent(s, "", "  ")
				if err != nil {
					return err
				}
				printf(cmd.OutOrStdout(), "%s\n", b)
			} else {
				printStatus(cmd.OutOrStdout(), s, time.Now())
			}
			if len(s.Problems) > 0 {
				return faultError{"something is wrong with the keys, see above", 2}
			}
			return nil
		},
	}
	keysFlags(cmd, &cfg)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&check, "check", false, "open every key token; needs the root key")
	return cmd
}

func printStatus(w io.Writer, s custody.Status, now time.Time) {
	printf(w, "root key %s in %s\n", s.RootKey.ID, s.RootKey.File)
	for _, f := range s.KeyFiles {
		printf(w, "  %-11s %s\n", f.State, f.File)
	}
	for _, d := range s.Domains {
		next := "never for its age"
		switch {
		case !d.NextRotation.IsZero() && d.NextRotation.Before(now):
			next = "due"
		case !d.NextRotation.IsZero():
			next = d.NextRotation.Format(time.RFC3339)
		}
		printf(w, "domain key %s, next rotation: %s\n", d.Domain, next)
		if !d.Requested.IsZero() {
			printf(w, "  rotation requested %s\n", d.Requested.Format(time.RFC3339))
		}
		for i, v := range d.Versions {
			made := "made by an earlier release"
			if !v.Created.IsZero() {
				made = "made " + v.Created.Format(time.RFC3339)
			}
			var under []string
			for _, table := range slices.Sorted(maps.Keys(v.Tokens)) {
				under = append(under, fmt.Sprintf("%d in %s", v.Tokens[table], table))
			}
			if under == nil {
				under = []string{"none"}
			}
			what := "tokens"
			if i < len(d.Versions)-1 {
				what = "tokens still to be re-wrapped"
			}
			printf(w, "  version %d, %s, %s: %s\n", v.Version, made, what, strings.Join(under, ", "))
		}
	}
	for _, p := range s.Problems {
		printf(w, "WRONG  %s\n", p)
	}
	if s.Checked && s.Problems == nil {
		printf(w, "every key token opens\n")
	}
}

func keysRotateCommand() *cobra.Command {
	var cfg server.Config
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Rotate the domain keys now",
		Long: `Rotate every domain key now: make a new version of it, wrap all that it wraps
under that, and destroy the old one. When a server runs on the data directory, it
is asked to do it, and does within a minute; ` + "`strongroom keys status`" + ` shows
when it has. No ciphertext changes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := prepareKeys(cmd, &cfg); err != nil {
				return err
			}
			asked, err := server.RotateDomainKeys(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if asked {
				printf(cmd.OutOrStdout(), "asked the server to rotate the domain keys; it does within a minute\n")
				return nil
			}
			printf(cmd.OutOrStdout(), "rotated the domain keys; the old versions are destroyed\n")
			return nil
		},
	}
	keysFlags(cmd, &cfg)
	return cmd
}

func keysRotateRootCommand() *cobra.Command {
	var cfg server.Config
	var from string
	cmd := &cobra.Command{
		Use:   "rotate-root",
		Short: "Replace the root key; no server may be running",
		Long: `Replace the root key by a new one, or by that of --new-root-key. The file of
the old one is kept beside it, with .retired- and its id after its name: backups
of the data directory that were made before open with it, and with nothing else.
Destroy it when no such backup is left, or sooner if it was stolen.

Nothing that was sealed changes. The domain keys are rotated when the server
starts next, so that whoever has the old root key and an old copy of the database
opens no new one with them. What was wrapped in that old copy is theirs: for that
the KMS keys themselves must be replaced.

If it is interrupted, run it again or start the server: either goes on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := prepareKeys(cmd, &cfg); err != nil {
				return err
			}
			r, err := server.RotateRootKey(cmd.Context(), cfg, from)
			if err != nil {
				return err
			}
			if r.Finished {
				printf(cmd.OutOrStdout(), "finished a rotation of the root key that was interrupted\n")
			}
			printf(cmd.OutOrStdout(), "root key  %s in %s\nretired   %s\n", r.ID, r.File, r.Retired)
			return nil
		},
	}
	keysFlags(cmd, &cfg)
	cmd.Flags().StringVar(&from, "new-root-key", "", "root key file whose key becomes the root key (default: a new key is made)")
	return cmd
}
