package kms_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

const (
	guide  = "KMS Developer Guide, AWS KMS condition keys, "
	global = "IAM User Guide, AWS global condition context keys, "
	abac   = "KMS Developer Guide, ABAC for AWS KMS"
)

// Each row is an operation that a key policy allows bob under a condition: it
// is allowed with the right value, and with the wrong one it is not.
func TestConditionsOfKeyPolicies(t *testing.T) {
	k := newKit(t)
	k.rights.give(bobARN, `{"Effect":"Allow","Action":["kms:CreateAlias","kms:UpdateAlias","kms:DeleteAlias"],"Resource":"arn:aws:kms:*:*:alias/*"},{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}`)
	type row struct{ operation, right, wrong, source string }
	rows := []row{
		{"Encrypt through S3", `"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`, `"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}`, guide + "kms:ViaService"},
		{"Encrypt", `"StringNotEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`, `"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`, guide + "kms:ViaService: absent from a direct call"},
		{"Encrypt", `"Null":{"kms:ViaService":"true"}`, `"Null":{"kms:ViaService":"false"}`, guide + "kms:ViaService"},
		{"Encrypt through S3", `"Bool":{"aws:ViaAWSService":"true"}`, `"Bool":{"aws:ViaAWSService":"false"}`, global + "aws:ViaAWSService"},

		{"Encrypt", `"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:KeySpec":"RSA_4096"}`, guide + "kms:KeySpec"},
		{"DescribeKey", `"StringLike":{"kms:KeySpec":"SYM*"}`, `"StringLike":{"kms:KeySpec":"RSA_*"}`, guide + "kms:KeySpec"},
		{"ScheduleKeyDeletion", `"StringEquals":{"kms:CustomerMasterKeySpec":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:CustomerMasterKeySpec":"RSA_2048"}`, guide + "kms:CustomerMasterKeySpec (deprecated)"},
		{"Decrypt", `"StringEquals":{"kms:KeyUsage":"ENCRYPT_DECRYPT"}`, `"StringEquals":{"kms:KeyUsage":"SIGN_VERIFY"}`, guide + "kms:KeyUsage"},
		{"DisableKey", `"StringEquals":{"kms:CustomerMasterKeyUsage":"ENCRYPT_DECRYPT"}`, `"StringEquals":{"kms:CustomerMasterKeyUsage":"SIGN_VERIFY"}`, guide + "kms:CustomerMasterKeyUsage (deprecated)"},
		{"GenerateDataKey", `"StringEquals":{"kms:KeyOrigin":"AWS_KMS"}`, `"StringEquals":{"kms:KeyOrigin":"EXTERNAL"}`, guide + "kms:KeyOrigin"},
		{"TagResource", `"StringEquals":{"kms:KeyOrigin":["EXTERNAL","AWS_KMS"]}`, `"StringNotEquals":{"kms:KeyOrigin":["EXTERNAL","AWS_KMS"]}`, guide + "kms:KeyOrigin"},
		{"Encrypt", `"Bool":{"kms:MultiRegion":"false"}`, `"Bool":{"kms:MultiRegion":"true"}`, guide + "kms:MultiRegion"},
		{"EnableKey", `"Bool":{"kms:MultiRegion":false}`, `"Bool":{"kms:MultiRegion":true}`, guide + "kms:MultiRegion"},
		{"Encrypt", `"Null":{"kms:MultiRegionKeyType":"true"}`, `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, guide + "kms:MultiRegionKeyType: only of multi-Region keys"},
		{"Encrypt under a primary key", `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, `"StringEquals":{"kms:MultiRegionKeyType":"REPLICA"}`, guide + "kms:MultiRegionKeyType"},
		{"Encrypt under a replica", `"StringEquals":{"kms:MultiRegionKeyType":"REPLICA"}`, `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, guide + "kms:MultiRegionKeyType"},
		{"Encrypt under a replica", `"Bool":{"kms:MultiRegion":"true"}`, `"Bool":{"kms:MultiRegion":"false"}`, guide + "kms:MultiRegion"},
		{"ReplicateKey", `"StringEquals":{"kms:ReplicaRegion":["eu-west-1","ap-south-1"]}`, `"StringEquals":{"kms:ReplicaRegion":"us-east-1"}`, guide + "kms:ReplicaRegion"},
		{"Encrypt", `"Null":{"kms:ReplicaRegion":"true"}`, `"StringEquals":{"kms:ReplicaRegion":"us-east-1"}`, guide + "kms:ReplicaRegion: of no other operation"},
		{"ReplicateKey", `"StringEquals":{"aws:RequestedRegion":"us-east-1"}`, `"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, global + "aws:RequestedRegion: that of the primary key"},
		{"UpdatePrimaryRegion", `"StringEquals":{"kms:PrimaryRegion":"eu-west-1"}`, `"StringEquals":{"kms:PrimaryRegion":"us-east-1"}`, guide + "kms:PrimaryRegion: the new one"},
		{"UpdatePrimaryRegion", `"StringLike":{"kms:MultiRegionKeyType":"*"}`, `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, guide + "kms:MultiRegionKeyType: each key has its own"},
		{"UpdatePrimaryRegion", `"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]}`, `"StringEquals":{"aws:RequestedRegion":"us-east-1"}`, global + "aws:RequestedRegion: of each key its own"},
		{"Encrypt", `"Null":{"kms:PrimaryRegion":"true"}`, `"StringEquals":{"kms:PrimaryRegion":"us-east-1"}`, guide + "kms:PrimaryRegion: of no other operation"},

		{"Encrypt", `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, `"StringEquals":{"kms:EncryptionContext:tenant":"t2"}`, guide + "kms:EncryptionContext:context-key"},
		{"Encrypt", `"StringEquals":{"kms:EncryptionContext:TENANT":"t1"}`, `"StringEquals":{"kms:EncryptionContext:tenant":"T1"}`, guide + "kms:EncryptionContext:context-key: the name has no case, the value has"},
		{"Encrypt", `"StringLike":{"kms:EncryptionContext:tenant":"t*"}`, `"StringLike":{"kms:EncryptionContext:tenant":"u*"}`, guide + "kms:EncryptionContext:context-key"},
		{"Encrypt without context", `"Null":{"kms:EncryptionContext:tenant":"true"}`, `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, guide + "kms:EncryptionContext:context-key"},
		{"Decrypt", `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, `"StringEquals":{"kms:EncryptionContext:user":"t1"}`, guide + "kms:EncryptionContext:context-key"},
		{"GenerateDataKey", `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, `"StringNotEquals":{"kms:EncryptionContext:tenant":"t1"}`, guide + "kms:EncryptionContext:context-key"},
		{"GenerateDataKeyWithoutPlaintext", `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, `"StringEquals":{"kms:EncryptionContext:tenant":""}`, guide + "kms:EncryptionContext:context-key"},
		{"ReEncrypt", `"StringEquals":{"kms:EncryptionContext:tenant":["t1","t2"]}`, `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, guide + "kms:EncryptionContext:context-key: of ReEncryptFrom and ReEncryptTo"},
		{"ReEncrypt to the same", `"StringEqualsIfExists":{"kms:EncryptionContext:tenant":"t1"}`, `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, guide + "kms:EncryptionContext:context-key: each side has its own"},
		{"Encrypt", `"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"tenant"}`, `"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"Tenant"}`, guide + "kms:EncryptionContextKeys: names have case in values"},
		{"Encrypt", `"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["tenant","user"]}`, `"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"user"}`, guide + "kms:EncryptionContextKeys"},
		{"Encrypt without context", `"Null":{"kms:EncryptionContextKeys":"true"}`, `"Null":{"kms:EncryptionContextKeys":"false"}`, guide + "kms:EncryptionContextKeys"},
		{"Decrypt", `"Null":{"kms:EncryptionContextKeys":"false"}`, `"Null":{"kms:EncryptionContextKeys":"true"}`, guide + "kms:EncryptionContextKeys"},
		{"ReEncrypt", `"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"tenant"}`, `"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"user"}`, guide + "kms:EncryptionContextKeys"},
		{"DescribeKey", `"Null":{"kms:EncryptionContextKeys":"true"}`, `"Null":{"kms:EncryptionContext:tenant":"false"}`, guide + "kms:EncryptionContextKeys: of no other operation"},

		{"Encrypt", `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"RSAES_OAEP_SHA_256"}`, guide + "kms:EncryptionAlgorithm: the default counts"},
		{"Decrypt", `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, `"StringNotEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, guide + "kms:EncryptionAlgorithm"},
		{"GenerateDataKey", `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"SM2PKE"}`, guide + "kms:EncryptionAlgorithm"},
		{"GenerateDataKeyWithoutPlaintext", `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"SM2PKE"}`, guide + "kms:EncryptionAlgorithm"},
		{"ReEncrypt", `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"RSAES_OAEP_SHA_1"}`, guide + "kms:EncryptionAlgorithm"},
		{"GenerateDataKeyPair", `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"RSAES_OAEP_SHA_1"}`, guide + "kms:EncryptionAlgorithm"},
		{"Encrypt with SM2", `"StringEquals":{"kms:EncryptionAlgorithm":"SM2PKE"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, guide + "kms:EncryptionAlgorithm"},
		{"Decrypt with SM2", `"StringEquals":{"kms:EncryptionAlgorithm":"SM2PKE"}`, `"StringLike":{"kms:EncryptionAlgorithm":"RSAES_*"}`, guide + "kms:EncryptionAlgorithm"},
		{"Encrypt with SM2", `"Null":{"kms:EncryptionContextKeys":"true"}`, `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, guide + "kms:EncryptionContext:context-key: only of symmetric encryption keys"},
		{"GenerateDataKeyPair", `"StringEquals":{"kms:DataKeyPairSpec":"ECC_NIST_P256"}`, `"StringLike":{"kms:DataKeyPairSpec":"RSA_*"}`, guide + "kms:DataKeyPairSpec"},
		{"GenerateDataKeyPairWithoutPlaintext", `"StringEquals":{"kms:DataKeyPairSpec":"ECC_NIST_P384"}`, `"StringEquals":{"kms:DataKeyPairSpec":"ECC_NIST_P256"}`, guide + "kms:DataKeyPairSpec"},
		{"GenerateDataKey", `"Null":{"kms:DataKeyPairSpec":"true"}`, `"StringLike":{"kms:DataKeyPairSpec":"*"}`, guide + "kms:DataKeyPairSpec: of no other operation"},
		{"GenerateDataKeyPair", `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, `"StringEquals":{"kms:EncryptionContext:tenant":"t2"}`, guide + "kms:EncryptionContext:context-key"},
		{"GenerateDataKeyPairWithoutPlaintext", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"Null":{"kms:RequestAlias":"true"}`, guide + "kms:RequestAlias"},
		{"DescribeKey", `"Null":{"kms:EncryptionAlgorithm":"true"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, guide + "kms:EncryptionAlgorithm: of no other operation"},

		{"Sign", `"StringEquals":{"kms:SigningAlgorithm":"ED25519_SHA_512"}`, `"StringEquals":{"kms:SigningAlgorithm":"ED25519_PH_SHA_512"}`, guide + "kms:SigningAlgorithm"},
		{"Sign a digest", `"StringLike":{"kms:SigningAlgorithm":"*_PH_*"}`, `"StringNotLike":{"kms:SigningAlgorithm":"ED25519_*"}`, guide + "kms:SigningAlgorithm"},
		{"Verify", `"StringEquals":{"kms:SigningAlgorithm":"ED25519_SHA_512"}`, `"StringEquals":{"kms:SigningAlgorithm":"ECDSA_SHA_256"}`, guide + "kms:SigningAlgorithm"},
		{"GetPublicKey", `"Null":{"kms:SigningAlgorithm":"true"}`, `"StringLike":{"kms:SigningAlgorithm":"*"}`, guide + "kms:SigningAlgorithm: of no other operation"},
		{"Sign", `"StringEquals":{"kms:MessageType":"RAW"}`, `"StringEquals":{"kms:MessageType":"DIGEST"}`, guide + "kms:MessageType: the default counts"},
		{"Sign a digest", `"StringEquals":{"kms:MessageType":"DIGEST"}`, `"StringEquals":{"kms:MessageType":"RAW"}`, guide + "kms:MessageType"},
		{"Verify", `"StringEquals":{"kms:MessageType":"RAW"}`, `"StringNotEquals":{"kms:MessageType":"RAW"}`, guide + "kms:MessageType"},
		{"GenerateMac", `"Null":{"kms:MessageType":"true"}`, `"StringEquals":{"kms:MessageType":"RAW"}`, guide + "kms:MessageType: of no other operation"},
		{"GenerateMac", `"StringEquals":{"kms:MacAlgorithm":"HMAC_SHA_256"}`, `"StringEquals":{"kms:MacAlgorithm":"HMAC_SHA_512"}`, guide + "kms:MacAlgorithm"},
		{"VerifyMac", `"StringLike":{"kms:MacAlgorithm":"HMAC_*"}`, `"StringNotEquals":{"kms:MacAlgorithm":"HMAC_SHA_256"}`, guide + "kms:MacAlgorithm"},
		{"Sign", `"Null":{"kms:MacAlgorithm":"true"}`, `"StringLike":{"kms:MacAlgorithm":"*"}`, guide + "kms:MacAlgorithm: of no other operation"},
		{"DeriveSharedSecret", `"StringEquals":{"kms:KeyAgreementAlgorithm":"ECDH"}`, `"StringNotEquals":{"kms:KeyAgreementAlgorithm":"ECDH"}`, guide + "kms:KeyAgreementAlgorithm"},
		{"GetPublicKey", `"Null":{"kms:KeyAgreementAlgorithm":"true"}`, `"StringEquals":{"kms:KeyAgreementAlgorithm":"ECDH"}`, guide + "kms:KeyAgreementAlgorithm: of no other operation"},
		{"Sign", `"StringEquals":{"kms:KeySpec":"ECC_NIST_EDWARDS25519"}`, `"StringEquals":{"kms:KeySpec":"ECC_NIST_P256"}`, guide + "kms:KeySpec"},
		{"GenerateMac", `"StringEquals":{"kms:KeyUsage":"GENERATE_VERIFY_MAC"}`, `"StringEquals":{"kms:KeyUsage":"SIGN_VERIFY"}`, guide + "kms:KeyUsage"},
		{"DeriveSharedSecret", `"Null":{"kms:EncryptionAlgorithm":"true","kms:EncryptionContextKeys":"true"}`, `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, guide + "kms:EncryptionAlgorithm: of no other operation"},
		{"Sign by alias", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"Null":{"kms:RequestAlias":"true"}`, guide + "kms:RequestAlias"},

		{"ReEncrypt to the same", `"Bool":{"kms:ReEncryptOnSameKey":"true"}`, `"Bool":{"kms:ReEncryptOnSameKey":"false"}`, guide + "kms:ReEncryptOnSameKey"},
		{"ReEncrypt", `"Bool":{"kms:ReEncryptOnSameKey":"false"}`, `"Bool":{"kms:ReEncryptOnSameKey":"true"}`, guide + "kms:ReEncryptOnSameKey"},
		{"Decrypt", `"Null":{"kms:ReEncryptOnSameKey":"true"}`, `"Bool":{"kms:ReEncryptOnSameKey":"false"}`, guide + "kms:ReEncryptOnSameKey: of no other operation"},

		{"Encrypt by alias", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"StringLike":{"kms:RequestAlias":"alias/other-*"}`, guide + "kms:RequestAlias"},
		{"Encrypt by alias ARN", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"StringLike":{"kms:RequestAlias":"arn:aws:kms:*"}`, guide + "kms:RequestAlias: the name, also of an ARN"},
		{"Encrypt", `"Null":{"kms:RequestAlias":"true"}`, `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, guide + "kms:RequestAlias: only of a request that has an alias"},
		{"Decrypt by alias", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"Null":{"kms:RequestAlias":"true"}`, guide + "kms:RequestAlias"},
		{"DescribeKey by alias", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"StringLike":{"kms:RequestAlias":"of-*"}`, guide + "kms:RequestAlias"},
		{"GenerateDataKey by alias", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"Null":{"kms:RequestAlias":"true"}`, guide + "kms:RequestAlias"},
		{"GenerateDataKeyWithoutPlaintext", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"Null":{"kms:RequestAlias":"true"}`, guide + "kms:RequestAlias"},
		{"ReEncrypt to the same", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"Null":{"kms:RequestAlias":"true"}`, guide + "kms:RequestAlias"},
		{"Encrypt by alias", `"Null":{"kms:ResourceAliases":"true"}`, `"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/*"}`, guide + "kms:ResourceAliases: IAM policies only"},

		{"Encrypt", `"StringEquals":{"aws:ResourceTag/Team":"blue"}`, `"StringEquals":{"aws:ResourceTag/Team":"red"}`, abac},
		{"Encrypt", `"StringEquals":{"aws:ResourceTag/team":"blue"}`, `"StringEquals":{"aws:ResourceTag/team":"Blue"}`, abac + ": the key has no case, the value has"},
		{"DescribeKey", `"Null":{"aws:ResourceTag/none":"true"}`, `"Null":{"aws:ResourceTag/stage":"true"}`, abac},
		{"UntagResource", `"StringNotEquals":{"aws:ResourceTag/stage":"production"}`, `"StringNotEquals":{"aws:ResourceTag/stage":"test"}`, abac},
		{"TagResource", `"StringEquals":{"aws:RequestTag/Team":"blue"}`, `"StringEquals":{"aws:RequestTag/Team":"red"}`, "KMS Developer Guide, Controlling access to tags"},
		{"TagResource", `"ForAllValues:StringEquals":{"aws:TagKeys":["Team","cost"]}`, `"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}`, "KMS Developer Guide, Controlling access to tags"},
		{"TagResource", `"ForAnyValue:StringEquals":{"aws:TagKeys":"cost"}`, `"ForAnyValue:StringEquals":{"aws:TagKeys":"stage"}`, "KMS Developer Guide, Controlling access to tags"},
		{"UntagResource", `"ForAllValues:StringEquals":{"aws:TagKeys":["stage"]}`, `"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}`, "KMS Developer Guide, Controlling access to tags"},
		{"UntagResource", `"Null":{"aws:RequestTag/stage":"true"}`, `"Null":{"aws:TagKeys":"true"}`, "Service Authorization Reference, UntagResource: aws:TagKeys alone"},
		{"Encrypt", `"Null":{"aws:TagKeys":"true"}`, `"Null":{"aws:RequestTag/Team":"false"}`, global + "aws:TagKeys"},

		{"PutKeyPolicy", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`, `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, guide + "kms:BypassPolicyLockoutSafetyCheck"},
		{"PutKeyPolicy with bypass", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`, guide + "kms:BypassPolicyLockoutSafetyCheck"},
		{"GetKeyPolicy", `"Null":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`, guide + "kms:BypassPolicyLockoutSafetyCheck: of no other operation"},
		{"ScheduleKeyDeletion", `"NumericLessThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"7"}`, `"NumericGreaterThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"7"}`, guide + "kms:ScheduleKeyDeletionPendingWindowInDays"},
		{"ScheduleKeyDeletion by default", `"NumericEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`, `"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`, guide + "kms:ScheduleKeyDeletionPendingWindowInDays"},

		{"EnableKeyRotation", `"NumericLessThanEquals":{"kms:RotationPeriodInDays":"180"}`, `"NumericGreaterThan":{"kms:RotationPeriodInDays":"180"}`, guide + "kms:RotationPeriodInDays"},
		{"EnableKeyRotation by default", `"NumericEquals":{"kms:RotationPeriodInDays":"365"}`, `"NumericLessThan":{"kms:RotationPeriodInDays":"365"}`, guide + "kms:RotationPeriodInDays: the default counts"},
		{"DisableKeyRotation", `"Null":{"kms:RotationPeriodInDays":"true"}`, `"NumericGreaterThan":{"kms:RotationPeriodInDays":"1"}`, guide + "kms:RotationPeriodInDays: of no other operation"},

		{"GetParametersForImport", `"StringEquals":{"kms:WrappingAlgorithm":"RSAES_OAEP_SHA_256"}`, `"StringEquals":{"kms:WrappingAlgorithm":"RSAES_OAEP_SHA_1"}`, guide + "kms:WrappingAlgorithm"},
		{"GetParametersForImport", `"StringEquals":{"kms:WrappingKeySpec":["RSA_3072","RSA_4096"]}`, `"StringEquals":{"kms:WrappingKeySpec":"RSA_2048"}`, guide + "kms:WrappingKeySpec"},
		{"ImportKeyMaterial", `"Null":{"kms:WrappingAlgorithm":"true"}`, `"StringEquals":{"kms:WrappingKeySpec":"RSA_3072"}`, guide + "kms:WrappingAlgorithm: of GetParametersForImport alone"},
		{"ImportKeyMaterial", `"StringEquals":{"kms:ExpirationModel":"KEY_MATERIAL_EXPIRES"}`, `"StringEquals":{"kms:ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"}`, guide + "kms:ExpirationModel: the default counts"},
		{"ImportKeyMaterial for good", `"StringEquals":{"kms:ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"}`, `"StringEquals":{"kms:ExpirationModel":"KEY_MATERIAL_EXPIRES"}`, guide + "kms:ExpirationModel"},
		{"ImportKeyMaterial", `"DateLessThanEquals":{"kms:ValidTo":"2026-12-01T00:00:00Z"}`, `"DateLessThan":{"kms:ValidTo":"2026-12-01T00:00:00Z"}`, guide + "kms:ValidTo"},
		{"ImportKeyMaterial", `"DateLessThan":{"kms:ValidTo":"1800000000"}`, `"DateGreaterThan":{"kms:ValidTo":"1800000000"}`, guide + "kms:ValidTo: seconds since 1970 too"},
		{"ImportKeyMaterial for good", `"Null":{"kms:ValidTo":"true"}`, `"DateGreaterThan":{"kms:ValidTo":"2000-01-01T00:00:00Z"}`, guide + "kms:ValidTo: only of what expires"},
		{"DeleteImportedKeyMaterial", `"Null":{"kms:ExpirationModel":"true"}`, `"Null":{"kms:ValidTo":"false"}`, guide + "kms:ExpirationModel: of no other operation"},

		{"Encrypt", `"ArnEquals":{"aws:PrincipalArn":"` + bobARN + `"}`, `"ArnEquals":{"aws:PrincipalArn":"` + carolARN + `"}`, global + "aws:PrincipalArn"},
		{"Decrypt", `"StringEquals":{"aws:userid":"` + bobID + `"}`, `"StringEquals":{"aws:userid":"` + aliceID + `"}`, global + "aws:userid"},
		{"DescribeKey", `"StringEquals":{"aws:ResourceAccount":"` + account + `"}`, `"StringEquals":{"aws:ResourceAccount":"` + other + `"}`, global + "aws:ResourceAccount"},
		{"GetKeyPolicy", `"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`, `"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`, global + "aws:SourceIp"},
		{"DisableKey", `"StringEquals":{"aws:RequestedRegion":"us-east-1"}`, `"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, global + "aws:RequestedRegion"},
		{"Encrypt", `"DateLessThan":{"aws:CurrentTime":"2026-11-24T00:00:00Z"}`, `"DateGreaterThan":{"aws:CurrentTime":"2026-11-24T00:00:00Z"}`, global + "aws:CurrentTime"},
	}
	for _, operation := range []string{
		"Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "ReEncrypt", "DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "ListKeyPolicies",
		"EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "TagResource", "UntagResource", "ListResourceTags", "UpdateKeyDescription",
		"CreateAlias", "UpdateAlias", "DeleteAlias", "Sign", "Verify", "GetPublicKey", "GenerateMac", "VerifyMac", "DeriveSharedSecret",
		"EnableKeyRotation", "DisableKeyRotation", "GetKeyRotationStatus", "RotateKeyOnDemand", "ListKeyRotations",
		"GetParametersForImport", "ImportKeyMaterial", "DeleteImportedKeyMaterial",
	} {
		rows = append(rows, row{operation, `"StringEquals":{"kms:CallerAccount":"` + account + `"}`, `"StringEquals":{"kms:CallerAccount":"` + other + `"}`, guide + "kms:CallerAccount"})
	}
	for _, r := range rows {
		t.Run(r.operation+" "+strings.NewReplacer(`"`, "", "/", ".").Replace(r.right), func(t *testing.T) {
			for condition, want := range map[string]bool{r.right: true, r.wrong: false} {
				s := k.stage(`{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:*","Resource":"*","Condition":{` + condition + `}}`)
				if err := operations[r.operation](s); allowed(t, err) != want {
					t.Errorf("{%s}: error is %v, want allowed: %v\nSource: %s", condition, err, want, r.source)
				}
			}
		})
	}
}

