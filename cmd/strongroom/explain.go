package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/server"
)

// What commands that decide end with: as grep and test do, so that an error is
// never taken for an answer.
const (
	statusRefused = 1
	statusFailed  = 2
)

func explainCommand() *cobra.Command {
	var cfg server.Config
	var q server.Question
	var requestID string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say why a request is allowed or refused, document by document",
		Long: `Say why a request is allowed or refused: every layer of the decision, every
document in it and every statement, whether it applies and if not, what of it
does not fit; condition keys that were asked for and that the request does not
have; and the text that AWS's clients get to see.

Of a request that could be made:

  strongroom explain --principal arn:aws:iam::111122223333:user/alice \
    --action kms:Decrypt --resource alias/app --context kms:EncryptionContext:tenant=t1

The principal is the ARN of an account's root, a user, a role (for any session of
it) or a session. What the server knows by itself (the key's spec, tags and
aliases, the principal's tags, the time) is filled in; what a request would bring
(addresses, encryption contexts, headers) comes from --context, and is missing
without it.

Of a request that was refused, by the request id that the client was given:

  strongroom explain --request-id 3f1e2d4c-…

That decision is read from the audit trail and made again with the documents of
today; when the outcome differs, it says so.

The data directory is only read, a server may be running on it; the root key is
needed, for every row that says who may do what is verified first. Exits with 0
when the request is allowed, 1 when it is refused, 2 when there is no answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkQuestion(q, requestID); err != nil {
				return failed(err)
			}
			if err := prepareKeys(cmd, &cfg); err != nil {
				return failed(err)
			}
			var found []server.Explanation
			var err error
			if requestID != "" {
				found, err = server.ExplainRequest(cmd.Context(), cfg, requestID)
			} else {
				found = make([]server.Explanation, 1)
				found[0], err = server.Explain(cmd.Context(), cfg, q)
			}
			if err != nil {
				return failed(err)
			}
			if err := printExplanations(cmd.OutOrStdout(), found, asJSON); err != nil {
				return failed(err)
			}
			for _, e := range found {
				if !e.Allowed {
					return faultError{"refused: " + e.Message, statusRefused}
				}
			}
			return nil
		},
	}
	decisionFlags(cmd, &cfg, &asJSON)
	cmd.Flags().StringVar(&q.Principal, "principal", "", "ARN of who asks")
	cmd.Flags().StringVar(&q.Action, "action", "", "IAM action, such as kms:Decrypt or s3:GetObject")
	cmd.Flags().StringVar(&q.Resource, "resource", "", "ARN of what is asked for; of a KMS key also its id or alias; * for actions without a resource")
	cmd.Flags().StringArrayVar(&q.Context, "context", nil, "condition key of the request as KEY=VALUE; again for more keys, or for more values of one")
	cmd.Flags().StringVar(&q.Region, "region", "", "region of the request (default: the resource's, else the server's first)")
	cmd.Flags().StringArrayVar(&q.SessionPolicyFiles, "session-policy", nil, "file of a session policy that the session was made with; may be repeated")
	cmd.Flags().StringVar(&requestID, "request-id", "", "id of a refused request in the audit trail, instead of the above")
	return cmd
}

// decisionFlags adds the flags of commands that decide, and makes a mistake in
// one an error of theirs.
func decisionFlags(cmd *cobra.Command, cfg *server.Config, asJSON *bool) {
	keysFlags(cmd, cfg)
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return failed(err) })
	args := cmd.Args
	cmd.Args = func(cmd *cobra.Command, given []string) error { return failed(args(cmd, given)) }
}

// failed is err with the exit status of a command that found no answer.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return faultError{err.Error(), statusFailed}
}

func checkQuestion(q server.Question, requestID string) error {
	asked := q.Principal != "" || q.Action != "" || q.Resource != "" || len(q.Context) > 0 || q.Region != "" || len(q.SessionPolicyFiles) > 0
	switch {
	case requestID != "" && asked:
		return errors.New("--request-id names a whole request: give it alone, or --principal, --action and --resource")
	case requestID != "":
		return nil
	case q.Principal == "" || q.Action == "" || q.Resource == "":
		return errors.New("give --principal, --action and --resource, or --request-id")
	}
	return nil
}

func printExplanations(w io.Writer, found []server.Explanation, asJSON bool) error {
	if asJSON {
		b, err := json.MarshalIndent(found, "", "  ")
		if err != nil {
			return fmt.Errorf("printing JSON: %w", err)
		}
		printf(w, "%s\n", b)
		return nil
	}
	for i, e := range found {
		if i > 0 {
			printf(w, "\n")
		}
		printExplanation(w, e)
	}
	return nil
}
