package policy_test

import "testing"

func TestARNs(t *testing.T) { runConditions(t, arnCases()) }

func arnCases() []conditionCase {
	const arns = operatorsPage + "Amazon Resource Name (ARN) condition operators"
	const sets = operatorsPage + "Multivalued ARN condition operators"
	src := func(v string) facts { return facts{"aws:sourcearn": {v}} }
	const topic = `"arn:aws:sns:us-west-2:123456789012:TOPIC-ID"`
	const dists = `{"ForAllValues:ArnLike":{"logs:LogGeneratingResourceArns":["arn:aws:cloudfront::123456789012:distribution/*","arn:aws:cloudfront::123456789012:distribution/support*"]}}`
	const some = `{"ForAllValues:ArnLike":{"logs:LogGeneratingResourceArns":"arn:aws:cloudfront::123456789012:distribution/support*"}}`
	return []conditionCase{
		{"ArnEquals with the same ARN", arns, `{"ArnEquals":{"aws:SourceArn":` + topic + `}}`, src("arn:aws:sns:us-west-2:123456789012:TOPIC-ID"), true},
		{"ArnEquals with another account", arns, `{"ArnEquals":{"aws:SourceArn":` + topic + `}}`, src("arn:aws:sns:us-west-2:777788889999:TOPIC-ID"), false},
		{"ArnEquals without the key", arns, `{"ArnEquals":{"aws:SourceArn":` + topic + `}}`, facts{}, false},
		{"ArnEquals is case sensitive", arns, `{"ArnEquals":{"aws:SourceArn":` + topic + `}}`, src("arn:aws:sns:us-west-2:123456789012:topic-id"), false},
		{"ArnEquals takes wildcards as ArnLike does", arns, `{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:123456789012:TOPIC-*"}}`, src("arn:aws:sns:us-west-2:123456789012:TOPIC-ID"), true},
		{"ArnLike with a wildcard region", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:123456789012:TOPIC-ID"}}`, src("arn:aws:sns:us-west-2:123456789012:TOPIC-ID"), true},
		{"ArnLike: a star does not reach over a colon", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:TOPIC-ID"}}`, src("arn:aws:sns:us-west-2:123456789012:x:TOPIC-ID"), false},
		{"ArnLike: a star in the last part takes colons", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:logs:us-east-1:123456789012:*"}}`, src("arn:aws:logs:us-east-1:123456789012:log-group:g:log-stream:s"), true},
		{"ArnLike with a question mark", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:us-????-2:123456789012:TOPIC-ID"}}`, src("arn:aws:sns:us-west-2:123456789012:TOPIC-ID"), true},
		{"ArnLike: a question mark is one character", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:us-west-?:123456789012:TOPIC-ID"}}`, src("arn:aws:sns:us-west-22:123456789012:TOPIC-ID"), false},
		{"ArnLike with an empty region and account", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::amzn-s3-demo-*"}}`, src("arn:aws:s3:::amzn-s3-demo-bucket"), true},
		{"ArnLike with stars for an empty region and account", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:amzn-s3-demo-bucket"}}`, src("arn:aws:s3:::amzn-s3-demo-bucket"), true},
		{"ArnLike: empty parts match only empty ones", arns, `{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::x"}}`, src("arn:aws:s3::123456789012:x"), false},
		{"ArnLike does not match what is no ARN", arns, `{"ArnLike":{"aws:SourceArn":"*:*:*:*:*:*"}}`, src("a:b:c:d:e:f"), false},
		{"ArnLike with a lone star is any ARN", arns, `{"ArnLike":{"aws:SourceArn":"*"}}`, src("arn:aws:s3:::x"), true},
		{"ArnLike with a lone star is no other text", arns, `{"ArnLike":{"aws:SourceArn":"*"}}`, src("x"), false},
		{"ArnLike of the role of a session", userGuide + "AWS global condition context keys, aws:PrincipalArn", `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/teams/*"}}`, facts{"aws:principalarn": {"arn:aws:iam::111122223333:role/teams/App"}}, true},
		{"ArnNotEquals with another ARN", arns, `{"ArnNotEquals":{"aws:SourceArn":` + topic + `}}`, src("arn:aws:sns:us-west-2:123456789012:OTHER"), true},
		{"ArnNotEquals with the ARN", arns, `{"ArnNotEquals":{"aws:SourceArn":` + topic + `}}`, src("arn:aws:sns:us-west-2:123456789012:TOPIC-ID"), false},
		{"ArnNotEquals without the key", arns, `{"ArnNotEquals":{"aws:SourceArn":` + topic + `}}`, facts{}, true},
		{"ArnNotLike with the second of two patterns", arns, `{"ArnNotLike":{"aws:SourceArn":["arn:aws:sqs:*:*:*","arn:aws:sns:*:*:*"]}}`, src("arn:aws:sns:us-west-2:123456789012:T"), false},
		{"ArnNotLike with neither of two patterns", arns, `{"ArnNotLike":{"aws:SourceArn":["arn:aws:sqs:*:*:*","arn:aws:sns:*:*:*"]}}`, src("arn:aws:s3:::b"), true},
		{"ArnLikeIfExists without the key", operatorsPage + "...IfExists condition operators", `{"ArnLikeIfExists":{"aws:SourceArn":` + topic + `}}`, facts{}, true},
		{"ForAllValues:ArnLike: one that matches", sets, dists, facts{"logs:loggeneratingresourcearns*": {"arn:aws:cloudfront::123456789012:distribution/costcenter"}}, true},
		{"ForAllValues:ArnLike: all match", sets, dists, facts{"logs:loggeneratingresourcearns*": {"arn:aws:cloudfront::123456789012:distribution/costcenter", "arn:aws:cloudfront::123456789012:distribution/support2025"}}, true},
		{"ForAllValues:ArnLike: one does not match", sets, some, facts{"logs:loggeneratingresourcearns*": {"arn:aws:cloudfront::123456789012:distribution/support1", "arn:aws:cloudfront::123456789012:distribution/admin"}}, false},
		{"ForAllValues:ArnLike: another account", sets, dists, facts{"logs:loggeneratingresourcearns*": {"arn:aws:cloudfront::777788889999:distribution/costcenter"}}, false},
		{"ForAllValues:ArnLike: without the key", sets, dists, facts{}, true},
		{"ForAnyValue:ArnEquals: one of two", sets, `{"ForAnyValue:ArnEquals":{"x:Arns":` + topic + `}}`, facts{"x:arns*": {"arn:aws:s3:::b", "arn:aws:sns:us-west-2:123456789012:TOPIC-ID"}}, true},
		{"ForAnyValue:ArnNotLike: one of two does not match", sets, `{"ForAnyValue:ArnNotLike":{"x:Arns":"arn:aws:s3:*:*:*"}}`, facts{"x:arns*": {"arn:aws:s3:::b", "arn:aws:sns:us-west-2:123456789012:T"}}, true},
		{"ForAllValues:ArnNotEquals: none may match", sets, `{"ForAllValues:ArnNotEquals":{"x:Arns":"arn:aws:s3:::b"}}`, facts{"x:arns*": {"arn:aws:s3:::c", "arn:aws:s3:::b"}}, false},
	}
}
