package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

// InvalidPartNumber is the code of a read that names a part the object does
// not have (status 416). The model declares it for no operation.
const InvalidPartNumber awserr.Code = "InvalidPartNumber"

// ErrTampered says that what is stored for an object is not what was written:
// a sealed record or a chunk does not open, or two of them disagree. It reaches
// the client as InternalError; the log names the object.
var ErrTampered = errors.New("stored data does not authenticate")

// tampered names the thing and keeps the cause for the log.
func tampered(what string, cause error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrTampered, cause)
}

// outcome turns an error from below into the one the client gets. An error
// without a code stays as it is: the edge answers InternalError and logs it.
func outcome(err error) error {
	switch {
	case err == nil, awserr.CodeOf(err) != "":
		return err
	case errors.Is(err, ErrNoSpace), errors.Is(err, store.ErrDiskFull):
		return awserr.Wrap(err, s3api.ServiceUnavailable, "Service is unable to handle request.")
	case errors.Is(err, context.Canceled):
		return hungUp(err)
	case errors.Is(err, hsm.ErrAuth), errors.Is(err, sse.ErrTampered):
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return err
}

// hungUp is the outcome of a call whose client went away. Nobody hears the
// answer, and it is no fault of the server's.
func hungUp(err error) error {
	return awserr.Wrap(err, s3api.RequestTimeout, "Your socket connection to the server was not read from or written to within the timeout period.")
}

// kmsError carries an error of KMS over to S3: a refusal stays AccessDenied,
// KMS's client errors get the prefix "KMS.", its server errors lose their code
// (contracts: SSE-KMS errors as recorded from AWS).
func kmsError(err error) error {
	e, ok := errors.AsType[*awserr.Error](err)
	if !ok {
		return err
	}
	switch code := string(e.Code); code {
	case "AccessDenied", "AccessDeniedException":
		return awserr.Wrap(err, s3api.AccessDenied, "%s", e.Message)
	case "InvalidCiphertextException", "IncorrectKeyException":
		// The caller sent no ciphertext: it is ours, and it was changed.
		return tampered("data key", hideCode(err))
	case "RequestAbortedException":
		return hungUp(hideCode(err))
	case "ThrottlingException":
		return awserr.Wrap(err, s3api.SlowDown, "Please reduce your request rate for operations involving AWS KMS.")
	case "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException":
		return hideCode(err)
	default:
		if !strings.HasSuffix(code, "Exception") {
			return hideCode(err)
		}
		return awserr.Wrap(err, awserr.Code("KMS."+code), "%s", e.Message)
	}
}

// hideCode keeps the text for the log and drops the code, which is not S3's.
func hideCode(err error) error { return errors.New("KMS: " + err.Error()) }

// describe names an object in errors.
func describe(bucket, key string) string { return "object " + bucket + "/" + key }

func noSuchBucket(name string) error {
	return awserr.New(s3api.NoSuchBucket, "The specified bucket does not exist").With("BucketName", name)
}

func noSuchKey(key string) error {
	return awserr.New(s3api.NoSuchKey, "The specified key does not exist.").With("Key", key)
}

func noSuchUpload(uploadID string) error {
	return awserr.New(s3api.NoSuchUpload, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").
		With("UploadId", uploadID)
}

func invalidArgument(name, value, format string, args ...any) error {
	return awserr.New(s3api.InvalidArgument, format, args...).With("ArgumentName", name).With("ArgumentValue", value)
}

func invalidRequest(format string, args ...any) error {
	return awserr.New(s3api.InvalidRequest, format, args...)
}

func preconditionFailed(condition string) error {
	return awserr.New(s3api.PreconditionFailed, "At least one of the pre-conditions you specified did not hold").With("Condition", condition)
}

// notImplemented refuses a header or sub-resource that asks for what is not
// built. Nothing that asks for behaviour is ever ignored.
func notImplemented(header string) error {
	return awserr.New(s3api.NotImplemented, "A header you provided implies functionality that is not implemented").With("Header", header)
}
