package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/server"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Read and verify the audit trail", Args: cobra.NoArgs, RunE: help}
	cmd.AddCommand(auditTailCommand(), auditVerifyCommand(), auditRepairCommand())
	return cmd
}

func auditTailCommand() *cobra.Command {
	var dataDir string
	var follow bool
	var lines int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print the last records of the audit trail, one JSON object a line",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lines < 0 {
				return fmt.Errorf("--lines %d: want 0 or more", lines)
			}
			if err := server.HasAudit(dataDir); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			dir := server.AuditDir(dataDir)
			last := make([]audit.Entry, 0, lines)
			var at audit.Position
			for e, err := range audit.Entries(dir) {
				if err != nil {
					return err
				}
				at = e.After()
				if lines == 0 {
					continue
				}
				if len(last) == lines {
					copy(last, last[1:])
					last = last[:lines-1]
				}
				last = append(last, e)
			}
			for _, e := range last {
				printf(out, "%s\n", e.Record)
			}
			if !follow {
				return nil
			}
			for e, err := range audit.Follow(cmd.Context(), dir, at) {
				if err != nil {
					return err
				}
				printf(out, "%s\n", e.Record)
			}
			return nil
		},
	}
	dataDirFlag(cmd, &dataDir)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing records as they are written")
	cmd.Flags().IntVarP(&lines, "lines", "n", 10, "how many of the last records to print")
	return cmd
}

func auditVerifyCommand() *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every record of the audit trail and the chain that joins them",
		Long: `Check every record of the audit trail and the chain that joins them, and that
every change in the database that carries a record has it in the trail too.
Works while the server runs. Exits with 2 when something is wrong, and says where.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := server.VerifyAudit(cmd.Context(), dataDir)
			if d, ok := errors.AsType[*audit.DamageError](err); ok {
				return faultError{d.Error(), 2}
			}
			if f, ok := errors.AsType[*server.AuditGapError](err); ok {
				return faultError{f.Error(), 2}
			}
			if f, ok := errors.AsType[*server.TrailCutError](err); ok {
				return faultError{f.Error(), 2}
			}
			if err != nil {
				return err
			}
			printf(cmd.OutOrStdout(), "ok: %d records in %d segments", r.Records, r.Segments)
			if r.Records > 0 {
				printf(cmd.OutOrStdout(), ", %s to %s", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
			}
			printf(cmd.OutOrStdout(), "\nhead: %x\n", r.Head)
			return nil
		},
	}
	dataDirFlag(cmd, &dataDir)
	return cmd
}

func auditRepairCommand() *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Cut a damaged end off the audit trail, and keep it, so that the server can start",
		Long: `Cut a damaged end off the audit trail, so that the server can start. What a
power cut does to the records of the last milliseconds the server repairs by
itself; this is for an end that had been on disk, and that the disk has lost or
someone has changed: look at what was kept, in a file beside the segment. Records
of changes are in the database too, and the next start puts them back. Damage
further back is not repaired.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := server.HasAudit(dataDir); err != nil {
				return err
			}
			r, err := audit.Repair(server.AuditDir(dataDir))
			if err != nil {
				return err
			}
			if r.Bytes == 0 {
				printf(cmd.OutOrStdout(), "the trail is whole: nothing to repair\n")
				return nil
			}
			printf(cmd.OutOrStdout(), "%v\ncut off %d bytes, kept in %s\n", &r.Damage, r.Bytes, r.Kept)
			return nil
		},
	}
	dataDirFlag(cmd, &dataDir)
	return cmd
}
