package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// auditCase is one request of an operation and what its records must say.
type auditCase struct {
	name    string
	service string
	m       message
	status  int
	event   string // eventName of the record; "+" joins those that S3 and KMS make
	failure string // errorCode of the last one
}

// TestRecords makes a success and a failure of every operation, and compares
// their records with testdata/records.txt. What is the contract of all is
// checked here: who, when, which request, whether it reads or writes, and that
// nothing is in it that CloudTrail leaves out.
func TestRecords(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	cfg.Regions = []string{DefaultRegion, "eu-west-1"}
	s, stop := start(t, cfg)
	key, second := createKey(t, s.Endpoint()), createKey(t, s.Endpoint())
	var sealed struct{ CiphertextBlob string }
	const plaintext, metadata, content = "c2VjcmV0IHBsYWludGV4dA==", "words-about-an-object", "what the object holds"
	if err := json.Unmarshal([]byte(mustAsk(t, s.Endpoint(), "kms", kmsCall("Encrypt", `{"KeyId":"`+key+`","Plaintext":"`+plaintext+`","EncryptionContext":{"tenant":"t1"}}`)).body), &sealed); err != nil {
		t.Fatal(err)
	}
	made := func(spec, usage string) string {
		var r struct{ KeyMetadata struct{ KeyId string } }
		a := mustAsk(t, s.Endpoint(), "kms", kmsCall("CreateKey", `{"KeySpec":"`+spec+`","KeyUsage":"`+usage+`"}`))
		if err := json.Unmarshal([]byte(a.body), &r); err != nil {
			t.Fatal(err)
		}
		return r.KeyMetadata.KeyId
	}
	signer, macker, agreer := made("ECC_NIST_P256", "SIGN_VERIFY"), made("HMAC_256", "GENERATE_VERIFY_MAC"), made("ECC_NIST_P256", "KEY_AGREEMENT")
	var signed struct{ Signature, PublicKey, Mac string }
	for _, m := range []message{
		kmsCall("Sign", `{"KeyId":"`+signer+`","SigningAlgorithm":"ECDSA_SHA_256","Message":"`+plaintext+`"}`), kmsCall("GetPublicKey", `{"KeyId":"`+signer+`"}`),
		kmsCall("GenerateMac", `{"KeyId":"`+macker+`","MacAlgorithm":"HMAC_SHA_256","Message":"`+plaintext+`"}`),
	} {
		if err := json.Unmarshal([]byte(mustAsk(t, s.Endpoint(), "kms", m).body), &signed); err != nil {
			t.Fatal(err)
		}
	}
	var primary struct{ KeyMetadata struct{ KeyID string } }
	if err := json.Unmarshal([]byte(mustAsk(t, s.Endpoint(), "kms", kmsCall("CreateKey", `{"MultiRegion":true}`)).body), &primary); err != nil {
		t.Fatal(err)
	}
	mrk := primary.KeyMetadata.KeyID
	putBucket(t, s.Endpoint(), "bucket")
	upload, aborted := beginUpload(t, s.Endpoint(), "/bucket/parts"), beginUpload(t, s.Endpoint(), "/bucket/aborted")
	etag := mustAsk(t, s.Endpoint(), "s3", message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: content}).header.Get("Etag")
	const absent = "00000000-0000-4000-8000-000000000000"
	foreign := "arn:aws:kms:us-east-1:999999999999:key/" + absent
	kms := []field{{"X-Amz-Server-Side-Encryption", "aws:kms"}, {"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", key}}
	meta := []field{{"X-Amz-Meta-About", metadata}, {"Content-Type", "text/plain"}}
	k := kmsCall
	s3 := func(method, path, query, body string, headers ...field) message {
		return message{method: method, path: path, query: query, body: body, signed: append(headers, field{"User-Agent", "test-client/1.0"})}
	}
	const proxySecret = "DXjSUawnel2fr6SKC7G25CNxTyWKE5PF9XX6H/u9pSo="
	const credential = `{"AccessKeyId":"ABCDE2345672ABCDE234","RawSecretAccessKey":"` + proxySecret + `"}`
	proxy := func(host string) string {
		return `"CustomKeyStoreType":"EXTERNAL_KEY_STORE","XksProxyUriEndpoint":"https://` + host + `","XksProxyUriPath":"/kms/xks/v1","XksProxyConnectivity":"PUBLIC_ENDPOINT","XksProxyAuthenticationCredential":` + credential + `}`
	}
	external := proxy("xks.example.com")
	var first struct{ CustomKeyStoreId string }
	if err := json.Unmarshal([]byte(mustAsk(t, s.Endpoint(), "kms", kmsCall("CreateCustomKeyStore", `{"CustomKeyStoreName":"first",`+proxy("other.example.com"))).body), &first); err != nil {
		t.Fatal(err)
	}
	keyStore := first.CustomKeyStoreId
	listed := "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag + "</ETag></Part></CompleteMultipartUpload>"
	vault, imports := externalKey(t, s.Endpoint())
	cases := []auditCase{
		{"CreateKey", "kms", k("CreateKey", `{"Description":"a key","Tags":[]}`), 200, "CreateKey", ""},
		{"CreateKey fails", "kms", k("CreateKey", `{"KeySpec":"RSA_2048"}`), 400, "CreateKey", "ValidationException"},
		{"DescribeKey", "kms", k("DescribeKey", `{"KeyId":"`+key+`"}`), 200, "DescribeKey", ""},
		{"DescribeKey fails", "kms", k("DescribeKey", `{"KeyId":"`+absent+`"}`), 400, "DescribeKey", "NotFoundException"},
		{"CreateAlias", "kms", k("CreateAlias", `{"AliasName":"alias/app","TargetKeyId":"`+key+`"}`), 200, "CreateAlias", ""},
		{"CreateAlias fails", "kms", k("CreateAlias", `{"AliasName":"alias/app","TargetKeyId":"`+key+`"}`), 400, "CreateAlias", "AlreadyExistsException"},
		{"Encrypt", "kms", k("Encrypt", `{"KeyId":"alias/app","Plaintext":"`+plaintext+`","EncryptionContext":{"tenant":"t1"}}`), 200, "Encrypt", ""},
		{"Encrypt fails", "kms", k("Encrypt", `{"KeyId":"alias/none","Plaintext":"`+plaintext+`"}`), 400, "Encrypt", "NotFoundException"},
		{"Encrypt is denied", "kms", k("Encrypt", `{"KeyId":"`+foreign+`","Plaintext":"`+plaintext+`"}`), 400, "Encrypt", "AccessDenied"},
		{"Decrypt", "kms", k("Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","EncryptionContext":{"tenant":"t1"}}`), 200, "Decrypt", ""},
		{"Decrypt with a key id", "kms", k("Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","KeyId":"alias/app","EncryptionContext":{"tenant":"t1"}}`), 200, "Decrypt", ""},
		{"Decrypt fails", "kms", k("Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","EncryptionContext":{"tenant":"t2"}}`), 400, "Decrypt", "InvalidCiphertextException"},
		{"GenerateDataKey", "kms", k("GenerateDataKey", `{"KeyId":"alias/app","KeySpec":"AES_256","EncryptionContext":{"tenant":"t1"}}`), 200, "GenerateDataKey", ""},
		{"GenerateDataKey fails", "kms", k("GenerateDataKey", `{"KeyId":"alias/app","NumberOfBytes":1025}`), 400, "GenerateDataKey", "ValidationException"},
		{"GenerateDataKeyWithoutPlaintext", "kms", k("GenerateDataKeyWithoutPlaintext", `{"KeyId":"alias/app","NumberOfBytes":64}`), 200, "GenerateDataKeyWithoutPlaintext", ""},
		{"GenerateDataKeyWithoutPlaintext fails", "kms", k("GenerateDataKeyWithoutPlaintext", `{"KeyId":"alias/app"}`), 400, "GenerateDataKeyWithoutPlaintext", "ValidationException"},
		{"GenerateDataKeyPair", "kms", k("GenerateDataKeyPair", `{"KeyId":"alias/app","KeyPairSpec":"ECC_NIST_P256","EncryptionContext":{"tenant":"t1"}}`), 200, "GenerateDataKeyPair", ""},
		{"GenerateDataKeyPair fails", "kms", k("GenerateDataKeyPair", `{"KeyId":"alias/app","KeyPairSpec":"RSA_1024"}`), 400, "GenerateDataKeyPair", "ValidationException"},
		{"GenerateDataKeyPairWithoutPlaintext", "kms", k("GenerateDataKeyPairWithoutPlaintext", `{"KeyId":"alias/app","KeyPairSpec":"ECC_NIST_P256"}`), 200, "GenerateDataKeyPairWithoutPlaintext", ""},
		{"GenerateDataKeyPairWithoutPlaintext fails", "kms", k("GenerateDataKeyPairWithoutPlaintext", `{"KeyId":"`+absent+`","KeyPairSpec":"RSA_4096"}`), 400, "GenerateDataKeyPairWithoutPlaintext", "NotFoundException"},
		{"ListKeys", "kms", k("ListKeys", `{"Limit":10}`), 200, "ListKeys", ""},
		{"ListKeys fails", "kms", k("ListKeys", `{"Marker":"none"}`), 400, "ListKeys", "InvalidMarkerException"},
		{"ListAliases", "kms", k("ListAliases", `{"KeyId":"`+key+`"}`), 200, "ListAliases", ""},
		{"ListAliases fails", "kms", k("ListAliases", `{"KeyId":"`+absent+`"}`), 400, "ListAliases", "NotFoundException"},
		{"DisableKey", "kms", k("DisableKey", `{"KeyId":"`+key+`"}`), 200, "DisableKey", ""},
		{"Encrypt under a disabled key", "kms", k("Encrypt", `{"KeyId":"alias/app","Plaintext":"`+plaintext+`"}`), 400, "Encrypt", "DisabledException"},
		{"DisableKey fails", "kms", k("DisableKey", `{"KeyId":"alias/app"}`), 400, "DisableKey", "NotFoundException"},
		{"EnableKey", "kms", k("EnableKey", `{"KeyId":"`+key+`"}`), 200, "EnableKey", ""},
		{"EnableKey fails", "kms", k("EnableKey", `{"KeyId":"`+absent+`"}`), 400, "EnableKey", "NotFoundException"},

		{"ReEncrypt", "kms", k("ReEncrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","SourceEncryptionContext":{"tenant":"t1"},"DestinationKeyId":"`+second+`","DestinationEncryptionContext":{"tenant":"t2"}}`), 200, "ReEncrypt", ""},
		{"ReEncrypt fails", "kms", k("ReEncrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","SourceKeyId":"`+second+`","DestinationKeyId":"`+second+`"}`), 400, "ReEncrypt", "IncorrectKeyException"},
		{"ReEncrypt is denied", "kms", k("ReEncrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","DestinationKeyId":"`+foreign+`"}`), 400, "ReEncrypt", "AccessDenied"},
		{"GenerateRandom", "kms", k("GenerateRandom", `{"NumberOfBytes":32}`), 200, "GenerateRandom", ""},
		{"GenerateRandom fails", "kms", k("GenerateRandom", `{}`), 400, "GenerateRandom", "ValidationException"},
		{"CreateCustomKeyStore", "kms", k("CreateCustomKeyStore", `{"CustomKeyStoreName":"second",`+external), 200, "CreateCustomKeyStore", ""},
		{"CreateCustomKeyStore fails", "kms", k("CreateCustomKeyStore", `{"CustomKeyStoreName":"first",`+external), 400, "CreateCustomKeyStore", "CustomKeyStoreNameInUseException"},
		{"ConnectCustomKeyStore", "kms", k("ConnectCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`"}`), 200, "ConnectCustomKeyStore", ""},
		{"ConnectCustomKeyStore fails", "kms", k("ConnectCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`"}`), 400, "ConnectCustomKeyStore", "CustomKeyStoreInvalidStateException"},
		{"DescribeCustomKeyStores", "kms", k("DescribeCustomKeyStores", `{"CustomKeyStoreName":"first"}`), 200, "DescribeCustomKeyStores", ""},
		{"DescribeCustomKeyStores fails", "kms", k("DescribeCustomKeyStores", `{"CustomKeyStoreName":"none"}`), 400, "DescribeCustomKeyStores", "CustomKeyStoreNotFoundException"},
		{"DisconnectCustomKeyStore", "kms", k("DisconnectCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`"}`), 200, "DisconnectCustomKeyStore", ""},
		{"DisconnectCustomKeyStore fails", "kms", k("DisconnectCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`"}`), 400, "DisconnectCustomKeyStore", "CustomKeyStoreInvalidStateException"},
		{"UpdateCustomKeyStore", "kms", k("UpdateCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`","XksProxyUriPath":"/a/kms/xks/v1","XksProxyAuthenticationCredential":`+credential+`}`), 200, "UpdateCustomKeyStore", ""},
		{"UpdateCustomKeyStore fails", "kms", k("UpdateCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`","NewCustomKeyStoreName":"second"}`), 400, "UpdateCustomKeyStore", "CustomKeyStoreNameInUseException"},
		{"DeleteCustomKeyStore", "kms", k("DeleteCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`"}`), 200, "DeleteCustomKeyStore", ""},
		{"DeleteCustomKeyStore fails", "kms", k("DeleteCustomKeyStore", `{"CustomKeyStoreId":"`+keyStore+`"}`), 400, "DeleteCustomKeyStore", "CustomKeyStoreNotFoundException"},
		{"UpdateAlias", "kms", k("UpdateAlias", `{"AliasName":"alias/app","TargetKeyId":"`+second+`"}`), 200, "UpdateAlias", ""},
		{"UpdateAlias fails", "kms", k("UpdateAlias", `{"AliasName":"alias/none","TargetKeyId":"`+second+`"}`), 400, "UpdateAlias", "NotFoundException"},
		{"DeleteAlias", "kms", k("DeleteAlias", `{"AliasName":"alias/app"}`), 200, "DeleteAlias", ""},
		{"DeleteAlias fails", "kms", k("DeleteAlias", `{"AliasName":"alias/aws/s3"}`), 400, "DeleteAlias", "NotAuthorizedException"},
		{"TagResource", "kms", k("TagResource", `{"KeyId":"`+key+`","Tags":[{"TagKey":"team","TagValue":"blue"}]}`), 200, "TagResource", ""},
		{"TagResource fails", "kms", k("TagResource", `{"KeyId":"`+key+`","Tags":[{"TagKey":"aws:team","TagValue":"blue"}]}`), 400, "TagResource", "TagException"},
		{"ListResourceTags", "kms", k("ListResourceTags", `{"KeyId":"`+key+`","Limit":10}`), 200, "ListResourceTags", ""},
		{"ListResourceTags fails", "kms", k("ListResourceTags", `{"KeyId":"`+key+`","Marker":"none"}`), 400, "ListResourceTags", "InvalidMarkerException"},
		{"UntagResource", "kms", k("UntagResource", `{"KeyId":"`+key+`","TagKeys":["team"]}`), 200, "UntagResource", ""},
		{"UntagResource fails", "kms", k("UntagResource", `{"KeyId":"`+absent+`","TagKeys":["team"]}`), 400, "UntagResource", "NotFoundException"},
		{"UpdateKeyDescription", "kms", k("UpdateKeyDescription", `{"KeyId":"`+key+`","Description":"another"}`), 200, "UpdateKeyDescription", ""},
		{"UpdateKeyDescription fails", "kms", k("UpdateKeyDescription", `{"KeyId":"`+key+`"}`), 400, "UpdateKeyDescription", "ValidationException"},
		{"GetKeyLastUsage", "kms", k("GetKeyLastUsage", `{"KeyId":"`+key+`"}`), 200, "GetKeyLastUsage", ""},
		{"GetKeyLastUsage fails", "kms", k("GetKeyLastUsage", `{"KeyId":"alias/app"}`), 400, "GetKeyLastUsage", "NotFoundException"},
		{"GetKeyPolicy", "kms", k("GetKeyPolicy", `{"KeyId":"`+key+`","PolicyName":"default"}`), 200, "GetKeyPolicy", ""},
		{"GetKeyPolicy fails", "kms", k("GetKeyPolicy", `{"KeyId":"`+key+`","PolicyName":"other"}`), 400, "GetKeyPolicy", "NotFoundException"},
		{"PutKeyPolicy", "kms", k("PutKeyPolicy", `{"KeyId":"`+key+`","Policy":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"000000000000\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}}"}`), 200, "PutKeyPolicy", ""},
		{"PutKeyPolicy fails", "kms", k("PutKeyPolicy", `{"KeyId":"`+key+`","Policy":"{}"}`), 400, "PutKeyPolicy", "MalformedPolicyDocumentException"},
		{"ListKeyPolicies", "kms", k("ListKeyPolicies", `{"KeyId":"`+key+`"}`), 200, "ListKeyPolicies", ""},
		{"ListKeyPolicies fails", "kms", k("ListKeyPolicies", `{"KeyId":"`+absent+`"}`), 400, "ListKeyPolicies", "NotFoundException"},
		{"ScheduleKeyDeletion", "kms", k("ScheduleKeyDeletion", `{"KeyId":"`+second+`","PendingWindowInDays":7}`), 200, "ScheduleKeyDeletion", ""},
		{"ScheduleKeyDeletion fails", "kms", k("ScheduleKeyDeletion", `{"KeyId":"`+second+`"}`), 400, "ScheduleKeyDeletion", "KMSInvalidStateException"},
		{"CancelKeyDeletion", "kms", k("CancelKeyDeletion", `{"KeyId":"`+second+`"}`), 200, "CancelKeyDeletion", ""},
		{"CancelKeyDeletion fails", "kms", k("CancelKeyDeletion", `{"KeyId":"`+second+`"}`), 400, "CancelKeyDeletion", "KMSInvalidStateException"},
		{"EnableKeyRotation", "kms", k("EnableKeyRotation", `{"KeyId":"`+key+`","RotationPeriodInDays":180}`), 200, "EnableKeyRotation", ""},
		{"EnableKeyRotation fails", "kms", k("EnableKeyRotation", `{"KeyId":"`+second+`"}`), 400, "EnableKeyRotation", "DisabledException"},
		{"GetKeyRotationStatus", "kms", k("GetKeyRotationStatus", `{"KeyId":"`+key+`"}`), 200, "GetKeyRotationStatus", ""},
		{"GetKeyRotationStatus fails", "kms", k("GetKeyRotationStatus", `{"KeyId":"`+absent+`"}`), 400, "GetKeyRotationStatus", "NotFoundException"},
		{"RotateKeyOnDemand", "kms", k("RotateKeyOnDemand", `{"KeyId":"`+key+`"}`), 200, "RotateKeyOnDemand", ""},
		{"RotateKeyOnDemand fails", "kms", k("RotateKeyOnDemand", `{"KeyId":"`+second+`"}`), 400, "RotateKeyOnDemand", "DisabledException"},
		{"ListKeyRotations", "kms", k("ListKeyRotations", `{"KeyId":"`+key+`","IncludeKeyMaterial":"ALL_KEY_MATERIAL","Limit":10}`), 200, "ListKeyRotations", ""},
		{"ListKeyRotations fails", "kms", k("ListKeyRotations", `{"KeyId":"`+key+`","Marker":"none"}`), 400, "ListKeyRotations", "InvalidMarkerException"},
		{"DisableKeyRotation", "kms", k("DisableKeyRotation", `{"KeyId":"`+key+`"}`), 200, "DisableKeyRotation", ""},
		{"DisableKeyRotation fails", "kms", k("DisableKeyRotation", `{"KeyId":"alias/app"}`), 400, "DisableKeyRotation", "NotFoundException"},

		{"Sign", "kms", k("Sign", `{"KeyId":"`+signer+`","SigningAlgorithm":"ECDSA_SHA_256","Message":"`+plaintext+`"}`), 200, "Sign", ""},
		{"Sign fails", "kms", k("Sign", `{"KeyId":"`+signer+`","SigningAlgorithm":"ECDSA_SHA_256","MessageType":"DIGEST","Message":"`+plaintext+`"}`), 400, "Sign", "ValidationException"},
		{"Verify", "kms", k("Verify", `{"KeyId":"`+signer+`","SigningAlgorithm":"ECDSA_SHA_256","Message":"`+plaintext+`","Signature":"`+signed.Signature+`"}`), 200, "Verify", ""},
		{"Verify fails", "kms", k("Verify", `{"KeyId":"`+signer+`","SigningAlgorithm":"ECDSA_SHA_256","Message":"YQ==","Signature":"`+signed.Signature+`"}`), 400, "Verify", "KMSInvalidSignatureException"},
		{"GetPublicKey", "kms", k("GetPublicKey", `{"KeyId":"`+signer+`"}`), 200, "GetPublicKey", ""},
		{"GetPublicKey fails", "kms", k("GetPublicKey", `{"KeyId":"`+key+`"}`), 400, "GetPublicKey", "UnsupportedOperationException"},
		{"GenerateMac", "kms", k("GenerateMac", `{"KeyId":"`+macker+`","MacAlgorithm":"HMAC_SHA_256","Message":"`+plaintext+`"}`), 200, "GenerateMac", ""},
		{"GenerateMac fails", "kms", k("GenerateMac", `{"KeyId":"`+macker+`","MacAlgorithm":"HMAC_SHA_512","Message":"`+plaintext+`"}`), 400, "GenerateMac", "InvalidKeyUsageException"},
		{"VerifyMac", "kms", k("VerifyMac", `{"KeyId":"`+macker+`","MacAlgorithm":"HMAC_SHA_256","Message":"`+plaintext+`","Mac":"`+signed.Mac+`"}`), 200, "VerifyMac", ""},
		{"VerifyMac fails", "kms", k("VerifyMac", `{"KeyId":"`+macker+`","MacAlgorithm":"HMAC_SHA_256","Message":"YQ==","Mac":"`+signed.Mac+`"}`), 400, "VerifyMac", "KMSInvalidMacException"},
		{"DeriveSharedSecret", "kms", k("DeriveSharedSecret", `{"KeyId":"`+agreer+`","KeyAgreementAlgorithm":"ECDH","PublicKey":"`+signed.PublicKey+`"}`), 200, "DeriveSharedSecret", ""},
		{"DeriveSharedSecret fails", "kms", k("DeriveSharedSecret", `{"KeyId":"`+agreer+`","KeyAgreementAlgorithm":"ECDH","PublicKey":"YQ=="}`), 400, "DeriveSharedSecret", "ValidationException"},
		{"GetParametersForImport", "kms", k("GetParametersForImport", `{"KeyId":"`+vault+`","WrappingAlgorithm":"RSAES_OAEP_SHA_1","WrappingKeySpec":"RSA_2048"}`), 200, "GetParametersForImport", ""},
		{"GetParametersForImport fails", "kms", k("GetParametersForImport", `{"KeyId":"`+key+`","WrappingAlgorithm":"RSAES_OAEP_SHA_1","WrappingKeySpec":"RSA_2048"}`), 400, "GetParametersForImport", "UnsupportedOperationException"},
		{"ImportKeyMaterial", "kms", k("ImportKeyMaterial", imports), 200, "ImportKeyMaterial", ""},
		{"ImportKeyMaterial fails", "kms", k("ImportKeyMaterial", `{"KeyId":"`+vault+`","ImportToken":"dG9rZW4=","EncryptedKeyMaterial":"bWF0ZXJpYWw=","ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"}`), 400, "ImportKeyMaterial", "InvalidImportTokenException"},
		{"DeleteImportedKeyMaterial", "kms", k("DeleteImportedKeyMaterial", `{"KeyId":"`+vault+`"}`), 200, "DeleteImportedKeyMaterial", ""},
		{"DeleteImportedKeyMaterial fails", "kms", k("DeleteImportedKeyMaterial", `{"KeyId":"`+key+`"}`), 400, "DeleteImportedKeyMaterial", "UnsupportedOperationException"},
		{"ReplicateKey", "kms", k("ReplicateKey", `{"KeyId":"`+mrk+`","ReplicaRegion":"eu-west-1","Description":"a replica","Tags":[{"TagKey":"team","TagValue":"blue"}]}`), 200, "ReplicateKey+CreateKey", ""},
		{"ReplicateKey fails", "kms", k("ReplicateKey", `{"KeyId":"`+mrk+`","ReplicaRegion":"eu-west-1"}`), 400, "ReplicateKey", "AlreadyExistsException"},
		{"UpdatePrimaryRegion", "kms", k("UpdatePrimaryRegion", `{"KeyId":"`+mrk+`","PrimaryRegion":"eu-west-1"}`), 200, "UpdatePrimaryRegion+UpdatePrimaryRegion", ""},
		{"UpdatePrimaryRegion fails", "kms", k("UpdatePrimaryRegion", `{"KeyId":"`+mrk+`","PrimaryRegion":"eu-west-1"}`), 400, "UpdatePrimaryRegion", "UnsupportedOperationException"},

		{"GetCallerIdentity", "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"), 200, "GetCallerIdentity", ""},

		{"CreateBucket", "s3", s3("PUT", "/another-bucket", "", ""), 200, "CreateBucket", ""},
		{"CreateBucket fails", "s3", s3("PUT", "/Bucket", "", ""), 400, "CreateBucket", "InvalidBucketName"},
		{"HeadBucket", "s3", s3("HEAD", "/bucket", "", ""), 200, "HeadBucket", ""},
		{"HeadBucket fails", "s3", s3("HEAD", "/no-such-bucket", "", ""), 404, "HeadBucket", "NoSuchBucket"},
		{"DeleteBucket", "s3", s3("DELETE", "/another-bucket", "", ""), 204, "DeleteBucket", ""},
		{"DeleteBucket fails", "s3", s3("DELETE", "/another-bucket", "", ""), 404, "DeleteBucket", "NoSuchBucket"},
		{"ListBuckets", "s3", s3("GET", "/", "", ""), 200, "ListBuckets", ""},
		{"ListBuckets fails", "s3", s3("GET", "/", "max-buckets=0", ""), 400, "ListBuckets", "InvalidArgument"},
		{"GetBucketLocation", "s3", s3("GET", "/bucket", "location=", ""), 200, "GetBucketLocation", ""},
		{"GetBucketLocation fails", "s3", s3("GET", "/no-such-bucket", "location=", ""), 404, "GetBucketLocation", "NoSuchBucket"},
		{"PutObject", "s3", s3("PUT", "/bucket/key", "", content, meta...), 200, "PutObject", ""},
		{"PutObject with KMS", "s3", s3("PUT", "/bucket/kms", "", content, kms...), 200, "GenerateDataKey+PutObject", ""},
		{"PutObject fails", "s3", s3("PUT", "/bucket/key", "", content, field{"Content-Md5", "XUFAKrxLKna5cZ2REBfFkg=="}), 400, "PutObject", "BadDigest"},
		{"PutObject with KMS fails", "s3", s3("PUT", "/bucket/key", "", content, kms[0], field{kms[1].name, "alias/none"}), 400, "GenerateDataKey+PutObject", "KMS.NotFoundException"},
		{"GetObject", "s3", s3("GET", "/bucket/key", "", ""), 200, "GetObject+GetObject", ""},
		{"GetObject with KMS", "s3", s3("GET", "/bucket/kms", "", ""), 200, "Decrypt+GetObject+GetObject", ""},
		{"GetObject fails", "s3", s3("GET", "/bucket/none", "", ""), 404, "GetObject", "NoSuchKey"},
		{"HeadObject", "s3", s3("HEAD", "/bucket/key", "", ""), 200, "HeadObject", ""},
		{"HeadObject fails", "s3", s3("HEAD", "/bucket/none", "", ""), 404, "HeadObject", "NoSuchKey"},
		{"ListObjectsV2", "s3", s3("GET", "/bucket", "list-type=2&prefix=k", ""), 200, "ListObjects", ""},
		{"ListObjectsV2 fails", "s3", s3("GET", "/no-such-bucket", "list-type=2", ""), 404, "ListObjects", "NoSuchBucket"},
		{"ListObjects", "s3", s3("GET", "/bucket", "delimiter=%2F", ""), 200, "ListObjects", ""},
		{"ListObjects fails", "s3", s3("GET", "/bucket", "max-keys=-1", ""), 400, "ListObjects", "InvalidArgument"},
		{"DeleteObject", "s3", s3("DELETE", "/bucket/key", "", ""), 204, "DeleteObject", ""},
		{"DeleteObject of nothing", "s3", s3("DELETE", "/bucket/key", "", ""), 204, "DeleteObject", ""},
		{"DeleteObject fails", "s3", s3("DELETE", "/no-such-bucket/key", "", ""), 404, "DeleteObject", "NoSuchBucket"},
		{"CreateMultipartUpload", "s3", s3("POST", "/bucket/new", "uploads=", "", meta...), 200, "CreateMultipartUpload", ""},
		{"CreateMultipartUpload fails", "s3", s3("POST", "/no-such-bucket/new", "uploads=", ""), 404, "CreateMultipartUpload", "NoSuchBucket"},
		{"UploadPart", "s3", s3("PUT", "/bucket/parts", "partNumber=2&uploadId="+upload, content), 200, "UploadPart", ""},
		{"UploadPart fails", "s3", s3("PUT", "/bucket/parts", "partNumber=2&uploadId=none", content), 404, "UploadPart", "NoSuchUpload"},
		{"ListParts", "s3", s3("GET", "/bucket/parts", "uploadId="+upload, ""), 200, "ListParts", ""},
		{"ListParts fails", "s3", s3("GET", "/bucket/parts", "uploadId=none", ""), 404, "ListParts", "NoSuchUpload"},
		{"CompleteMultipartUpload fails", "s3", s3("POST", "/bucket/parts", "uploadId="+upload, strings.Replace(listed, ">1<", ">3<", 1)), 400, "CompleteMultipartUpload", "InvalidPart"},
		{"CompleteMultipartUpload", "s3", s3("POST", "/bucket/parts", "uploadId="+upload, listed), 200, "CompleteMultipartUpload", ""},
		{"AbortMultipartUpload", "s3", s3("DELETE", "/bucket/aborted", "uploadId="+aborted, ""), 204, "AbortMultipartUpload", ""},
		{"AbortMultipartUpload fails", "s3", s3("DELETE", "/bucket/aborted", "uploadId="+aborted, ""), 404, "AbortMultipartUpload", "NoSuchUpload"},
	}
	ids := make([]string, len(cases))
	for i, tt := range cases {
		a := ask(t, s.Endpoint(), tt.service, tt.m)
		if a.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", tt.name, a.status, a.body, tt.status)
		}
		ids[i] = a.header.Get("X-Amzn-Requestid") + a.header.Get("X-Amz-Request-Id")
	}
	stop()

	all := records(t, dir)
	byRequest := map[string][]string{}
	for _, r := range all {
		var id struct{ RequestID string }
		if err := json.Unmarshal([]byte(r), &id); err != nil {
			t.Fatal(err)
		}
		byRequest[id.RequestID] = append(byRequest[id.RequestID], r)
		for _, secret := range []string{plaintext, "secret plaintext", metadata, content, sealed.CiphertextBlob, sealed.CiphertextBlob[:40], signed.Signature, signed.Mac, wireSecret, proxySecret, "Authorization", "CiphertextBlob", "laintext\":"} {
			if strings.Contains(r, secret) {
				t.Errorf("%q is in the trail: %s", secret, r)
			}
		}
	}
	var out bytes.Buffer
	for i, tt := range cases {
		fmt.Fprintf(&out, "=== %s\n", tt.name)
		var events []string
		for j, raw := range byRequest[ids[i]] {
			events = append(events, checkRecord(t, tt, raw, j == len(byRequest[ids[i]])-1))
			var indented bytes.Buffer
			if err := json.Indent(&indented, []byte(raw), "", "  "); err != nil {
				t.Fatal(err)
			}
			out.WriteString(maskRecord(indented.String()) + "\n")
		}
		if got := strings.Join(events, "+"); got != tt.event {
			t.Errorf("%s: got records %q, want %q", tt.name, got, tt.event)
		}
	}
	text := strings.NewReplacer(upload, "UPLOADID", aborted, "UPLOADID").Replace(out.String())
	golden(t, "records.txt", []byte(text))
}

var recordMasks = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`("(?:requestID|originalRequestID)": )"[0-9A-F]{16}"`), `${1}"REQUESTID"`},
	{regexp.MustCompile(`\bmrk-[0-9a-f]{32}\b`), "MRK"},
	{regexp.MustCompile(`\bcks-[0-9a-f]{17}\b`), "KEYSTORE"},
	{regexp.MustCompile(`"[0-9a-f]{64}"`), `"MATERIAL"`},
	{regexp.MustCompile(`("x-amz-id-2": )"[^"]*"`), `${1}"HOSTID"`},
}

func maskRecord(s string) string {
	for _, m := range recordMasks {
		s = m.form.ReplaceAllString(s, m.name)
	}
	return s
}

// checkRecord checks what holds for every record and returns its event.
func checkRecord(t *testing.T, tt auditCase, raw string, last bool) string {
	t.Helper()
	var r struct {
		EventVersion, EventTime, EventSource, EventName, AWSRegion, SourceIPAddress string
		ErrorCode, ErrorMessage                                                     string
		RequestParameters, ResponseElements                                         json.RawMessage
		EventID, EventType, EventCategory, RecipientAccountID                       string
		ReadOnly, ManagementEvent                                                   *bool
		UserIdentity                                                                struct{ Type, PrincipalID, ARN, AccountID, AccessKeyID, InvokedBy string }
		Resources                                                                   []struct{ ARN, AccountID, Type string }
	}
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		t.Fatal(err)
	}
	writes := map[string]bool{
		"CreateKey": true, "CreateAlias": true, "DisableKey": true, "EnableKey": true, "UpdateAlias": true, "DeleteAlias": true, "TagResource": true, "UntagResource": true,
		"UpdateKeyDescription": true, "PutKeyPolicy": true, "ScheduleKeyDeletion": true, "CancelKeyDeletion": true, "CreateBucket": true, "DeleteBucket": true, "PutObject": true,
		"EnableKeyRotation": true, "DisableKeyRotation": true, "RotateKeyOnDemand": true, "ImportKeyMaterial": true, "DeleteImportedKeyMaterial": true,
		"CreateCustomKeyStore": true, "ConnectCustomKeyStore": true, "DisconnectCustomKeyStore": true, "UpdateCustomKeyStore": true, "DeleteCustomKeyStore": true,
		"ReplicateKey": true, "UpdatePrimaryRegion": true,
		"DeleteObject": true, "CreateMultipartUpload": true, "UploadPart": true, "CompleteMultipartUpload": true, "AbortMultipartUpload": true,
	}
	management := map[string]bool{"CreateBucket": true, "DeleteBucket": true, "HeadBucket": true, "ListBuckets": true, "GetBucketLocation": true}
	source := tt.service
	if strings.Contains(tt.event, "+") && (r.EventName == "GenerateDataKey" || r.EventName == "Decrypt") {
		source = "kms"
	}
	isManagement := source != "s3" || management[r.EventName]
	u, region := r.UserIdentity, DefaultRegion
	if u.InvokedBy == "kms.amazonaws.com" { // KMS did it elsewhere, because of the call
		region = "eu-west-1"
	}
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"eventVersion", r.EventVersion, "1.11"},
		{"eventTime", r.EventTime, "2026-11-23T11:02:03Z"},
		{"eventSource", r.EventSource, source + ".amazonaws.com"},
		{"eventType", r.EventType, "AwsApiCall"},
		{"awsRegion", r.AWSRegion, region},
		{"recipientAccountId", r.RecipientAccountID, DefaultAccount},
		{"type", u.Type, "Root"}, {"arn", u.ARN, "arn:aws:iam::" + DefaultAccount + ":root"}, {"accessKeyId", u.AccessKeyID, wireKeyID},
		{"accountId", u.AccountID, DefaultAccount}, {"principalId", u.PrincipalID, DefaultAccount},
		{"eventID", uuidForm.MatchString(r.EventID), true},
		{"readOnly", r.ReadOnly != nil && *r.ReadOnly == !writes[r.EventName], true},
		{"managementEvent", r.ManagementEvent != nil && *r.ManagementEvent == isManagement, true},
		{"eventCategory", r.EventCategory, map[bool]string{true: "Management", false: "Data"}[isManagement]},
		{"errorMessage with a code", r.ErrorCode == "" && r.ErrorMessage != "", false},
	} {
		if f.got != f.want {
			t.Errorf("%s: got %s %v, want %v in\n%s", tt.name, f.name, f.got, f.want, raw)
		}
	}
	if last && r.ErrorCode != tt.failure {
		t.Errorf("%s: got error code %q, want %q", tt.name, r.ErrorCode, tt.failure)
	}
	if source != tt.service && (u.InvokedBy != "AWS Internal" || r.SourceIPAddress != "AWS Internal") {
		t.Errorf("%s: got %s, want it invoked by AWS Internal", tt.name, raw)
	}
	if !writes[r.EventName] && len(r.ResponseElements) > 0 && string(r.ResponseElements) != "null" {
		t.Errorf("%s: got response elements %s of a read", tt.name, r.ResponseElements)
	}
	if r.ErrorCode == "AccessDenied" && string(r.RequestParameters) != "null" {
		t.Errorf("%s: got request parameters %s of a denied call", tt.name, r.RequestParameters)
	}
	// A call that found its key or bucket names it.
	if tt.failure == "" && r.EventSource != "sts.amazonaws.com" && !strings.HasPrefix(r.EventName, "ListKeys") && !strings.HasPrefix(r.EventName, "ListBuckets") &&
		!strings.Contains(r.EventName, "CustomKeyStore") && r.EventName != "ListAliases" && r.EventName != "GenerateRandom" && len(r.Resources) == 0 {
		t.Errorf("%s: got no resources in\n%s", tt.name, raw)
	}
	return r.EventName
}
