package s3

import "github.com/strongroom/strongroom/internal/gate"

// EventSource is what CloudTrail calls the service.
const EventSource = "s3.amazonaws.com"

// operations are all that is served: CloudTrail's name, IAM's action, and
// whether CloudTrail counts it as a data event. CloudTrail calls ListObjectsV2
// ListObjects.
//
// Source: Service Authorization Reference, "Actions, resources, and condition
// keys for Amazon S3"; Amazon S3 User Guide, "Amazon S3 CloudTrail events".
var operations = map[string]gate.Operation{
	"ListBuckets":       {EventSource: EventSource, Name: "ListBuckets", Action: "s3:ListAllMyBuckets", ReadOnly: true},
	"CreateBucket":      {EventSource: EventSource, Name: "CreateBucket", Action: "s3:CreateBucket"},
	"HeadBucket":        {EventSource: EventSource, Name: "HeadBucket", Action: "s3:ListBucket", ReadOnly: true},
	"DeleteBucket":      {EventSource: EventSource, Name: "DeleteBucket", Action: "s3:DeleteBucket"},
	"GetBucketLocation": {EventSource: EventSource, Name: "GetBucketLocation", Action: "s3:GetBucketLocation", ReadOnly: true},

	"PutBucketPolicy":       {EventSource: EventSource, Name: "PutBucketPolicy", Action: "s3:PutBucketPolicy"},
	"GetBucketPolicy":       {EventSource: EventSource, Name: "GetBucketPolicy", Action: "s3:GetBucketPolicy", ReadOnly: true},
	"GetBucketPolicyStatus": {EventSource: EventSource, Name: "GetBucketPolicyStatus", Action: "s3:GetBucketPolicyStatus", ReadOnly: true},
	"DeleteBucketPolicy":    {EventSource: EventSource, Name: "DeleteBucketPolicy", Action: "s3:DeleteBucketPolicy"},

	"ListObjects":   {EventSource: EventSource, Name: "ListObjects", Action: "s3:ListBucket", ReadOnly: true, Data: true},
	"ListObjectsV2": {EventSource: EventSource, Name: "ListObjects", Action: "s3:ListBucket", ReadOnly: true, Data: true},
	"PutObject":     {EventSource: EventSource, Name: "PutObject", Action: "s3:PutObject", Data: true},
	"GetObject":     {EventSource: EventSource, Name: "GetObject", Action: "s3:GetObject", ReadOnly: true, Data: true},
	"HeadObject":    {EventSource: EventSource, Name: "HeadObject", Action: "s3:GetObject", ReadOnly: true, Data: true},
	"CopyObject":    {EventSource: EventSource, Name: "CopyObject", Action: "s3:PutObject", Data: true},
	"DeleteObject":  {EventSource: EventSource, Name: "DeleteObject", Action: "s3:DeleteObject", Data: true},

	// Each key is authorised as s3:DeleteObject, or s3:DeleteObjectVersion.
	"DeleteObjects": {EventSource: EventSource, Name: "DeleteObjects", Action: "s3:DeleteObject", Data: true},

	"CreateMultipartUpload":   {EventSource: EventSource, Name: "CreateMultipartUpload", Action: "s3:PutObject", Data: true},
	"UploadPart":              {EventSource: EventSource, Name: "UploadPart", Action: "s3:PutObject", Data: true},
	"UploadPartCopy":          {EventSource: EventSource, Name: "UploadPartCopy", Action: "s3:PutObject", Data: true},
	"CompleteMultipartUpload": {EventSource: EventSource, Name: "CompleteMultipartUpload", Action: "s3:PutObject", Data: true},
	"AbortMultipartUpload":    {EventSource: EventSource, Name: "AbortMultipartUpload", Action: "s3:AbortMultipartUpload", Data: true},
	"ListMultipartUploads":    {EventSource: EventSource, Name: "ListMultipartUploads", Action: "s3:ListBucketMultipartUploads", ReadOnly: true, Data: true},
	"ListParts":               {EventSource: EventSource, Name: "ListParts", Action: "s3:ListMultipartUploadParts", ReadOnly: true, Data: true},
}

// Action returns the IAM action of an operation, "" when it is not served.
func Action(operation string) string { return operations[operation].Action }
