package main

import (
	"encoding/xml"

	"github.com/rogpeppe/go-internal/testscript"
)

// asScript puts long-term credentials into the environment.
func asScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "as ACCESSKEYID SECRET")
	ts.Setenv("AWS_ACCESS_KEY_ID", args[0])
	ts.Setenv("AWS_SECRET_ACCESS_KEY", args[1])
	ts.Setenv("AWS_SESSION_TOKEN", "")
}

// assumeScript assumes a role and puts the session's credentials into the
// environment.
func assumeScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "assume ROLEARN SESSION [NAME=VALUE...]")
	body := apiRequest(ts, false, append([]string{"sts", "AssumeRole", "RoleArn=" + args[0], "RoleSessionName=" + args[1]}, args[2:]...))
	var answer struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
		} `xml:"AssumeRoleResult>Credentials"`
	}
	ts.Check(xml.Unmarshal(body, &answer))
	if answer.Credentials.SessionToken == "" {
		ts.Fatalf("got no session token")
	}
	ts.Setenv("AWS_ACCESS_KEY_ID", answer.Credentials.AccessKeyID)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", answer.Credentials.SecretAccessKey)
	ts.Setenv("AWS_SESSION_TOKEN", answer.Credentials.SessionToken)
}
