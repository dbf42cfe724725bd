// Package arn parses and prints Amazon Resource Names: arn:partition:service:region:account:resource.
//
// Source: AWS General Reference, "Identify AWS resources with Amazon Resource Names (ARNs)".
package arn

import "strings"

// Partition is the only partition this server has.
const Partition = "aws"

// ARN is a parsed name. Region and AccountID may be empty (S3 buckets have neither).
type ARN struct {
	Partition, Service, Region, AccountID, Resource string
}

// New makes an ARN in the server's partition. Resource is everything after the
// fifth colon and may itself hold colons and slashes.
func New(service, region, accountID, resource string) ARN {
	return ARN{Partition, service, region, accountID, resource}
}

// Parse splits s at its first five colons. It reports false unless all six
// parts exist and the partition, service and resource are not empty.
func Parse(s string) (ARN, bool) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, false
	}
	return ARN{p[1], p[2], p[3], p[4], p[5]}, true
}

// String prints the ARN; Parse(a.String()) gives a back.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.AccountID + ":" + a.Resource
}
