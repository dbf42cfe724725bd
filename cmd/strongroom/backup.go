package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/server"
)

func backupCommand() *cobra.Command {
	var cfg server.BackupConfig
	cmd := &cobra.Command{
		Use:   "backup DEST",
		Short: "Copy a data directory, while it is being served, into a new directory",
		Long: `Copy a data directory, while it is being served, into a new directory: the
database as it is at one moment, the audit trail up to there, and every object.
The root key is not copied and not needed; keep a copy of it in another place,
for without it the backup opens for nobody.

With --previous, files that an earlier backup has are shared with it by hard
links where the file system can; each backup stays whole when others are removed.
A backup that was interrupted is recognised, and is no backup. Exits with 2 when
the backup is complete but the data directory itself has lost files.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Dest, cfg.Release = args[0], version()
			p := newProgress(cmd.ErrOrStderr(), "copied")
			cfg.Progress = p.show
			s, err := server.Backup(cmd.Context(), cfg)
			p.end()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			printf(out, "backup of installation %s in %s\n", s.Installation, cfg.Dest)
			printf(out, "  taken     %s, up to change %d\n", s.Time.Format(time.RFC3339), s.LastChange)
			printf(out, "  holds     %d rows, %d blobs; %d files of %d bytes", s.Rows, s.Blobs, s.Files, s.Bytes)
			if cfg.Previous != "" {
				printf(out, ", %d of them shared with %s", s.Linked, cfg.Previous)
			}
			printf(out, "\n  root key  %s opens it, and is not in it: keep a copy in another place\n", s.RootKeyID)
			if s.Missing > 0 {
				return faultError{fmt.Sprintf("%d blobs that objects are made of are missing from %s; the backup has everything else: see %s/manifest.jsonl", s.Missing, dataDirName(cfg.DataDir), cfg.Dest), 2}
			}
			return nil
		},
	}
	dataDirFlag(cmd, &cfg.DataDir)
	cmd.Flags().StringVar(&cfg.Previous, "previous", "", "an earlier backup to share unchanged files with")
	cmd.AddCommand(backupVerifyCommand())
	return cmd
}

func dataDirName(dir string) string {
	if dir == "" {
		return server.DefaultDataDir
	}
	return dir
}

func backupVerifyCommand() *cobra.Command {
	var cfg server.VerifyConfig
	cmd := &cobra.Command{
		Use:   "verify SRC",
		Short: "Examine a backup without restoring it",
		Long: `Examine a backup without restoring it: size and SHA-256 of every file, every
row's checksum, the audit trail's chain, and that all go together. With
--root-key, also every row's MAC, every key and every object's record; with
--verify-objects besides, every byte of every object. Exits with 2 when
something is wrong.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cfg.VerifyObjects && cfg.RootKeyFile == "" {
				return fmt.Errorf("--verify-objects needs the root key: name its file with --root-key")
			}
			cfg.Source = args[0]
			p := newProgress(cmd.ErrOrStderr(), "read")
			cfg.Progress = p.show
			r, found, err := server.VerifyBackup(cmd.Context(), cfg)
			p.end()
			if err != nil {
				return fault(err)
			}
			reportBackup(cmd.OutOrStdout(), r, found, cfg.VerifyObjects)
			return fault(r.Faults.Err())
		},
	}
	cmd.Flags().StringVar(&cfg.RootKeyFile, "root-key", "", "root key file, to check what only it opens")
	cmd.Flags().BoolVar(&cfg.VerifyObjects, "verify-objects", false, "open every chunk of every object")
	return cmd
}

func restoreCommand() *cobra.Command {
	var cfg server.RestoreConfig
	cmd := &cobra.Command{
		Use:   "restore SRC",
		Short: "Make a data directory of a backup, checked with the root key",
		Long: `Make a data directory of a backup. The directory must be new or empty; it gets
its name only when everything in it was checked with the root key: every file's
SHA-256, every row's checksum and MAC, the audit trail's chain, every key, and
that every object's bytes are there; with --verify-objects every byte of them.

What happened after the backup is not in it: a key that was disabled or
destroyed since is as it was. So the first start of the directory asks the
server that the backup was taken from, and is refused while that answers: two
of one installation must not be served.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Source = args[0]
			p := newProgress(cmd.ErrOrStderr(), "restored")
			cfg.Progress = p.show
			r, found, err := server.Restore(cmd.Context(), cfg)
			p.end()
			if err != nil {
				if r.Faults.Count > 0 {
					err = fmt.Errorf("%w; --accept-faults restores everything else", err)
				}
				return fault(err)
			}
			reportBackup(cmd.OutOrStdout(), r, found, cfg.VerifyObjects)
			printf(cmd.OutOrStdout(), "restored into %s\n", dataDirName(cfg.DataDir))
			return fault(r.Faults.Err())
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.DataDir, "data-dir", server.DefaultDataDir, "new or empty directory to restore into")
	f.StringVar(&cfg.RootKeyFile, "root-key", "", "root key file the backup was made with (default: the data directory's path with .root-key after it)")
	f.BoolVar(&cfg.VerifyObjects, "verify-objects", false, "open every chunk of every object before the directory gets its name")
	f.BoolVar(&cfg.AcceptFaults, "accept-faults", false, "restore although single objects are lost or damaged; the rest must be whole")
	return cmd
}

// fault gives what is wrong with a backup exit status 2.
func fault(err error) error {
	if err == nil || !server.IsBackupFault(err) {
		return err
	}
	return faultError{err.Error(), 2}
}

func reportBackup(w io.Writer, r backup.Report, found server.Examined, everything bool) {
	printf(w, "backup of installation %s, taken %s", r.Installation, r.Time.Format(time.RFC3339))
	if r.Host != "" {
		printf(w, " on %s", r.Host)
	}
	printf(w, "\n  files     %d files of %d bytes as they were written\n", r.Files, r.Bytes)
	printf(w, "  database  %d rows, up to change %d\n", r.Rows, r.LastChange)
	printf(w, "  trail     %d records, chain whole\n", r.Records)
	if found.RootKeyID == "" {
		printf(w, "  root key  %s opens it; not checked without it\n", r.RootKeyID)
		return
	}
	printf(w, "  root key  %s opens it: %d keys\n", found.RootKeyID, found.Keys)
	printf(w, "  objects   %d in %d buckets, %d uploads under way", found.Objects, found.Buckets, found.Uploads)
	if everything {
		printf(w, "; %d bytes opened", found.Bytes)
	}
	if found.KeysGone > 0 {
		printf(w, "; %d that nothing opens any more, for their keys were destroyed", found.KeysGone)
	}
	printf(w, "\n")
	for i, err := range r.Faults.First {
		printf(w, "  fault %-4d%s\n", i+1, oneLine(err))
	}
}
