package main

import (
	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/server"
)

func doctorCommand() *cobra.Command {
	var cfg server.Config
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine a data directory and say what is wrong and what to do",
		Long: `Examine a data directory and say what is wrong and what to do: the root key,
the database, the audit trail, file permissions, free space, the cryptographic
module, and the server if it is running. Changes nothing. Exits with 2 when
something is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bad := 0
			for _, f := range server.Doctor(cmd.Context(), cfg) {
				mark := "ok   "
				if f.Err != nil {
					mark = "WRONG"
					bad++
				}
				printf(cmd.OutOrStdout(), "%s  %-12s %s\n", mark, f.Subject, f.Text())
			}
			if bad > 0 {
				return faultError{"doctor found something wrong, see above", 2}
			}
			return nil
		},
	}
	dataDirFlag(cmd, &cfg.DataDir)
	cmd.Flags().StringVar(&cfg.RootKeyFile, "root-key", "", "root key file (default: the data directory's path with .root-key after it)")
	return cmd
}
