package policy_test

import "testing"

func TestMissingKeys(t *testing.T) { runConditions(t, missingKeyCases()) }

func missingKeyCases() []conditionCase {
	const (
		missing  = operatorsPage + "IAM JSON policy elements: Condition operators (Important)"
		ifExists = operatorsPage + "...IfExists condition operators"
	)
	type row struct {
		operator, value string
		want            bool
	}
	var cases []conditionCase
	for _, r := range []row{
		{"StringEquals", "a", false}, {"StringEqualsIgnoreCase", "a", false}, {"StringLike", "*", false},
		{"StringNotEquals", "a", true}, {"StringNotEqualsIgnoreCase", "a", true}, {"StringNotLike", "*", true},
		{"NumericEquals", "1", false}, {"NumericNotEquals", "1", true}, {"NumericLessThan", "1", false},
		{"NumericLessThanEquals", "1", false}, {"NumericGreaterThan", "1", false}, {"NumericGreaterThanEquals", "1", false},
		{"DateEquals", "2020-01-01", false}, {"DateNotEquals", "2020-01-01", true}, {"DateLessThan", "2020-01-01", false},
		{"DateLessThanEquals", "2020-01-01", false}, {"DateGreaterThan", "2020-01-01", false}, {"DateGreaterThanEquals", "2020-01-01", false},
		{"Bool", "false", false}, {"BinaryEquals", "QQ==", false},
		{"IpAddress", "0.0.0.0/0", false}, {"NotIpAddress", "0.0.0.0/0", true},
		{"ArnEquals", "arn:aws:s3:::b", false}, {"ArnLike", "arn:*:*:*:*:*", false},
		{"ArnNotEquals", "arn:aws:s3:::b", true}, {"ArnNotLike", "arn:*:*:*:*:*", true},
	} {
		cases = append(cases,
			conditionCase{r.operator + " of a key that is not there", missing, `{"` + r.operator + `":{"x:k":"` + r.value + `"}}`, facts{}, r.want},
			conditionCase{r.operator + "IfExists of a key that is not there", ifExists, `{"` + r.operator + `IfExists":{"x:k":"` + r.value + `"}}`, facts{}, true},
		)
	}
	const instance = `{"StringLikeIfExists":{"ec2:InstanceType":["t1.*","t2.*","m3.*"]}}`
	return append(cases,
		conditionCase{"StringLikeIfExists with a type that is allowed", ifExists, instance, facts{"ec2:instancetype": {"t1.micro"}}, true},
		conditionCase{"StringLikeIfExists with a type that is not allowed", ifExists, instance, facts{"ec2:instancetype": {"m2.micro"}}, false},
		conditionCase{"StringLikeIfExists without a type", ifExists, instance, facts{}, true},
		conditionCase{"StringNotEqualsIfExists of a Deny, without the key", ifExists, `{"StringNotEqualsIfExists":{"x:k":"a"}}`, facts{}, true},
		conditionCase{"ForAnyValue with IfExists, without the key", ifExists, `{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"a"}}`, facts{}, true},
		conditionCase{"ForAnyValue with IfExists, no match", ifExists, `{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"a"}}`, facts{"aws:tagkeys*": {"b"}}, false},
		conditionCase{"ForAllValues with IfExists, without the key", ifExists, `{"ForAllValues:StringEqualsIfExists":{"aws:TagKeys":"a"}}`, facts{}, true},
		conditionCase{"IfExists of one key does not excuse another", ifExists, `{"StringEqualsIfExists":{"x:k":"a"},"StringEquals":{"x:l":"a"}}`, facts{}, false},
		conditionCase{"kms:EncryptionContext of a call without one", kmsGuide + "kms:EncryptionContext:context-key", `{"StringEquals":{"kms:EncryptionContext:AppName":"ExampleApp"}}`, facts{}, false},
		conditionCase{"kms:EncryptionContext names are not case sensitive", kmsGuide + "kms:EncryptionContext:context-key", `{"StringEquals":{"kms:EncryptionContext:Appname":"ExampleApp"}}`, facts{"kms:encryptioncontext:appname": {"ExampleApp"}}, true},
		conditionCase{"kms:EncryptionContext values are case sensitive", kmsGuide + "kms:EncryptionContext:context-key", `{"StringEquals":{"kms:EncryptionContext:AppName":"ExampleApp"}}`, facts{"kms:encryptioncontext:appname": {"exampleapp"}}, false},
		conditionCase{"kms:ViaService of a direct call", kmsGuide + "kms:ViaService", `{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`, facts{}, false},
		conditionCase{"kms:ViaService in one of many regions", kmsGuide + "kms:ViaService", `{"StringLike":{"kms:ViaService":"s3.*.amazonaws.com"}}`, facts{"kms:viaservice": {"s3.us-east-1.amazonaws.com"}}, true},
	)
}