// The same for what an identity policy allows bob.
func TestConditionsOfIdentityPolicies(t *testing.T) {
	k := newKit(t)
	for _, r := range []struct{ operation, right, wrong, source string }{
		{"CreateKey", `"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT"}`, `"StringEquals":{"kms:KeySpec":"RSA_4096"}`, guide + "kms:KeySpec: the default counts"},
		{"CreateKey, all of it", `"StringEquals":{"kms:KeySpec":"RSA_4096"}`, `"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT"}`, guide + "kms:KeySpec"},
		{"CreateKey, all of it", `"StringEquals":{"kms:CustomerMasterKeySpec":"RSA_4096"}`, `"StringEquals":{"kms:CustomerMasterKeySpec":"SYMMETRIC_DEFAULT"}`, guide + "kms:CustomerMasterKeySpec (deprecated)"},
		{"CreateKey", `"StringEquals":{"kms:KeyUsage":"ENCRYPT_DECRYPT"}`, `"StringEquals":{"kms:KeyUsage":"SIGN_VERIFY"}`, guide + "kms:KeyUsage"},
		{"CreateKey, all of it", `"StringEquals":{"kms:KeyUsage":"SIGN_VERIFY"}`, `"StringEquals":{"kms:CustomerMasterKeyUsage":"ENCRYPT_DECRYPT"}`, guide + "kms:KeyUsage"},
		{"CreateKey", `"StringEquals":{"kms:KeyOrigin":"AWS_KMS"}`, `"StringNotEquals":{"kms:KeyOrigin":"AWS_KMS"}`, guide + "kms:KeyOrigin"},
		{"CreateKey, all of it", `"StringEquals":{"kms:KeyOrigin":"EXTERNAL"}`, `"StringEquals":{"kms:KeyOrigin":"AWS_KMS"}`, guide + "kms:KeyOrigin"},
		{"CreateKey", `"Bool":{"kms:MultiRegion":"false"}`, `"Bool":{"kms:MultiRegion":"true"}`, guide + "kms:MultiRegion"},
		{"CreateKey, all of it", `"Bool":{"kms:MultiRegion":"true"}`, `"Bool":{"kms:MultiRegion":"false"}`, guide + "kms:MultiRegion"},
		{"CreateKey, all of it", `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, `"StringEquals":{"kms:MultiRegionKeyType":"REPLICA"}`, guide + "kms:MultiRegionKeyType"},
		{"ReplicateKey", `"StringEqualsIfExists":{"kms:MultiRegionKeyType":["PRIMARY","REPLICA"]}`, `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, guide + "kms:MultiRegionKeyType: the creation is of a replica"},
		{"ReplicateKey", `"Bool":{"kms:MultiRegion":"true"}`, `"Bool":{"kms:MultiRegion":"false"}`, guide + "kms:MultiRegion: of the creation too"},
		{"ReplicateKey, all of it", `"StringEqualsIfExists":{"aws:RequestTag/Team":"red"}`, `"StringEqualsIfExists":{"aws:RequestTag/Team":"blue"}`, "KMS API Reference, ReplicateKey, Tags"},
		{"ReplicateKey, all of it", `"BoolIfExists":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, `"BoolIfExists":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`, guide + "kms:BypassPolicyLockoutSafetyCheck: of the creation"},
		{"ReplicateKey", `"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]}`, `"StringEquals":{"aws:RequestedRegion":"us-east-1"}`, global + "aws:RequestedRegion: the creation is in the replica's"},
		{"CreateKey", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`, `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, guide + "kms:BypassPolicyLockoutSafetyCheck"},
		{"CreateKey, all of it", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}`, guide + "kms:BypassPolicyLockoutSafetyCheck"},
		{"CreateKey, all of it", `"StringEquals":{"aws:RequestTag/Team":"blue"}`, `"StringEquals":{"aws:RequestTag/Team":"red"}`, "KMS Developer Guide, Controlling access to tags"},
		{"CreateKey", `"Null":{"aws:RequestTag/Team":"true"}`, `"StringEquals":{"aws:RequestTag/Team":"blue"}`, "KMS Developer Guide, Controlling access to tags"},
		{"CreateKey, all of it", `"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}`, `"ForAnyValue:StringEquals":{"aws:TagKeys":["Cost"]}`, "KMS Developer Guide, Controlling access to tags"},
		{"CreateKey", `"Null":{"kms:CallerAccount":"true"}`, `"StringEquals":{"kms:CallerAccount":"` + account + `"}`, guide + "kms:CallerAccount: not of CreateKey"},
		{"CreateKey", `"Null":{"aws:ResourceTag/Team":"true"}`, `"Null":{"kms:ViaService":"false"}`, guide + "a property of a key on an operation without one"},

		{"Encrypt", `"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/of-*"}`, `"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/other-*"}`, guide + "kms:ResourceAliases: however the request names the key"},
		{"Decrypt", `"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/of-*"}`, `"ForAllValues:StringLike":{"kms:ResourceAliases":"alias/other-*"}`, guide + "kms:ResourceAliases"},
		{"ScheduleKeyDeletion", `"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/of-*"}`, `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"of-*"}`, guide + "kms:ResourceAliases"},
		{"ReEncrypt", `"ForAllValues:StringLike":{"kms:ResourceAliases":"alias/of-*"}`, `"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/of-*"}`, guide + "kms:ResourceAliases: the destination has none"},
		{"Encrypt by alias", `"StringLike":{"kms:RequestAlias":"alias/of-*"}`, `"StringLike":{"kms:RequestAlias":"alias/other-*"}`, guide + "kms:RequestAlias"},
		{"Encrypt", `"StringEquals":{"aws:ResourceTag/Team":"blue"}`, `"StringEquals":{"aws:ResourceTag/Team":"red"}`, abac},
		{"Encrypt through S3", `"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`, `"Null":{"kms:ViaService":"true"}`, guide + "kms:ViaService"},
		{"GenerateDataKey", `"StringEquals":{"kms:EncryptionContext:tenant":"t1"}`, `"StringEquals":{"kms:EncryptionContext:tenant":"t2"}`, guide + "kms:EncryptionContext:context-key"},
		{"CreateAlias", `"StringEquals":{"kms:CallerAccount":"` + account + `"}`, `"StringEquals":{"kms:CallerAccount":"` + other + `"}`, "Service Authorization Reference, CreateAlias: of the alias and of the key"},
		{"DeleteAlias", `"Null":{"kms:ViaService":"true"}`, `"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`, "Service Authorization Reference, DeleteAlias"},
		{"UpdateAlias", `"StringEqualsIfExists":{"aws:ResourceTag/Team":"blue"}`, `"StringEquals":{"aws:ResourceTag/Team":"blue"}`, "Service Authorization Reference, UpdateAlias: an alias has no tags"},
	} {
		t.Run(r.operation+" "+strings.NewReplacer(`"`, "", "/", ".").Replace(r.right), func(t *testing.T) {
			for condition, want := range map[string]bool{r.right: true, r.wrong: false} {
				s := k.stage("")
				k.rights.give(bobARN, `{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{`+condition+`}}`)
				if err := operations[r.operation](s); allowed(t, err) != want {
					t.Errorf("{%s}: error is %v, want allowed: %v\nSource: %s", condition, err, want, r.source)
				}
			}
		})
	}
}

// Names of an encryption context that differ in case alone: a condition could
// mean either, so a request that has both is refused when a policy asks, for
// an Allow must not hold by one of them and a Deny must not fail by the other.
func TestAmbiguousNames(t *testing.T) {
	k := newKit(t)
	both := map[string]string{"tenant": "t1", "Tenant": "t2"}
	const text = "The encryption context has names that differ in nothing but case: tenant. A policy has a condition on them."
	for _, effect := range []string{"Allow", "Deny"} {
		s := k.stage(`{"Effect":"` + effect + `","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:tenant":"t1"}}}`)
		k.rights.give(bobARN, `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`)
		_, err := k.Encrypt(t.Context(), bob(), encryptRequest(s.key, "p", both))
		wantError(t, err, kmsapi.ValidationException, text)
		if r := k.last("Encrypt"); r.ErrorCode != "ValidationException" {
			t.Errorf("record is %s", r.raw)
		}
		// Where no policy asks, it is a context as any other.
		if _, err := k.Encrypt(t.Context(), bob(), encryptRequest(k.stage("").key, "p", both)); err != nil {
			t.Error(err)
		}
	}
	s := k.stage(`{"Effect":"Deny","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:TagResource","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"red"}}}`)
	err := k.TagResource(t.Context(), bob(), &kmsapi.TagResourceRequest{KeyId: &s.key, Tags: tagList("TEAM", "red", "team", "blue")})
	wantError(t, err, kmsapi.ValidationException, "The tags have keys that differ in nothing but case: team. A policy has a condition on them.")
}

// A key that has tags of both spellings has neither, as AWS has it: otherwise
// nobody could take them away.
func TestAmbiguousTags(t *testing.T) {
	k := newKit(t)
	s := k.stage(`{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Team":"blue"}}}`)
	if err := operations["Encrypt"](s); err != nil {
		t.Fatal(err)
	}
	k.check(k.tag(s.key, tagList("TEAM", "blue")))
	if err := operations["Encrypt"](s); cmp.Or(awserr.CodeOf(err), "none") != gate.AccessDenied {
		t.Errorf("error is %v, want AccessDenied", err)
	}
}

// What cannot be read is no answer: the aliases of a key when one was damaged.
func TestUnreadableAliases(t *testing.T) {
	k := newKit(t)
	s := k.stage("")
	k.rights.give(bobARN, `{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*","Condition":{"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/*"}}}`)
	if err := operations["Encrypt"](s); awserr.CodeOf(err) != gate.AccessDenied {
		t.Fatalf("error is %v, want AccessDenied", err)
	}
	k.rot("kms_aliases", account+"/"+region+"/"+s.alias)
	err := operations["Encrypt"](s)
	wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
}
