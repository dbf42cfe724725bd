package sigv4

// AWS's texts that more than one place needs.
const (
	textMismatch = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	textMismatchS3      = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	textUseV4           = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
	textAmbiguous       = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
	textUnsigned        = "There were headers present in the request which were not signed"
	textNeedsSignature  = "Authorization header requires 'Signature' parameter."
	textThreeComponents = "the authorization header requires three components: Credential, SignedHeaders, and Signature."
	textQueryNeeds      = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
	textNeedsDate       = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
	textNeedsDateS3     = "AWS authentication requires a valid Date or x-amz-date header"
	textBadHash         = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
)

// malformed makes an error of kind Malformed. S3's text for a header begins
// alike whatever is wrong with it.
func malformed(presigned bool, text, s3 string) *Error {
	if !presigned {
		s3 = "The authorization header is malformed; " + s3
	}
	return &Error{Kind: Malformed, Presigned: presigned, Message: text, S3Message: s3}
}

// malformedCredential is malformed for what is wrong inside the credential,
// where S3 names the parameter too.
func malformedCredential(presigned bool, text, s3 string) *Error {
	if presigned {
		s3 = "Error parsing the X-Amz-Credential parameter; " + s3
	}
	return malformed(presigned, text, s3)
}
