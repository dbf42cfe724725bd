package policy_test

import "testing"

func TestOperators(t *testing.T) { runConditions(t, operatorCases()) }

func operatorCases() []conditionCase {
	const (
		str  = operatorsPage + "String condition operators"
		num  = operatorsPage + "Numeric condition operators"
		date = operatorsPage + "Date condition operators"
		boo  = operatorsPage + "Boolean condition operators"
		bin  = operatorsPage + "Binary condition operators"
		ip   = operatorsPage + "IP address condition operators"
		nul  = operatorsPage + "Condition operator to check existence of condition keys"
		and  = conditionPage + "Conditions with multiple context keys or values"
	)
	job := func(v string) facts { return facts{"aws:principaltag/job-category": {v}} }
	keys := func(v string) facts { return facts{"s3:max-keys": {v}} }
	from := func(v string) facts { return facts{"aws:sourceip": {v}} }
	at := func(v string) facts { return facts{"aws:currenttime": {v}} }
	return []conditionCase{
		{"StringEquals matches the same text", str, `{"StringEquals":{"aws:PrincipalTag/job-category":"iamuser-admin"}}`, job("iamuser-admin"), true},
		{"StringEquals does not match another text", str, `{"StringEquals":{"aws:PrincipalTag/job-category":"iamuser-admin"}}`, job("dev-ops"), false},
		{"StringEquals is case sensitive", str, `{"StringEquals":{"aws:PrincipalTag/job-category":"iamuser-admin"}}`, job("IAMUser-Admin"), false},
		{"StringEquals takes an asterisk as itself", str, `{"StringEquals":{"aws:PrincipalTag/job-category":"iam*"}}`, job("iamuser-admin"), false},
		{"StringEquals equals an asterisk", str, `{"StringEquals":{"aws:PrincipalTag/job-category":"iam*"}}`, job("iam*"), true},
		{"StringEquals takes a question mark as itself", str, `{"StringEquals":{"aws:PrincipalTag/job-category":"dev?ops"}}`, job("dev-ops"), false},
		{"StringEquals equals one of several values", str, `{"StringEquals":{"aws:PrincipalTag/job-category":["a","b","c"]}}`, job("b"), true},
		{"StringEquals equals none of several values", str, `{"StringEquals":{"aws:PrincipalTag/job-category":["a","b","c"]}}`, job("d"), false},
		{"StringEquals with no values matches nothing", str, `{"StringEquals":{"aws:PrincipalTag/job-category":[]}}`, job("d"), false},
		{"StringEquals equals the empty text", str, `{"StringEquals":{"aws:PrincipalTag/job-category":""}}`, job(""), true},
		{"StringNotEquals with another text", str, `{"StringNotEquals":{"aws:PrincipalTag/job-category":"a"}}`, job("b"), true},
		{"StringNotEquals with the same text", str, `{"StringNotEquals":{"aws:PrincipalTag/job-category":"a"}}`, job("a"), false},
		{"StringNotEquals is NOR: the second of two values", str, `{"StringNotEquals":{"aws:PrincipalTag/job-category":["a","b"]}}`, job("b"), false},
		{"StringNotEquals is NOR: none of two values", str, `{"StringNotEquals":{"aws:PrincipalTag/job-category":["a","b"]}}`, job("c"), true},
		{"StringNotEquals is case sensitive", str, `{"StringNotEquals":{"aws:PrincipalTag/job-category":"a"}}`, job("A"), true},
		{"StringEqualsIgnoreCase", str, `{"StringEqualsIgnoreCase":{"aws:PrincipalTag/job-category":"preprod"}}`, job("PreProd"), true},
		{"StringEqualsIgnoreCase beyond ASCII", str, `{"StringEqualsIgnoreCase":{"aws:PrincipalTag/job-category":"STRAẞE é"}}`, job("straße É"), true},
		{"StringEqualsIgnoreCase with another text", str, `{"StringEqualsIgnoreCase":{"aws:PrincipalTag/job-category":"preprod"}}`, job("prod"), false},
		{"StringNotEqualsIgnoreCase with another text", str, `{"StringNotEqualsIgnoreCase":{"aws:PrincipalTag/job-category":"preprod"}}`, job("prod"), true},
		{"StringNotEqualsIgnoreCase in another case", str, `{"StringNotEqualsIgnoreCase":{"aws:PrincipalTag/job-category":"preprod"}}`, job("PREPROD"), false},
		{"StringLike with a star", str, `{"StringLike":{"aws:PrincipalTag/job-category":"iam*"}}`, job("iamuser-admin"), true},
		{"StringLike without wildcards is the whole text", str, `{"StringLike":{"aws:PrincipalTag/job-category":"iam"}}`, job("iamuser-admin"), false},
		{"StringLike with a question mark", str, `{"StringLike":{"aws:PrincipalTag/job-category":"dev?ops"}}`, job("dev-ops"), true},
		{"StringLike is case sensitive", str, `{"StringLike":{"aws:PrincipalTag/job-category":"IAM*"}}`, job("iamuser-admin"), false},
		{"StringLike star matches nothing too", str, `{"StringLike":{"aws:PrincipalTag/job-category":"iam*"}}`, job("iam"), true},
		{"StringLike star matches a newline", str, `{"StringLike":{"aws:PrincipalTag/job-category":"a*b"}}`, job("a\nb"), true},
		{"StringNotLike with a match", str, `{"StringNotLike":{"aws:PrincipalTag/job-category":"iam*"}}`, job("iamuser"), false},
		{"StringNotLike without a match", str, `{"StringNotLike":{"aws:PrincipalTag/job-category":"iam*"}}`, job("root"), true},
		{"Two keys under one operator are AND: both", and, `{"StringEquals":{"aws:PrincipalTag/dept":"a","aws:username":"u"}}`, facts{"aws:principaltag/dept": {"a"}, "aws:username": {"u"}}, true},
		{"Two keys under one operator are AND: one", and, `{"StringEquals":{"aws:PrincipalTag/dept":"a","aws:username":"u"}}`, facts{"aws:principaltag/dept": {"a"}, "aws:username": {"v"}}, false},
		{"Two operators are AND: both", and, `{"StringEquals":{"aws:username":"u"},"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, facts{"aws:username": {"u"}, "aws:sourceip": {"203.0.113.9"}}, true},
		{"Two operators are AND: one", and, `{"StringEquals":{"aws:username":"u"},"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, facts{"aws:username": {"u"}, "aws:sourceip": {"192.0.2.9"}}, false},
		{"Condition keys are not case sensitive", conditionPage + "The condition key name", `{"StringEquals":{"AWS:UserName":"u"}}`, facts{"aws:username": {"u"}}, true},
		{"An empty Condition is met", conditionPage + "The request context", `{}`, nil, true},
		{"An operator without keys is met", conditionPage + "The request context", `{"StringEquals":{}}`, nil, true},
		{"A number without quotes is its text", grammarPage + "Notes about this policy grammar", `{"StringEquals":{"s3:max-keys":10}}`, keys("10"), true},
		{"A boolean without quotes is its text", grammarPage + "Notes about this policy grammar", `{"StringEquals":{"aws:SecureTransport":true}}`, facts{"aws:securetransport": {"true"}}, true},

		{"NumericLessThanEquals at the bound", num, `{"NumericLessThanEquals":{"s3:max-keys":"10"}}`, keys("10"), true},
		{"NumericLessThanEquals below the bound", num, `{"NumericLessThanEquals":{"s3:max-keys":"10"}}`, keys("9"), true},
		{"NumericLessThanEquals above the bound", num, `{"NumericLessThanEquals":{"s3:max-keys":"10"}}`, keys("11"), false},
		{"NumericLessThan at the bound", num, `{"NumericLessThan":{"s3:max-keys":"10"}}`, keys("10"), false},
		{"NumericLessThan compares numbers, not texts", num, `{"NumericLessThan":{"s3:max-keys":"10"}}`, keys("9"), true},
		{"NumericGreaterThan above", num, `{"NumericGreaterThan":{"s3:max-keys":"10"}}`, keys("10.5"), true},
		{"NumericGreaterThan at the bound", num, `{"NumericGreaterThan":{"s3:max-keys":"10"}}`, keys("10.0"), false},
		{"NumericGreaterThanEquals at the bound", num, `{"NumericGreaterThanEquals":{"s3:max-keys":"10"}}`, keys("10"), true},
		{"NumericEquals in another spelling", num, `{"NumericEquals":{"s3:max-keys":"10"}}`, keys("010.00"), true},
		{"NumericEquals with another number", num, `{"NumericEquals":{"s3:max-keys":"10"}}`, keys("-10"), false},
		{"NumericEquals tells numbers apart that a float does not", num, `{"NumericEquals":{"s3:max-keys":"9007199254740993"}}`, keys("9007199254740992"), false},
		{"NumericEquals of zeros", num, `{"NumericEquals":{"s3:max-keys":"0"}}`, keys("-0"), true},
		{"NumericNotEquals with another number", num, `{"NumericNotEquals":{"s3:max-keys":"10"}}`, keys("11"), true},
		{"NumericNotEquals with the number", num, `{"NumericNotEquals":{"s3:max-keys":["10","11"]}}`, keys("11"), false},
		{"NumericLessThan of negative numbers", num, `{"NumericLessThan":{"s3:max-keys":"-10"}}`, keys("-11"), true},
		{"Numeric operators match no text", num, `{"NumericLessThan":{"s3:max-keys":"10"}}`, keys("few"), false},
		{"A number without quotes", num, `{"NumericLessThanEquals":{"s3:max-keys":10}}`, keys("10"), true},

		{"DateGreaterThan after", date, `{"DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:01Z"}}`, facts{"aws:tokenissuetime": {"2020-06-01T00:00:00Z"}}, true},
		{"DateGreaterThan without temporary credentials", date, `{"DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:01Z"}}`, facts{}, false},
		{"DateLessThan before", date, `{"DateLessThan":{"aws:CurrentTime":"2020-06-30T23:59:59Z"}}`, at("2020-04-01T00:00:00Z"), true},
		{"DateLessThan at the bound", date, `{"DateLessThan":{"aws:CurrentTime":"2020-06-30T23:59:59Z"}}`, at("2020-06-30T23:59:59Z"), false},
		{"DateLessThanEquals at the bound", date, `{"DateLessThanEquals":{"aws:CurrentTime":"2020-06-30T23:59:59Z"}}`, at("2020-06-30T23:59:59Z"), true},
		{"DateGreaterThanEquals at the bound", date, `{"DateGreaterThanEquals":{"aws:CurrentTime":"2020-06-30"}}`, at("2020-06-30T00:00:00Z"), true},
		{"DateEquals in another time zone", date, `{"DateEquals":{"aws:CurrentTime":"2020-06-30T14:00:00+02:00"}}`, at("2020-06-30T12:00:00Z"), true},
		{"DateNotEquals at another time", date, `{"DateNotEquals":{"aws:CurrentTime":"2020-06-30T12:00:00Z"}}`, at("2020-06-30T12:00:01Z"), true},
		{"DateNotEquals at the time", date, `{"DateNotEquals":{"aws:CurrentTime":"2020-06-30T12:00:00Z"}}`, at("2020-06-30T12:00:00Z"), false},
		{"A date as seconds since 1970", date, `{"DateLessThan":{"aws:EpochTime":"1593561600"}}`, facts{"aws:epochtime": {"1593561599"}}, true},
		{"Seconds and ISO 8601 compare", date, `{"DateEquals":{"aws:CurrentTime":"1593561600"}}`, at("2020-07-01T00:00:00Z"), true},
		{"A date as a number without quotes", date, `{"DateGreaterThan":{"aws:EpochTime":1593561600}}`, facts{"aws:epochtime": {"1593561601"}}, true},
		{"A date with fractions of a second", date, `{"DateGreaterThan":{"aws:CurrentTime":"2020-07-01T00:00:00.5Z"}}`, at("2020-07-01T00:00:00.6Z"), true},
		{"A date without seconds", date, `{"DateEquals":{"aws:CurrentTime":"2020-07-01T00:00Z"}}`, at("2020-07-01T00:00:00Z"), true},
		{"A month", date, `{"DateGreaterThanEquals":{"aws:CurrentTime":"2020-07"}}`, at("2020-07-01T00:00:00Z"), true},
		{"A year", date, `{"DateLessThan":{"aws:CurrentTime":"2021"}}`, at("2020-12-31T23:59:59Z"), true},

		{"Bool false on a plain connection", boo, `{"Bool":{"aws:SecureTransport":"false"}}`, facts{"aws:securetransport": {"false"}}, true},
		{"Bool false over TLS", boo, `{"Bool":{"aws:SecureTransport":"false"}}`, facts{"aws:securetransport": {"true"}}, false},
		{"Bool false without the key", boo, `{"Bool":{"aws:SecureTransport":"false"}}`, facts{}, false},
		{"Bool without quotes", boo, `{"Bool":{"aws:SecureTransport":true}}`, facts{"aws:securetransport": {"true"}}, true},
		{"Bool in another case", boo, `{"Bool":{"aws:SecureTransport":"True"}}`, facts{"aws:securetransport": {"true"}}, true},
		{"Bool with both values", boo, `{"Bool":{"aws:SecureTransport":["true","false"]}}`, facts{"aws:securetransport": {"false"}}, true},
		{"Bool does not match other texts", boo, `{"Bool":{"aws:SecureTransport":"false"}}`, facts{"aws:securetransport": {"no"}}, false},
		{"BoolIfExists false for long-term keys", operatorsPage + "...IfExists condition operators", `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`, facts{}, true},
		{"ForAllValues:Bool", boo, `{"ForAllValues:Bool":{"x:Flags":"true"}}`, facts{"x:flags*": {"true", "true"}}, true},
		{"ForAnyValue:Bool", boo, `{"ForAnyValue:Bool":{"x:Flags":"true"}}`, facts{"x:flags*": {"false", "true"}}, true},

		{"BinaryEquals with the same bytes", bin, `{"BinaryEquals":{"x:key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}`, facts{"x:key": {"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}, true},
		{"BinaryEquals with other bytes", bin, `{"BinaryEquals":{"x:key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}`, facts{"x:key": {"ASIAIOSFODNN7EXAMPLE"}}, false},
		{"BinaryEquals without the key", bin, `{"BinaryEquals":{"x:key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}`, facts{}, false},
		{"BinaryEquals with what is not Base64", bin, `{"BinaryEquals":{"x:key":"QQ=="}}`, facts{"x:key": {"%"}}, false},

		{"IpAddress inside the range", ip, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, from("203.0.113.1"), true},
		{"IpAddress outside the range", ip, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, from("198.51.100.1"), false},
		{"IpAddress through an endpoint", ip, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, facts{}, false},
		{"IpAddress of one address", ip, `{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}`, from("203.0.113.7"), true},
		{"IpAddress of one address, another", ip, `{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}`, from("203.0.113.8"), false},
		{"IpAddress of one IPv6 address", ip, `{"IpAddress":{"aws:SourceIp":"2001:db8::1"}}`, from("2001:db8:0::1"), true},
		{"IpAddress mixes both versions: IPv6", ip, `{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}}`, from("2001:db8:1234:5678::9"), true},
		{"IpAddress mixes both versions: IPv4", ip, `{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}}`, from("203.0.113.255"), true},
		{"IpAddress mixes both versions: neither", ip, `{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}}`, from("2001:db8:1234:5679::9"), false},
		{"IpAddress with bits below the prefix", ip, `{"IpAddress":{"aws:SourceIp":"203.0.113.77/24"}}`, from("203.0.113.1"), true},
		{"IpAddress of everything IPv4 is not IPv6", ip, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`, from("2001:db8::1"), false},
		{"IpAddress of an IPv4 address in IPv6 form", ip, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, from("::ffff:203.0.113.5"), true},
		{"IpAddress matches no text", ip, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`, from("s3.amazonaws.com"), false},
		{"NotIpAddress outside the range", ip, `{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}}`, from("198.51.100.1"), true},
		{"NotIpAddress inside the second range", ip, `{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}}`, from("203.0.113.1"), false},
		{"NotIpAddress through an endpoint", ip, `{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`, facts{}, true},

		{"Null false with temporary credentials", nul, `{"Null":{"aws:TokenIssueTime":"false"}}`, facts{"aws:tokenissuetime": {"2020-01-01T00:00:01Z"}}, true},
		{"Null false with long-term keys", nul, `{"Null":{"aws:TokenIssueTime":"false"}}`, facts{}, false},
		{"Null true with long-term keys", nul, `{"Null":{"aws:TokenIssueTime":"true"}}`, facts{}, true},
		{"Null true with temporary credentials", nul, `{"Null":{"aws:TokenIssueTime":"true"}}`, facts{"aws:tokenissuetime": {"2020-01-01T00:00:01Z"}}, false},
		{"Null without quotes", nul, `{"Null":{"aws:TokenIssueTime":true}}`, facts{}, true},
		{"Null of a key with several values", nul, `{"Null":{"aws:TagKeys":"false"}}`, facts{"aws:tagkeys*": {"a", "b"}}, true},
		{"Null of a key with no values", nul, `{"Null":{"aws:TagKeys":"true"}}`, facts{"aws:tagkeys*": {}}, true},
		{"Null of an empty value", operatorsPage + "Multivalued ARN condition operators", `{"Null":{"x:k":"false"}}`, facts{"x:k": {""}}, false},
	}
}
