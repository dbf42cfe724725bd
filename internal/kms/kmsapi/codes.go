// Package kmsapi has the wire shapes and error codes of the AWS KMS API,
// version 2014-11-01. It has no behaviour.
//
// The shapes are generated from internal/model/kms.json and spell every name as
// AWS does. Members that are absent on the wire are nil.
package kmsapi

import "github.com/strongroom/strongroom/internal/awserr"

// Codes that KMS answers although no operation of its model declares them:
// those that every operation shares, and those of the request's front end.
const (
	AccessDeniedException               awserr.Code = "AccessDeniedException"
	ExpiredTokenException               awserr.Code = "ExpiredTokenException"
	IncompleteSignatureException        awserr.Code = "IncompleteSignatureException"
	InvalidSignatureException           awserr.Code = "InvalidSignatureException"
	MissingAuthenticationTokenException awserr.Code = "MissingAuthenticationTokenException"
	NotAuthorizedException              awserr.Code = "NotAuthorizedException"  // aliases under alias/aws/
	RequestAbortedException             awserr.Code = "RequestAbortedException" // the caller went away
	SerializationException              awserr.Code = "SerializationException"
	ThrottlingException                 awserr.Code = "ThrottlingException"
	UnknownOperationException           awserr.Code = "UnknownOperationException"
	UnrecognizedClientException         awserr.Code = "UnrecognizedClientException"
	ValidationException                 awserr.Code = "ValidationException"
)
