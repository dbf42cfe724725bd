// Package stsapi has the wire shapes and error codes of the AWS STS API,
// version 2011-06-15. It has no behaviour.
//
// The shapes are generated from internal/model/sts.json and spell every name as
// AWS does. Members that are absent on the wire are nil.
package stsapi

import "github.com/strongroom/strongroom/internal/awserr"

// Codes that every Query operation shares.
const (
	AccessDenied               awserr.Code = "AccessDenied"
	ExpiredToken               awserr.Code = "ExpiredToken"
	IncompleteSignature        awserr.Code = "IncompleteSignature"
	InternalFailure            awserr.Code = "InternalFailure"
	InvalidAction              awserr.Code = "InvalidAction"
	InvalidClientTokenId       awserr.Code = "InvalidClientTokenId"
	InvalidParameterValue      awserr.Code = "InvalidParameterValue"
	MalformedInput             awserr.Code = "MalformedInput"
	MissingAction              awserr.Code = "MissingAction"
	MissingAuthenticationToken awserr.Code = "MissingAuthenticationToken"
	NotImplemented             awserr.Code = "NotImplemented"
	SignatureDoesNotMatch      awserr.Code = "SignatureDoesNotMatch"
	Throttling                 awserr.Code = "Throttling"
	ValidationError            awserr.Code = "ValidationError"
)
