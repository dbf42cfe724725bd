// Package s3api has the wire shapes and error codes of the Amazon S3 API,
// version 2006-03-01. It has no behaviour.
//
// The shapes are generated from internal/model/s3.json and spell every name as
// AWS does. Members that are absent on the wire are nil. Object bodies are no
// member of any shape: the HTTP layer streams them.
package s3api

import "github.com/strongroom/strongroom/internal/awserr"

// Codes that S3 answers although its model declares them for no operation.
// The list is that of "Error responses" in the Amazon S3 API Reference, as far
// as the served operations can meet them.
const (
	AccessDenied                       awserr.Code = "AccessDenied"
	AuthorizationHeaderMalformed       awserr.Code = "AuthorizationHeaderMalformed"
	AuthorizationQueryParametersError  awserr.Code = "AuthorizationQueryParametersError"
	BadDigest                          awserr.Code = "BadDigest"
	BucketNotEmpty                     awserr.Code = "BucketNotEmpty"
	ConditionalRequestConflict         awserr.Code = "ConditionalRequestConflict"
	EntityTooLarge                     awserr.Code = "EntityTooLarge"
	EntityTooSmall                     awserr.Code = "EntityTooSmall"
	ExpiredToken                       awserr.Code = "ExpiredToken"
	IllegalLocationConstraintException awserr.Code = "IllegalLocationConstraintException"
	IncompleteBody                     awserr.Code = "IncompleteBody"
	InternalError                      awserr.Code = "InternalError"
	InvalidAccessKeyId                 awserr.Code = "InvalidAccessKeyId"
	InvalidArgument                    awserr.Code = "InvalidArgument"
	InvalidBucketName                  awserr.Code = "InvalidBucketName"
	InvalidDigest                      awserr.Code = "InvalidDigest"
	InvalidEncryptionAlgorithmError    awserr.Code = "InvalidEncryptionAlgorithmError"
	InvalidLocationConstraint          awserr.Code = "InvalidLocationConstraint"
	InvalidPart                        awserr.Code = "InvalidPart"
	InvalidPartOrder                   awserr.Code = "InvalidPartOrder"
	InvalidRange                       awserr.Code = "InvalidRange"
	InvalidStorageClass                awserr.Code = "InvalidStorageClass"
	InvalidTag                         awserr.Code = "InvalidTag"
	InvalidToken                       awserr.Code = "InvalidToken"
	InvalidURI                         awserr.Code = "InvalidURI"
	KeyTooLongError                    awserr.Code = "KeyTooLongError"
	MalformedPolicy                    awserr.Code = "MalformedPolicy"
	MalformedXML                       awserr.Code = "MalformedXML"
	MaxMessageLengthExceeded           awserr.Code = "MaxMessageLengthExceeded"
	MetadataTooLarge                   awserr.Code = "MetadataTooLarge"
	MethodNotAllowed                   awserr.Code = "MethodNotAllowed"
	MissingContentLength               awserr.Code = "MissingContentLength"
	MissingRequestBodyError            awserr.Code = "MissingRequestBodyError"
	MissingSecurityHeader              awserr.Code = "MissingSecurityHeader"
	NoSuchBucketPolicy                 awserr.Code = "NoSuchBucketPolicy"
	NoSuchVersion                      awserr.Code = "NoSuchVersion"
	NotImplemented                     awserr.Code = "NotImplemented"
	NotModified                        awserr.Code = "NotModified" // 304, without a body
	OperationAborted                   awserr.Code = "OperationAborted"
	PreconditionFailed                 awserr.Code = "PreconditionFailed"
	RequestTimeTooSkewed               awserr.Code = "RequestTimeTooSkewed"
	RequestTimeout                     awserr.Code = "RequestTimeout"
	ServiceUnavailable                 awserr.Code = "ServiceUnavailable"
	SignatureDoesNotMatch              awserr.Code = "SignatureDoesNotMatch"
	SlowDown                           awserr.Code = "SlowDown"
	TooManyBuckets                     awserr.Code = "TooManyBuckets"
	XAmzContentSHA256Mismatch          awserr.Code = "XAmzContentSHA256Mismatch"
)

// Codes of KMS as S3 passes them on, with a prefix.
const (
	KMSDisabledException        awserr.Code = "KMS.DisabledException"
	KMSInvalidKeyUsageException awserr.Code = "KMS.InvalidKeyUsageException"
	KMSInvalidStateException    awserr.Code = "KMS.KMSInvalidStateException"
	KMSNotFoundException        awserr.Code = "KMS.NotFoundException"
)
