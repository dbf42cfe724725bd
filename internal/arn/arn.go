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
	// Cut after cut: a slice of parts would be the only allocation.
	scheme, rest, _ := strings.Cut(s, ":")
	partition, rest, _ := strings.Cut(rest, ":")
	service, rest, _ := strings.Cut(rest, ":")
	region, rest, _ := strings.Cut(rest, ":")
	account, resource, _ := strings.Cut(rest, ":")
	if scheme != "arn" || partition == "" || service == "" || resource == "" {
		return ARN{}, false
	}
	return ARN{partition, service, region, account, resource}, true
}

// String prints the ARN; Parse(a.String()) gives a back.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.AccountID + ":" + a.Resource
}
