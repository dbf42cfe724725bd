package iam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// awsPolicies are the documents of the AWS managed policies that there are here,
// by ARN. They are those whose text can be stated exactly (AWS Managed Policy
// Reference Guide, and for the key management one AWS KMS Developer Guide, "AWS
// managed policies"), and that have something to say about the services served.
func awsPolicies() map[string]string {
	return map[string]string{
		identity.AdministratorAccess: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
		"arn:aws:iam::aws:policy/PowerUserAccess": `{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},` +
			`{"Effect":"Allow","Action":["account:GetAccountInformation","account:ListRegions","iam:CreateServiceLinkedRole",` +
			`"iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]}`,
		"arn:aws:iam::aws:policy/AmazonS3FullAccess": `{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}`,
		"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess": `{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}`,
		"arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser": `{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","Action":["kms:CreateAlias","kms:CreateKey","kms:DeleteAlias","kms:Describe*","kms:GenerateRandom",` +
			`"kms:Get*","kms:List*","kms:TagResource","kms:UntagResource","iam:ListGroups","iam:ListRoles","iam:ListUsers"],"Resource":"*"}]}`,
		"arn:aws:iam::aws:policy/AWSDenyAll": `{"Version":"2012-10-17","Statement":[` +
			`{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}]}`,
	}
}

// fullAWSAccess is the service control policy of that name, which AWS attaches
// at every level unless it is taken away (AWS Organizations User Guide, "SCP
// evaluation").
const fullAWSAccess = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// awsPrefix is what the ARNs of AWS's managed policies begin with.
const awsPrefix = "arn:aws:iam::aws:policy/"

// compileAWS compiles them.
func compileAWS() (map[string]*managed, error) {
	all := map[string]*managed{}
	for arn, text := range awsPolicies() {
		d, err := stored(policy.Identity, arn, text)
		if err != nil {
			return nil, err
		}
		all[arn] = &managed{Named: gate.Named{Name: arn, Document: d}}
	}
	return all, nil
}

// unknownAWS is the error for an AWS managed policy that there is not here.
func unknownAWS(arn string) error {
	var names []string
	for known := range awsPolicies() {
		names = append(names, strings.TrimPrefix(known, awsPrefix))
	}
	slices.Sort(names)
	return fmt.Errorf("policy %s is not known here; of AWS's managed policies there are %s: put its document in as a policy of your own", arn, strings.Join(names, ", "))
}
