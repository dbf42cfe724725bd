package policy_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// parseCase is a document and why it is refused; 0: it is not.
type parseCase struct {
	name     string
	source   string // page and section
	kind     policy.Kind
	document string
	want     policy.Reason
}

func TestParse(t *testing.T) {
	for _, tt := range parseCases() {
		t.Run(tt.name, func(t *testing.T) {
			sourced(t, tt.source)
			d, err := policy.Parse(tt.kind, []byte(tt.document))
			if got := reasonOf(err); got != tt.want || (err != nil) != (tt.want != 0) {
				t.Fatalf("got %v (%v), want %v", got, err, tt.want)
			}
			if err == nil && string(d.Text()) != tt.document {
				t.Errorf("Text() = %s", d.Text())
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("the error is not one line: %q", err)
			}
		})
	}
}

func parseCases() []parseCase {
	const (
		grammar = grammarPage + "Policy grammar"
		version = userGuide + "IAM JSON policy elements: Version, Version"
		sid     = userGuide + "IAM JSON policy elements: Sid, Sid"
		effect  = userGuide + "IAM JSON policy elements: Effect, Effect"
		rfc     = "RFC 8259, 8.1. Character Encoding"
		names   = "RFC 8259, 4. Objects"
		ops     = operatorsPage + "IAM JSON policy elements: Condition operators"
		res     = resourcePage + "IAM JSON policy elements: Resource"
		analyze = userGuide + "Access Analyzer policy check reference, Error"
		keyDoc  = kmsGuide + "Key policies in AWS KMS, Elements in a key policy"
		overly  = kmsGuide + "Condition keys for AWS KMS, Using the ForAllValues set operator"
		scp     = "AWS Organizations User Guide, SCP syntax, Elements summary"
		ids     = userGuide + "IAM identifiers, Unique identifiers"
	)
	identity := func(s string) string { return `{"Version":"2012-10-17","Statement":[{` + s + `}]}` }
	allow := func(s string) string { return identity(`"Effect":"Allow","Action":"s3:*","Resource":"*",` + s) }
	cond := func(s string) string { return allow(`"Condition":` + s) }
	named := func(p string) string {
		return identity(`"Effect":"Allow","Principal":` + p + `,"Action":"kms:*","Resource":"*"`)
	}
	const one = `"Effect":"Allow","Action":"s3:*","Resource":"*"`
	return []parseCase{
		{"The least there is", grammar, policy.Identity, `{"Statement":{` + one + `}}`, 0},
		{"Elements in any order", grammar, policy.Identity, `{"Statement":[{"Resource":"*","Action":"s3:*","Effect":"Allow"}],"Id":"x","Version":"2008-10-17"}`, 0},
		{"White space and line feeds", grammar, policy.Identity, "{\r\n\t\"Statement\" : [ {" + one + "} ] }\n", 0},
		{"Escapes in strings", rfc, policy.Identity, `{"Statement":{"\u0045ffect":"Al\u006cow","Action":"s3:*","Resource":"arn:aws:s3:::b\/\ud83d\ude00"}}`, 0},
		{"Nothing", grammar, policy.Identity, ``, policy.NotJSON},
		{"An array", grammar, policy.Identity, `[]`, policy.NotJSON},
		{"No statement", grammar, policy.Identity, `{"Version":"2012-10-17"}`, policy.MissingStatement},
		{"An empty list of statements", analyze, policy.Identity, `{"Statement":[]}`, policy.MissingStatement},
		{"Something after the end", names, policy.Identity, `{"Statement":{` + one + `}} {}`, policy.NotJSON},
		{"A comma too many", names, policy.Identity, `{"Statement":{` + one + `},}`, policy.NotJSON},
		{"A comment", names, policy.Identity, `{"Statement":{` + one + `} /* all */}`, policy.NotJSON},
		{"An end in a string", names, policy.Identity, `{"Statement`, policy.NotJSON},
		{"A line feed in a string", "RFC 8259, 7. Strings", policy.Identity, "{\"Id\":\"a\nb\",\"Statement\":{" + one + "}}", policy.NotJSON},
		{"Half a pair of surrogates", "RFC 8259, 7. Strings", policy.Identity, `{"Id":"\ud83d","Statement":{` + one + `}}`, policy.NotJSON},
		{"An escape that there is not", "RFC 8259, 7. Strings", policy.Identity, `{"Id":"\x41","Statement":{` + one + `}}`, policy.NotJSON},
		{"A number with a leading zero", "RFC 8259, 6. Numbers", policy.Identity, cond(`{"NumericEquals":{"s3:max-keys":010}}`), policy.NotJSON},
		{"A byte order mark", rfc, policy.Identity, "\xef\xbb\xbf" + `{"Statement":{` + one + `}}`, policy.NotUTF8},
		{"UTF-16", rfc, policy.Identity, "\xff\xfe{\x00", policy.NotUTF8},
		{"Latin-1", rfc, policy.Identity, "{\"Id\":\"caf\xe9\",\"Statement\":{" + one + "}}", policy.NotUTF8},
		{"An overlong encoding", rfc, policy.Identity, "{\"Id\":\"\xc0\xaf\",\"Statement\":{" + one + "}}", policy.NotUTF8},
		{"White space before a policy of IAM", grammar, policy.Identity, " " + `{"Statement":{` + one + `}}`, policy.LeadingSpace},
		{"White space before a key policy", grammar, policy.Key, "\n" + `{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}`, 0},
		{"An element twice", names, policy.Identity, `{"Statement":{"Effect":"Deny",` + one + `}}`, policy.DuplicateKey},
		{"An element twice, once in escapes", names, policy.Identity, `{"Statement":{"\u0045ffect":"Deny",` + one + `}}`, policy.DuplicateKey},
		{"Statement twice", names, policy.Identity, `{"Statement":{` + one + `},"Statement":{` + one + `}}`, policy.DuplicateKey},
		{"An operator twice", names, policy.Identity, cond(`{"Bool":{"a:b":true},"Bool":{"a:c":true}}`), policy.DuplicateKey},
		{"A condition key in two spellings", conditionPage + "The condition key name", policy.Identity, cond(`{"Bool":{"a:b":true,"A:B":true}}`), policy.DuplicateKey},
		{"An element in the wrong case", grammar, policy.Identity, `{"statement":{` + one + `}}`, policy.UnknownElement},
		{"An unknown element of a statement", grammar, policy.Identity, allow(`"Comment":"x"`), policy.UnknownElement},
		{"A statement that is a string", grammar, policy.Identity, `{"Statement":"Allow"}`, policy.Syntax},
		{"An action that is a number", grammar, policy.Identity, identity(`"Effect":"Allow","Action":1,"Resource":"*"`), policy.Syntax},
		{"An action in a list in a list", grammar, policy.Identity, identity(`"Effect":"Allow","Action":[["s3:*"]],"Resource":"*"`), policy.Syntax},
		{"Deep nesting", grammar, policy.Identity, cond(`{"Bool":{"a:b":` + strings.Repeat("[", 50000) + strings.Repeat("]", 50000) + `}}`), policy.Syntax},
		{"An Id that is no string", grammar, policy.Identity, `{"Id":null,"Statement":{` + one + `}}`, policy.Syntax},
		{"A version that there is not", version, policy.Identity, `{"Version":"2025-01-01","Statement":{` + one + `}}`, policy.InvalidVersion},
		{"A version that is a number", version, policy.Identity, `{"Version":2012,"Statement":{` + one + `}}`, policy.InvalidVersion},
		{"No effect", effect, policy.Identity, identity(`"Action":"s3:*","Resource":"*"`), policy.InvalidEffect},
		{"An effect in the wrong case", effect, policy.Identity, identity(`"Effect":"allow","Action":"s3:*","Resource":"*"`), policy.InvalidEffect},
		{"A Sid with a space in IAM", sid, policy.Identity, allow(`"Sid":"a b"`), policy.InvalidSid},
		{"A Sid with a space in a key policy", sid, policy.Key, identity(`"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"`), 0},
		{"A Sid twice in IAM", sid, policy.Identity, `{"Statement":[{"Sid":"a",` + one + `},{"Sid":"a",` + one + `}]}`, policy.DuplicateSid},
		{"An empty Sid twice", sid, policy.Identity, `{"Statement":[{"Sid":"",` + one + `},{"Sid":"",` + one + `}]}`, 0},
		{"Action and NotAction", userGuide + "IAM JSON policy element reference, mutually exclusive elements", policy.Identity, allow(`"NotAction":"s3:*"`), policy.Syntax},
		{"Resource and NotResource", userGuide + "IAM JSON policy element reference, mutually exclusive elements", policy.Identity, allow(`"NotResource":"*"`), policy.Syntax},
		{"Principal and NotPrincipal", userGuide + "IAM JSON policy element reference, mutually exclusive elements", policy.Bucket, allow(`"Principal":"*","NotPrincipal":"*"`), policy.Syntax},

		{"No action in IAM", actionPage + "IAM JSON policy elements: Action", policy.Identity, identity(`"Effect":"Allow","Resource":"*"`), policy.MissingAction},
		{"An empty list of actions in IAM", analyze, policy.Identity, identity(`"Effect":"Allow","Action":[],"Resource":"*"`), policy.MissingAction},
		{"An action without its vendor", analyze, policy.Identity, identity(`"Effect":"Allow","Action":"GetObject","Resource":"*"`), policy.InvalidAction},
		{"A wildcard for the vendor", analyze, policy.Identity, identity(`"Effect":"Allow","Action":"s*:GetObject","Resource":"*"`), policy.InvalidAction},
		{"A variable in an action", variablesPage + "Where you can use policy variables", policy.Identity, identity(`"Effect":"Allow","Action":"s3:${aws:username}","Resource":"*"`), policy.InvalidAction},
		{"An empty action", analyze, policy.Identity, identity(`"Effect":"Allow","Action":"","Resource":"*"`), policy.InvalidAction},
		{"No resource in IAM", res, policy.Identity, identity(`"Effect":"Allow","Action":"s3:*"`), policy.MissingResource},
		{"A resource that is no ARN", analyze, policy.Identity, identity(`"Effect":"Allow","Action":"s3:*","Resource":"my-bucket/*"`), policy.InvalidResource},
		{"A resource in a trust policy", userGuide + "Update a role trust policy, Trust policies", policy.Trust, identity(`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"`), policy.ProhibitedResource},
		{"A trust policy", userGuide + "Update a role trust policy, Trust policies", policy.Trust, identity(`"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"`), 0},
		{"NotPrincipal in a trust policy", notPrincipal + "Key points", policy.Trust, identity(`"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"`), policy.ProhibitedPrincipal},
		{"A principal in IAM", principalPage + "Specifying a principal", policy.Identity, allow(`"Principal":"*"`), policy.ProhibitedPrincipal},
		{"A principal in a service control policy", scp, policy.ServiceControl, allow(`"Principal":"*"`), policy.ProhibitedPrincipal},
		{"NotPrincipal in a service control policy", scp, policy.ServiceControl, allow(`"NotPrincipal":"*"`), policy.ProhibitedPrincipal},
		{"No principal in a key policy", keyDoc, policy.Key, identity(`"Effect":"Allow","Action":"kms:*","Resource":"*"`), policy.MissingPrincipal},
		{"No principal in a bucket policy", principalPage + "Specifying a principal", policy.Bucket, identity(one), policy.MissingPrincipal},
		{"No action in a key policy", keyDoc, policy.Key, identity(`"Effect":"Allow","Principal":"*","Resource":"*"`), 0},
		{"No resource in a key policy", keyDoc, policy.Key, identity(`"Effect":"Allow","Principal":"*","Action":"kms:*"`), 0},
		{"No resource in a bucket policy", res, policy.Bucket, identity(`"Effect":"Allow","Principal":"*","Action":"s3:*"`), policy.MissingResource},
		{"NotPrincipal with Allow", notPrincipal + "NotPrincipal", policy.Key, identity(`"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"`), policy.InvalidPrincipal},
		{"A principal that is an empty object", analyze, policy.Key, named(`{}`), policy.MissingPrincipal},
		{"A principal that is an empty list", analyze, policy.Key, named(`{"AWS":[]}`), policy.MissingPrincipal},
		{"A principal of an unknown type", principalPage + "Specifying a principal", policy.Key, named(`{"aws":"111122223333"}`), policy.InvalidPrincipal},
		{"A principal that is a string", principalPage + "Specifying a principal", policy.Key, named(`"111122223333"`), policy.InvalidPrincipal},
		{"An account of eleven digits", principalPage + "AWS account principals", policy.Key, named(`{"AWS":"11112222333"}`), policy.InvalidPrincipal},
		{"A wildcard inside an ARN", principalPage + "IAM user principals", policy.Key, named(`{"AWS":"arn:aws:iam::111122223333:user/*"}`), policy.InvalidPrincipal},
		{"A group", principalPage + "Specifying a principal", policy.Key, named(`{"AWS":"arn:aws:iam::111122223333:group/Admins"}`), policy.InvalidPrincipal},
		{"A variable in a principal", variablesPage + "Where you can use policy variables", policy.Key, named(`{"AWS":"arn:aws:iam::111122223333:user/${aws:username}"}`), policy.InvalidPrincipal},
		{"A session with a path", principalPage + "Role session principals", policy.Key, named(`{"AWS":"arn:aws:sts::111122223333:assumed-role/teams/App/s1"}`), policy.InvalidPrincipal},
		{"A unique id", ids, policy.Key, named(`{"AWS":"AROAAPPAPPAPPAPPAPP00"}`), 0},
		{"A unique id of a group", ids, policy.Key, named(`{"AWS":"AGPAAPPAPPAPPAPPAPP00"}`), policy.InvalidPrincipal},
		{"A canonical user in a key policy", principalPage + "Specifying a principal", policy.Key, named(`{"CanonicalUser":"` + accountA + strings.Repeat("0", 52) + `"}`), policy.InvalidPrincipal},
		{"A service that is none", principalPage + "AWS service principals", policy.Key, named(`{"Service":"*"}`), policy.InvalidPrincipal},

		{"An operator that there is not", ops, policy.Identity, cond(`{"StringMatches":{"a:b":"c"}}`), policy.UnknownOperator},
		{"An operator in the wrong case", ops, policy.Identity, cond(`{"stringequals":{"a:b":"c"}}`), policy.UnknownOperator},
		{"NullIfExists", operatorsPage + "...IfExists condition operators", policy.Identity, cond(`{"NullIfExists":{"a:b":"true"}}`), policy.UnknownOperator},
		{"A set with Null", ops, policy.Identity, cond(`{"ForAllValues:Null":{"a:b":"true"}}`), policy.UnknownOperator},
		{"A set that there is not", ops, policy.Identity, cond(`{"ForSomeValues:StringEquals":{"a:b":"c"}}`), policy.UnknownOperator},
		{"An unknown operator without keys", ops, policy.Identity, cond(`{"StringMatches":{}}`), policy.UnknownOperator},
		{"BinaryNotEquals", ops, policy.Identity, cond(`{"BinaryNotEquals":{"a:b":"QQ=="}}`), policy.UnknownOperator},
		{"A condition key without its vendor", analyze, policy.Identity, cond(`{"StringEquals":{"username":"c"}}`), policy.InvalidConditionKey},
		{"The key of an identity provider", userGuide + "IAM and AWS STS condition context keys, Available keys for AWS OIDC federation", policy.Identity, cond(`{"StringEquals":{"oidc.example/id/1:sub":"c"}}`), 0},
		{"A condition that is a list", grammar, policy.Identity, cond(`[]`), policy.Syntax},
		{"A value that is null", grammar, policy.Identity, cond(`{"StringEquals":{"a:b":null}}`), policy.Syntax},
		{"A value that is an object", grammar, policy.Identity, cond(`{"StringEquals":{"a:b":{}}}`), policy.Syntax},
		{"No number", analyze, policy.Identity, cond(`{"NumericEquals":{"a:b":"ten"}}`), policy.InvalidConditionValue},
		{"No date", analyze, policy.Identity, cond(`{"DateEquals":{"a:b":"2020-13-01"}}`), policy.InvalidConditionValue},
		{"No boolean", analyze, policy.Identity, cond(`{"Bool":{"a:b":"yes"}}`), policy.InvalidConditionValue},
		{"No boolean for Null", analyze, policy.Identity, cond(`{"Null":{"a:b":"${aws:username}"}}`), policy.InvalidConditionValue},
		{"No address", analyze, policy.Identity, cond(`{"IpAddress":{"aws:SourceIp":"203.0.113.0/33"}}`), policy.InvalidConditionValue},
		{"No Base64", analyze, policy.Identity, cond(`{"BinaryEquals":{"a:b":"%"}}`), policy.InvalidConditionValue},
		{"An ARN of five parts", analyze, policy.Identity, cond(`{"ArnLike":{"aws:SourceArn":"arn:aws:sns:us-east-1:t"}}`), policy.InvalidConditionValue},
		{"A variable that does not end", variablesPage + "Using variables in policies", policy.Identity, cond(`{"StringEquals":{"a:b":"${aws:username"}}`), policy.InvalidVariable},
		{"A variable without a name", variablesPage + "Using variables in policies", policy.Identity, cond(`{"StringEquals":{"a:b":"${}"}}`), policy.InvalidVariable},
		{"A default without quotes", variablesPage + "Specifying default values", policy.Identity, cond(`{"StringEquals":{"a:b":"${aws:username, x}"}}`), policy.InvalidVariable},
		{"Text like a variable in version 2008-10-17", version, policy.Identity, `{"Statement":{` + one + `,"Condition":{"StringEquals":{"a:b":"${"}}}}`, 0},
		{"ForAllValues with an encryption context", overly, policy.Key, identity(`"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContext:App":"a"}}`), policy.OverlyPermissiveCondition},
		{"ForAllValues with a tag", overly, policy.Key, identity(`"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"ForAllValues:StringLike":{"aws:ResourceTag/team":"a*"}}`), policy.OverlyPermissiveCondition},
		{"ForAllValues with a request's tag", overly, policy.Key, identity(`"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"ForAllValues:StringEqualsIfExists":{"AWS:RequestTag/team":"a"}}`), policy.OverlyPermissiveCondition},
		{"ForAllValues with the keys of an encryption context", overly, policy.Key, identity(`"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"a"}}`), 0},
		{"ForAllValues with a tag in IAM", overly, policy.Identity, cond(`{"ForAllValues:StringEquals":{"aws:ResourceTag/team":"a"}}`), 0},
	}
}

