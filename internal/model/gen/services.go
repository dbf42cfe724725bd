package main

// service is one model and the package that its shapes go to.
type service struct {
	file       string // in internal/model
	dir        string // of the generated package, under internal
	pkg        string
	operations []string
}

// services names every operation that the server serves. A new operation
// starts with a line here, a run of trim and a run of shapes.
var services = []service{
	{
		file: "kms.json", dir: "kms/kmsapi", pkg: "kmsapi",
		operations: []string{
			"CreateKey", "DescribeKey", "ListKeys", "EnableKey", "DisableKey", "UpdateKeyDescription",
			"ScheduleKeyDeletion", "CancelKeyDeletion",
			"Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateRandom",
			"CreateAlias", "UpdateAlias", "DeleteAlias", "ListAliases",
			"TagResource", "UntagResource", "ListResourceTags",
			"GetKeyPolicy", "PutKeyPolicy", "ListKeyPolicies",
			"CreateGrant", "ListGrants", "ListRetirableGrants", "RetireGrant", "RevokeGrant",
			"Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "GetPublicKey",
			"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
			"GetParametersForImport", "ImportKeyMaterial", "DeleteImportedKeyMaterial",
			"EnableKeyRotation", "DisableKeyRotation", "GetKeyRotationStatus", "RotateKeyOnDemand", "ListKeyRotations",
			"ReplicateKey", "UpdatePrimaryRegion", "GetKeyLastUsage",
			"CreateCustomKeyStore", "ConnectCustomKeyStore", "DisconnectCustomKeyStore", "DescribeCustomKeyStores",
			"UpdateCustomKeyStore", "DeleteCustomKeyStore",
		},
	},
	{
		file: "s3.json", dir: "s3/s3api", pkg: "s3api",
		operations: []string{
			"CreateBucket", "HeadBucket", "ListBuckets", "DeleteBucket", "GetBucketLocation",
			"PutObject", "GetObject", "HeadObject", "CopyObject", "DeleteObject", "DeleteObjects", "ListObjects", "ListObjectsV2",
			"CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload",
			"ListParts", "ListMultipartUploads",
			"PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy", "GetBucketPolicyStatus",
		},
	},
	{
		file: "sts.json", dir: "sts/stsapi", pkg: "stsapi",
		operations: []string{"AssumeRole", "GetAccessKeyInfo", "GetCallerIdentity", "GetSessionToken"},
	},
}

// sensitive names shapes that the models do not mark although whoever has such
// a value has rights by it. Marked, they are in no ValidationException, whose
// text goes into the trail: an audit record must not hold grant tokens.
var sensitive = []string{"GrantTokenType"}
