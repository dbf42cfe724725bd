package s3

import (
	"errors"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// policyTexts are AWS's texts for what is wrong with a bucket policy, as far as
// they do not depend on the policy. They are observed: public reports of each.
var policyTexts = map[policy.Reason]string{
	policy.NotUTF8:             "Policies must be valid JSON and the first byte must be '{'",
	policy.LeadingSpace:        "Policies must be valid JSON and the first byte must be '{'",
	policy.NotJSON:             "This policy contains invalid Json",
	policy.Syntax:              "Invalid policy syntax.",
	policy.InvalidVersion:      "The policy must contain a valid version string",
	policy.InvalidPrincipal:    "Invalid principal in policy",
	policy.InvalidAction:       "Policy has invalid action",
	policy.InvalidResource:     "Policy has invalid resource",
	policy.InvalidConditionKey: "Policy has an invalid condition key",
}

// missing are the elements whose absence is an error of its own.
var missing = map[policy.Reason]string{
	policy.MissingPrincipal: "Principal",
	policy.MissingAction:    "Action",
	policy.MissingResource:  "Resource",
}

// policyError is AWS's error for a document that policy.Parse or Stored refused.
// Where AWS's text is not known it is ours. Detail says where the fault is.
func policyError(err error, text []byte) error {
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	return awserr.Wrap(e, s3api.MalformedPolicy, "%s", policyText(e, text)).With("Detail", showable(e.Error()))
}

func policyText(e *policy.Error, text []byte) string {
	if known, ok := policyTexts[e.Reason]; ok {
		return known
	}
	if element, ok := missing[e.Reason]; ok {
		return "Missing required field " + element + emptiness(element, text)
	}
	switch e.Reason {
	case policy.MissingStatement:
		if statements, err := readStatements(text); err == nil && statements != nil {
			return "Could not parse the policy: Statement is empty!"
		}
		return "Missing required field Statement"
	case policy.UnknownElement:
		return "Unknown field " + quoted(e.Detail)
	case policy.UnknownOperator:
		return "Invalid Condition type : " + quoted(e.Detail)
	case policy.InvalidEffect:
		statements, _ := readStatements(text)
		for _, st := range statements {
			if st.Effect != "" && st.Effect != "Allow" && st.Effect != "Deny" {
				return "Invalid effect: " + showable(st.Effect)
			}
		}
		return "Missing required field Effect"
	}
	return showable(e.Error())
}

// emptiness is the end of the text for an element that is there and empty.
func emptiness(element string, text []byte) string {
	statements, err := readStatements(text)
	if err != nil {
		return ""
	}
	for _, st := range statements {
		switch {
		case element == "Principal" && st.Principal != nil,
			element == "Action" && st.Action != nil && len(st.Action) == 0,
			element == "Resource" && st.Resource != nil && len(st.Resource) == 0:
			if element != "Principal" || strings.Trim(string(st.Principal), "{} \t\r\n") == "" {
				return " cannot be empty!"
			}
		}
	}
	return ""
}

// quoted returns the first Go string in a detail.
func quoted(detail string) string {
	i := strings.IndexByte(detail, '"')
	if i < 0 {
		return ""
	}
	prefix, err := strconv.QuotedPrefix(detail[i:])
	if err != nil {
		return ""
	}
	name, _ := strconv.Unquote(prefix)
	return showable(name)
}
