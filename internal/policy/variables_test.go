package policy_test

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

func TestVariables(t *testing.T) { runConditions(t, variableCases()) }

func variableCases() []conditionCase {
	const (
		intro    = variablesPage + "Using variables in policies"
		none     = variablesPage + "Policy variables with no value"
		special  = variablesPage + "Special characters"
		defaults = variablesPage + "Specifying default values"
		where    = variablesPage + "Where you can use policy variables"
	)
	const home = `{"StringLike":{"s3:prefix":["","home/","home/${aws:username}/"]}}`
	const team = `{"StringNotEquals":{"s3:ExistingObjectTag/Team":"${aws:PrincipalTag/Team}"}}`
	return []conditionCase{
		{"The user's own folder", operatorsPage + "String condition operators", home, facts{"s3:prefix": {"home/martha_rivera/"}, "aws:username": {"martha_rivera"}}, true},
		{"Another user's folder", operatorsPage + "String condition operators", home, facts{"s3:prefix": {"home/nikki_wolf/"}, "aws:username": {"martha_rivera"}}, false},
		{"The other values hold without the variable", operatorsPage + "String condition operators", home, facts{"s3:prefix": {"home/"}}, true},
		{"No variable's value, no match", operatorsPage + "String condition operators", home, facts{"s3:prefix": {"home/martha_rivera/"}}, false},
		{"A variable is a whole value", intro, `{"StringEquals":{"aws:ResourceTag/owner":"${aws:username}"}}`, facts{"aws:resourcetag/owner": {"ann"}, "aws:username": {"ann"}}, true},
		{"A variable with another value", intro, `{"StringEquals":{"aws:ResourceTag/owner":"${aws:username}"}}`, facts{"aws:resourcetag/owner": {"ann"}, "aws:username": {"bob"}}, false},
		{"Two variables in one value", intro, `{"StringEquals":{"x:k":"${aws:username}/${aws:userid}"}}`, facts{"x:k": {"ann/AIDA1"}, "aws:username": {"ann"}, "aws:userid": {"AIDA1"}}, true},
		{"A variable's name in another case", intro, `{"StringEquals":{"x:k":"${AWS:UserName}"}}`, facts{"x:k": {"ann"}, "aws:username": {"ann"}}, true},
		{"A star in a variable's value is a star", intro, `{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}`, facts{"s3:prefix": {"home/bob/x"}, "aws:username": {"*"}}, false},
		{"A star in a variable's value equals itself", intro, `{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}`, facts{"s3:prefix": {"home/*/x"}, "aws:username": {"*"}}, true},
		{"A question mark in a variable's value is one", intro, `{"StringLike":{"x:k":"${aws:username}"}}`, facts{"x:k": {"bob"}, "aws:username": {"b?b"}}, false},
		{"A variable in a variable's value is text", intro, `{"StringEquals":{"x:k":"${aws:username}"}}`, facts{"x:k": {"AIDA1"}, "aws:username": {"${aws:userid}"}, "aws:userid": {"AIDA1"}}, false},
		{"A key with several values is no variable", setsPage + "Key points", `{"StringEquals":{"x:k":"${aws:TagKeys}"}}`, facts{"x:k": {"a"}, "aws:tagkeys*": {"a"}}, false},
		{"StringEqualsIgnoreCase with a variable", where, `{"StringEqualsIgnoreCase":{"x:k":"${aws:username}"}}`, facts{"x:k": {"ANN"}, "aws:username": {"ann"}}, true},
		{"ArnLike with a variable", where, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:${aws:username}-*"}}`, facts{"aws:sourcearn": {"arn:aws:sns:us-east-1:123456789012:ann-1"}, "aws:username": {"ann"}}, true},
		{"ArnLike with a variable that has a colon in its name and value", where, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:${aws:userid}"}}`, facts{"aws:sourcearn": {"arn:aws:sns:us-east-1:123456789012:AROA1:s"}, "aws:userid": {"AROA1:s"}}, true},
		{"ArnLike with an account from a variable", where, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:${aws:PrincipalAccount}:*"}}`, facts{"aws:sourcearn": {"arn:aws:sns:us-east-1:123456789012:t"}, "aws:principalaccount": {"123456789012"}}, true},
		{"ArnLike with a variable without a value", none, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:${aws:PrincipalAccount}:*"}}`, facts{"aws:sourcearn": {"arn:aws:sns:us-east-1:123456789012:t"}}, false},
		{"Bool with a variable", operatorsPage + "Boolean condition operators", `{"Bool":{"aws:SecureTransport":"${aws:PrincipalTag/tls}"}}`, facts{"aws:securetransport": {"true"}, "aws:principaltag/tls": {"true"}}, true},

		{"StringEquals without the variable's value", none, `{"StringEquals":{"s3:ExistingObjectTag/Team":"${aws:PrincipalTag/Team}"}}`, facts{"s3:existingobjecttag/team": {"a"}}, false},
		{"StringNotEquals without the variable's value is met", none, team, facts{"s3:existingobjecttag/team": {"a"}}, true},
		{"StringNotEquals with the variable's value", none, team, facts{"s3:existingobjecttag/team": {"a"}, "aws:principaltag/team": {"a"}}, false},
		{"StringNotEquals without both", none, team, facts{}, true},
		{"StringNotLike without the variable's value is met", none, `{"StringNotLike":{"s3:prefix":"${aws:username}/*"}}`, facts{"s3:prefix": {"a/b"}}, true},

		{"${*} is an asterisk in StringLike", special, `{"StringLike":{"x:k":"a${*}b*"}}`, facts{"x:k": {"a*bc"}}, true},
		{"${*} is no wildcard in StringLike", special, `{"StringLike":{"x:k":"a${*}b"}}`, facts{"x:k": {"axb"}}, false},
		{"${?} is a question mark in StringLike", special, `{"StringLike":{"x:k":"a${?}"}}`, facts{"x:k": {"a?"}}, true},
		{"${?} is no wildcard in StringLike", special, `{"StringLike":{"x:k":"a${?}"}}`, facts{"x:k": {"ab"}}, false},
		{"${$} is a dollar sign", special, `{"StringEquals":{"x:k":"${$}{aws:username}"}}`, facts{"x:k": {"${aws:username}"}, "aws:username": {"ann"}}, true},
		{"${*} in StringEquals", special, `{"StringEquals":{"x:k":"${*}"}}`, facts{"x:k": {"*"}}, true},
		{"A dollar sign without a brace is itself", special, `{"StringEquals":{"x:k":"US$5"}}`, facts{"x:k": {"US$5"}}, true},

		{"A default for a missing tag", defaults, `{"StringEquals":{"x:k":"b-${aws:PrincipalTag/team, 'company-wide'}"}}`, facts{"x:k": {"b-company-wide"}}, true},
		{"A default is not used when there is a tag", defaults, `{"StringEquals":{"x:k":"b-${aws:PrincipalTag/team, 'company-wide'}"}}`, facts{"x:k": {"b-company-wide"}, "aws:principaltag/team": {"yellow"}}, false},
		{"The tag instead of the default", defaults, `{"StringEquals":{"x:k":"b-${aws:PrincipalTag/team, 'company-wide'}"}}`, facts{"x:k": {"b-yellow"}, "aws:principaltag/team": {"yellow"}}, true},
		{"A default without a space", defaults, `{"StringEquals":{"x:k":"${aws:PrincipalTag/team,'x'}"}}`, facts{"x:k": {"x"}}, true},
		{"An empty default", defaults, `{"StringEquals":{"x:k":"a${aws:PrincipalTag/team, ''}"}}`, facts{"x:k": {"a"}}, true},
		{"A star in a default is a star", defaults, `{"StringLike":{"x:k":"${aws:PrincipalTag/team, '*'}"}}`, facts{"x:k": {"anything"}}, false},
		{"A tag with a space in its key", variablesPage + "Tags as policy variables", `{"StringEquals":{"x:k":"${aws:PrincipalTag/cost center}"}}`, facts{"x:k": {"a"}, "aws:principaltag/cost center": {"a"}}, true},
		{"A tag with a quote in its key", variablesPage + "Tags as policy variables", `{"StringEquals":{"x:k":"${aws:PrincipalTag/o'x}"}}`, facts{"x:k": {"a"}, "aws:principaltag/o'x": {"a"}}, true},
		{"A brace in a default", defaults, `{"StringEquals":{"x:k":"${aws:PrincipalTag/team, 'a}b'}"}}`, facts{"x:k": {"a}b"}}, true},
	}
}

// TestVariablesInStatements: variables outside of conditions.
func TestVariablesInStatements(t *testing.T) { runStatements(t, variableStatements()) }

func variableStatements() []statementCase {
	const (
		where    = variablesPage + "Where you can use policy variables"
		none     = variablesPage + "Policy variables with no value"
		version  = userGuide + "IAM JSON policy elements: Version, Version"
		defaults = variablesPage + "Specifying default values"
	)
	own := func(v string) string {
		return `{"Version":"` + v + `","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/home/${aws:username}/*"}}`
	}
	get := func(key string, c facts) policy.Request {
		return policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/" + key, Context: c}
	}
	ann := facts{"aws:username": {"ann"}}
	return []statementCase{
		{"A variable in Resource", where, policy.Identity, own("2012-10-17"), get("home/ann/k", ann), true},
		{"A variable in Resource, another user's", where, policy.Identity, own("2012-10-17"), get("home/bob/k", ann), false},
		{"A variable without a value in Resource", none, policy.Identity, own("2012-10-17"), get("home/ann/k", nil), false},
		{"A user named * has no wildcard", where, policy.Identity, own("2012-10-17"), get("home/bob/k", facts{"aws:username": {"*"}}), false},
		{"Version 2008-10-17 has no variables", version, policy.Identity, own("2008-10-17"), get("home/ann/k", ann), false},
		{"Version 2008-10-17 takes them as text", version, policy.Identity, own("2008-10-17"), get("home/${aws:username}/k", ann), true},
		{"No version is 2008-10-17", version, policy.Identity, `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/home/${aws:username}/*"}}`, get("home/ann/k", ann), false},
		{"A variable without a value in NotResource", none, policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::b/home/${aws:username}/*"}}`, get("home/ann/k", nil), true},
		{"A variable with a value in NotResource", none, policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::b/home/${aws:username}/*"}}`, get("home/ann/k", ann), false},
		{"A default in Resource", defaults, policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::amzn-s3-demo-bucket-${aws:PrincipalTag/team, 'company-wide'}"}}`, policy.Request{Action: "s3:ListBucket", Resource: "arn:aws:s3:::amzn-s3-demo-bucket-company-wide"}, true},
		{"A tag in Resource", defaults, policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::amzn-s3-demo-bucket-${aws:PrincipalTag/team, 'company-wide'}"}}`, policy.Request{Action: "s3:ListBucket", Resource: "arn:aws:s3:::amzn-s3-demo-bucket-yellow", Context: facts{"aws:principaltag/team": {"yellow"}}}, true},
	}
}

// TestHostileVariables: a variable that is named thousands of times does not make
// a text of megabytes.
func TestHostileVariables(t *testing.T) {
	d := parse(t, policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`+strings.Repeat("${x:k}", 2000)+`"}}`)
	r := &policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b", Context: facts{"x:k": {strings.Repeat("a", 8000)}}}
	expect(t, d, r, false)
	r.Context = facts{"x:k": {"a"}}
	r.Resource = "arn:aws:s3:::" + strings.Repeat("a", 2000)
	expect(t, d, r, true)
}
