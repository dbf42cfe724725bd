package main

import (
	"encoding/json"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/server"
)

func whoCanCommand() *cobra.Command {
	var cfg server.Config
	var q server.WhoCanQuestion
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "who-can ACTION RESOURCE",
		Short: "List who may do something, and under which conditions",
		Long: `List which principals may do ACTION on RESOURCE: a KMS key (id, ARN, alias or
alias ARN), a bucket, an object or a role.

  strongroom who-can kms:Decrypt alias/app
  strongroom who-can s3:GetObject arn:aws:s3:::vault/notes/dawn.txt

"allowed" is allowed whatever else the request says. "conditional" is allowed
only by a request that says the right things; the conditions are listed.
Condition keys that are given by --context are taken as said, and are no
condition any more. Principals that may not are listed with --all.

The data directory is only read, a server may be running on it; the root key is
needed. Exits with 0 when somebody may, 1 when nobody may, 2 when there is no
answer.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Action, q.Resource = args[0], args[1]
			if err := prepareKeys(cmd, &cfg); err != nil {
				return failed(err)
			}
			found, err := server.WhoCan(cmd.Context(), cfg, q)
			if err != nil {
				return failed(err)
			}
			if asJSON {
				b, err := json.MarshalIndent(found, "", "  ")
				if err != nil {
					return failed(err)
				}
				printf(cmd.OutOrStdout(), "%s\n", b)
			} else {
				printWhoCan(cmd.OutOrStdout(), found, all)
			}
			for _, p := range found.Principals {
				if p.Answer != server.CanNot {
					return nil
				}
			}
			return faultError{"nobody may " + found.Action + " on " + found.Resource, statusRefused}
		},
	}
	decisionFlags(cmd, &cfg, &asJSON)
	cmd.Flags().StringArrayVar(&q.Context, "context", nil, "condition key of the request as KEY=VALUE; again for more keys, or for more values of one")
	cmd.Flags().StringVar(&q.Account, "account", "", "account that a key id or alias is of (default: the server's first)")
	cmd.Flags().StringVar(&q.Region, "region", "", "region of the request (default: the resource's, else the server's first)")
	cmd.Flags().BoolVar(&all, "all", false, "list those too who may not")
	return cmd
}

func printWhoCan(w io.Writer, found server.WhoCanAnswer, all bool) {
	printf(w, "%s on %s\n", found.Action, found.Resource)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range found.Principals {
		if p.Answer == server.CanNot && !all {
			continue
		}
		printf(t, "%s\t%s\t%s\n", p.Answer, p.Principal, strings.Join(p.By, "; "))
		for _, c := range p.Conditions {
			printf(t, "\t  %s\t%s: %s\n", c.Only, c.Statement, c.Condition)
		}
	}
	_ = t.Flush() // what it writes to ends the command by itself
}