// TestErrorPlace: an error says where it is.
func TestErrorPlace(t *testing.T) {
	_, err := policy.Parse(policy.Identity, []byte("{\"Statement\": [\n  {\"Effect\": \"Allow\",\n   \"Action\": \"s3:*\", \"Resource\": \"x\"}]}"))
	e, ok := err.(*policy.Error)
	if !ok || e.Line != 3 || e.Column != 34 {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: what is taken is JSON that other readers take too, its text stays,
// and what it becomes in the store parses again.
func FuzzParse(f *testing.F) {
	for _, c := range parseCases() {
		if len(c.document) < 4096 {
			f.Add([]byte(c.document), uint8(c.kind))
		}
	}
	dir := newDirectory()
	f.Fuzz(func(t *testing.T, text []byte, kind uint8) {
		k := policy.Kind(kind%6 + 1)
		d, err := policy.Parse(k, text)
		if err != nil {
			if reasonOf(err) == 0 {
				t.Fatalf("the error has no reason: %v", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatal("took what is no JSON")
		}
		if !bytes.Equal(d.Text(), text) {
			t.Fatal("the text changed")
		}
		again, err := policy.Parse(k, d.Text())
		if err != nil || len(again.Statements()) != len(d.Statements()) {
			t.Fatalf("its own text: %v", err)
		}
		r := &policy.Request{Action: "kms:Decrypt", Resource: keyARN, Principal: alice, Context: facts{"aws:username": {"alice"}, "a:b": {"c"}}}
		if out, concluded := d.Evaluate(r), policy.Conclude(d.Explain(r)); out != concluded {
			t.Fatalf("Evaluate says %+v, Explain %+v", out, concluded)
		}
		stored, err := d.Stored(dir)
		if err != nil {
			return
		}
		if out := stored.Evaluate(r); out.Match != d.Evaluate(r).Match || (out.Deny == nil) != (d.Evaluate(r).Deny == nil) {
			t.Fatalf("the stored document says %+v", out)
		}
		if _, err := policy.Parse(k, stored.Shown(dir)); err != nil {
			t.Fatalf("what is shown: %v", err)
		}
	})
}
