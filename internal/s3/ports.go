package s3

import (
	"context"
	"errors"
	"io"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
)

// What an [ObjectStore] reports; each is wrapped with what was attempted.
var (
	// ErrNoBlob says that no blob has this id.
	ErrNoBlob = errors.New("no such blob")
	// ErrNoSpace says that the store has no room; nothing of the write is left.
	ErrNoSpace = errors.New("no space left in the object store")
)

// ObjectStore keeps sealed bytes under ids of its own making. Blobs are
// immutable, and an id says nothing about the object it belongs to.
//
// A blob is written in two steps, because the metadata is elsewhere: Commit
// makes it durable in a staging area; after the metadata transaction that
// refers to it committed, Publish moves it to its place. What a crash leaves
// between the two, Recover settles at the next start. All methods are safe for
// concurrent use.
type ObjectStore interface {
	// Create begins a blob.
	Create(ctx context.Context) (BlobWriter, error)
	// Publish moves a committed blob to its place. It is idempotent.
	Publish(ctx context.Context, id string) error
	// Open opens a committed blob, published or not; [ErrNoBlob] when there is none.
	Open(ctx context.Context, id string) (Blob, error)
	// Remove deletes a blob. Removing one that is not there is no error.
	Remove(ctx context.Context, id string) error
	// Recover publishes every staged blob that is known and removes the others.
	// It runs before the first request.
	Recover(ctx context.Context, known func(id string) (bool, error)) error
}

// BlobWriter writes one blob. It is for one goroutine.
type BlobWriter interface {
	io.Writer
	// Commit makes the bytes and the name durable and returns the id. No
	// other method may be called after it, except Abort, which does nothing then.
	Commit() (id string, err error)
	// Abort removes what was written.
	Abort()
}

// Blob is an open blob. ReadAt is safe for concurrent use.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64 // stored bytes
}

// DataKey is a KMS data key that never left the process: a handle to it, and
// the CiphertextBlob it is stored as.
type DataKey struct {
	Handle *hsm.DataKey
	Blob   []byte
	KeyARN string // of the KMS key that wraps it; empty for the service's own key
}

// KeyService is what this package needs of KMS. The first two calls are made
// with the requester's rights and are recorded as GenerateDataKey and Decrypt;
// their errors carry KMS's codes. The other two use the key that SSE-S3 keeps
// for itself in each account and region, which no caller can name.
type KeyService interface {
	// NewDataKey makes a data key under the key keyID names: an id, an ARN, an
	// alias, an alias ARN, or "" for the AWS managed key aws/s3.
	NewDataKey(ctx context.Context, c identity.Caller, keyID string, encryptionContext map[string]string) (DataKey, error)
	OpenDataKey(ctx context.Context, c identity.Caller, keyARN string, blob []byte, encryptionContext map[string]string) (*hsm.DataKey, error)
	NewServiceDataKey(ctx context.Context, account, region string) (DataKey, error)
	OpenServiceDataKey(ctx context.Context, account, region string, blob []byte) (*hsm.DataKey, error)
	// KeyARN names the key that NewDataKey would be asked for, for the condition
	// keys of policies. What names no key that c's account can name otherwise than
	// by an ARN comes back as it is. Nothing is authorised or recorded.
	KeyARN(ctx context.Context, c identity.Caller, keyID string) (string, error)
}
