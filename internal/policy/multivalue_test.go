package policy_test

import "testing"

func TestMultivalue(t *testing.T) { runConditions(t, multivalueCases()) }

func multivalueCases() []conditionCase {
	const (
		sets = setsPage + "Set operators for multivalued context keys"
		tags = operatorsPage + "Multivalued string condition operators"
	)
	const ec2 = `{"StringEqualsIgnoreCase":{"aws:RequestTag/environment":["preprod","storage"]},"ForAnyValue:StringEquals":{"aws:TagKeys":"environment"}}`
	keys := func(v ...string) facts { return facts{"aws:tagkeys*": v} }
	return []conditionCase{
		{"CreateTags with the tag", tags, ec2, facts{"aws:tagkeys*": {"environment"}, "aws:requesttag/environment": {"preprod"}}, true},
		{"CreateTags with another tag too, in another case", tags, ec2, facts{"aws:tagkeys*": {"environment", "costcenter"}, "aws:requesttag/environment": {"PreProd"}}, true},
		{"CreateTags with the key in another case", tags, ec2, facts{"aws:tagkeys*": {"Environment"}, "aws:requesttag/environment": {"preprod"}}, false},
		{"CreateTags with another key", tags, ec2, facts{"aws:tagkeys*": {"costcenter"}, "aws:requesttag/environment": {"preprod"}}, false},
		{"CreateTags without aws:TagKeys", tags, ec2, facts{"aws:requesttag/environment": {"storage"}}, false},
		{"CreateTags without the tag's value", tags, ec2, facts{"aws:tagkeys*": {"environment"}}, false},
		{"CreateTags without both", tags, ec2, facts{}, false},

		{"ForAllValues:StringEquals: all among the values", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b","c"]}}`, keys("a", "b"), true},
		{"ForAllValues:StringEquals: one not among the values", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, keys("a", "z"), false},
		{"ForAllValues:StringEquals: no values in the request", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, keys(), true},
		{"ForAllValues:StringEquals: without the key", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, facts{}, true},
		{"ForAllValues:StringEquals: an empty text is no value", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, keys(""), true},
		{"ForAllValues with Null false: without the key", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]},"Null":{"aws:TagKeys":"false"}}`, facts{}, false},
		{"ForAllValues with Null false: with the key", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]},"Null":{"aws:TagKeys":"false"}}`, keys("b"), true},
		{"ForAllValues:StringEquals of no values in the policy", sets, `{"ForAllValues:StringEquals":{"aws:TagKeys":[]}}`, keys("a"), false},
		{"ForAllValues:StringLike", tags, `{"ForAllValues:StringLike":{"aws:TagKeys":["key1*","x"]}}`, keys("key1", "key11", "x"), true},
		{"ForAllValues:StringLike: one does not match", tags, `{"ForAllValues:StringLike":{"aws:TagKeys":"key1*"}}`, keys("key1", "key2"), false},
		{"ForAllValues:StringEqualsIgnoreCase", tags, `{"ForAllValues:StringEqualsIgnoreCase":{"aws:TagKeys":"key1"}}`, keys("KEY1", "Key1"), true},
		{"ForAllValues:StringNotEquals: none matches", tags, `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, keys("x", "y"), true},
		{"ForAllValues:StringNotEquals: one matches", tags, `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, keys("x", "b"), false},
		{"ForAllValues:StringNotLike: one matches", tags, `{"ForAllValues:StringNotLike":{"aws:TagKeys":"a*"}}`, keys("x", "ab"), false},
		{"ForAllValues:StringNotEquals: without the key", sets, `{"ForAllValues:StringNotEquals":{"aws:TagKeys":"a"}}`, facts{}, true},

		{"ForAnyValue:StringEquals: one among the values", sets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, keys("z", "b"), true},
		{"ForAnyValue:StringEquals: none among the values", sets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, keys("y", "z"), false},
		{"ForAnyValue:StringEquals: no values in the request", sets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, keys(), false},
		{"ForAnyValue:StringEquals: an empty text is no value", sets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["","b"]}}`, keys(""), false},
		{"ForAnyValue:StringEquals: without the key", sets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, facts{}, false},
		{"ForAnyValue:StringLike", tags, `{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5/r-ab12/*"}}`, facts{"aws:principalorgpaths*": {"o-x/r-y/", "o-a1b2c3d4e5/r-ab12/ou-1/"}}, true},
		{"ForAnyValue:StringNotEquals: one does not match", tags, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, keys("a", "z"), true},
		{"ForAnyValue:StringNotEquals: all match", tags, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, keys("a", "b"), false},
		{"ForAnyValue:StringNotEquals: without the key", sets, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"a"}}`, facts{}, false},
		{"ForAnyValue:NumericLessThan", sets, `{"ForAnyValue:NumericLessThan":{"x:sizes":"10"}}`, facts{"x:sizes*": {"12", "9"}}, true},
		{"ForAllValues:IpAddress", sets, `{"ForAllValues:IpAddress":{"x:addresses":"203.0.113.0/24"}}`, facts{"x:addresses*": {"203.0.113.1", "203.0.113.2"}}, true},
		{"ForAnyValue:DateLessThan", sets, `{"ForAnyValue:DateLessThan":{"x:dates":"2021"}}`, facts{"x:dates*": {"2022-01-01", "2020-01-01"}}, true},

		{"A set operator on a key with one value", setsPage + "Single-valued vs. multivalued context keys", `{"ForAllValues:StringEquals":{"aws:username":["ann","bob"]}}`, facts{"aws:username": {"bob"}}, true},
		{"No set operator on a key of several values", setsPage + "Key points", `{"StringEquals":{"aws:TagKeys":"a"}}`, keys("a", "b"), false},
		{"No set operator on a key of several values, of which it has one", setsPage + "Key points", `{"StringEquals":{"aws:TagKeys":"a"}}`, keys("a"), false},
		{"No set operator, negated, on a key of several values", setsPage + "Key points", `{"StringNotEquals":{"aws:TagKeys":"a"}}`, keys("x"), false},
		{"kms:EncryptionContextKeys: all of them known", kmsGuide + "kms:EncryptionContextKeys", `{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["AppName","Department"]}}`, facts{"kms:encryptioncontextkeys*": {"AppName"}}, true},
		{"kms:EncryptionContextKeys: the key's value is case sensitive", kmsGuide + "kms:EncryptionContextKeys", `{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"AppName"}}`, facts{"kms:encryptioncontextkeys*": {"appname"}}, false},
		{"kms:ResourceAliases: one of the aliases", kmsGuide + "kms:ResourceAliases", `{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/ProjectAlpha"}}`, facts{"kms:resourcealiases*": {"alias/x", "alias/ProjectAlpha"}}, true},
		{"kms:GrantOperations: no more than these", kmsGuide + "kms:GrantOperations", `{"ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt","Decrypt"]}}`, facts{"kms:grantoperations*": {"Decrypt", "CreateGrant"}}, false},
	}
}
