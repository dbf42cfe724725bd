package s3

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

// The rows of this package are drawn in docs/formats/object-records.md.
const recordVersion = 1

// bucketRecord is the document of a bucket: an authority row, sealed by a MAC,
// because it says who owns what is inside.
type bucketRecord struct {
	Version int    `json:"version"`
	ID      string `json:"id"` // tells a bucket from a later one of the same name
	Name    string `json:"name"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Location is the location constraint, where it is not the region's name.
	Location string    `json:"location,omitempty"`
	Created  time.Time `json:"created"`
	// Policy is the id of the bucket's policy; empty: it has none.
	Policy string `json:"policy,omitempty"`
}

// envelope is how the key of an object is kept: in the clear, because every
// part of it is wrapped, and bound as additional data of the sealed record
// beside it, so that none can be exchanged.
type envelope struct {
	Instance  []byte `json:"instance"` // 16 random bytes, chosen when the write begins
	Mode      string `json:"mode"`     // AES256 or aws:kms
	KeyARN    string `json:"keyArn,omitempty"`
	DataKey   []byte `json:"dataKey"`   // CiphertextBlob of the KMS data key
	ObjectKey []byte `json:"objectKey"` // wrapped by the data key
}

// binding is what the wrapped object key and the manifest are bound to.
func (e envelope) binding(bucket, key string) (sse.Binding, error) {
	mode, ok := sse.ParseMode(e.Mode)
	if !ok {
		return sse.Binding{}, tampered("mode of object "+bucket+"/"+key, fmt.Errorf("%q", e.Mode))
	}
	if len(e.Instance) != 16 {
		return sse.Binding{}, tampered("instance of object "+bucket+"/"+key, fmt.Errorf("%d bytes", len(e.Instance)))
	}
	return sse.Binding{Mode: mode, Bucket: bucket, Key: key, Instance: [16]byte(e.Instance)}, nil
}

// objectDoc is the document of an object.
type objectDoc struct {
	Version int `json:"version"`
	envelope
	Attributes   []byte `json:"attributes"`             // attributes, sealed by the record key
	Manifest     []byte `json:"manifest,omitempty"`     // sealed by the object key
	ManifestBlob string `json:"manifestBlob,omitempty"` // where a manifest too long for the row is
}

// uploadDoc is the document of a multipart upload in progress.
type uploadDoc struct {
	Version int `json:"version"`
	envelope
	Attributes []byte `json:"attributes"`
}

// attributes is what HEAD and listings answer. It is opened with the record
// key, without a call to KMS.
type attributes struct {
	Size     int64     `json:"size"`
	ETag     string    `json:"etag"` // without quotes
	Modified time.Time `json:"modified"`
	Blob     string    `json:"blob,omitempty"` // of an object that was put whole

	// Of an object made by a multipart upload, whose blobs are in the rows of
	// its parts. The upload's id also lets a client repeat Complete.
	Parts    int    `json:"parts,omitempty"`
	UploadID string `json:"uploadId,omitempty"`

	ChecksumAlgorithm string `json:"checksumAlgorithm,omitempty"`
	ChecksumType      string `json:"checksumType,omitempty"`

	// Context is the encryption context of the KMS data key, aws:s3:arn included.
	Context map[string]string `json:"context,omitempty"`
	// SSEApplied is CloudTrail's word for how the mode was chosen.
	SSEApplied string `json:"sseApplied"`

	headers
	Metadata map[string]string `json:"metadata,omitempty"`

	// Of an upload in progress.
	Initiated     time.Time `json:"initiated,omitzero"`
	InitiatorARN  string    `json:"initiatorArn,omitempty"`
	InitiatorName string    `json:"initiatorName,omitempty"`
}

// headers are the standard headers that S3 stores and gives back.
type headers struct {
	CacheControl       string `json:"cacheControl,omitempty"`
	ContentDisposition string `json:"contentDisposition,omitempty"`
	ContentEncoding    string `json:"contentEncoding,omitempty"`
	ContentLanguage    string `json:"contentLanguage,omitempty"`
	ContentType        string `json:"contentType,omitempty"`
	Expires            string `json:"expires,omitempty"`
}

// partDoc is the document of an uploaded part. The blob is in the clear so
// that a part whose record does not open can still be removed.
type partDoc struct {
	Version int    `json:"version"`
	Blob    string `json:"blob"`
	Record  []byte `json:"record"` // partRecord, sealed by the record key
}

// partRecord is what the server knows of a part before Complete.
type partRecord struct {
	Number   int32     `json:"number"`
	Size     int64     `json:"size"` // plaintext bytes
	Salt     []byte    `json:"salt"` // of the stored part
	ETag     string    `json:"etag"`
	MD5      []byte    `json:"md5,omitempty"` // only where the ETag is made of it
	Checksum string    `json:"checksum"`      // base64, by the upload's algorithm
	Modified time.Time `json:"modified"`
	Blob     string    `json:"-"`

	// What the client sent, where it is of another algorithm than the upload's.
	GivenAlgorithm string `json:"givenAlgorithm,omitempty"`
	Given          string `json:"given,omitempty"`
}

// Row keys.

func objectRowKey(bucket, key string) string { return bucket + "/" + key }

func uploadRowKey(bucket, key, uploadID string) string {
	return bucket + "/" + hex.EncodeToString([]byte(key)) + "/" + uploadID
}

func partRowKey(uploadID string, number int32) string {
	return fmt.Sprintf("%s/%05d", uploadID, number)
}

// recordAAD is what a sealed record is bound to: its kind and place, and the
// clear members beside it. The bucket's id keeps what was in a bucket from
// turning up in a later one of the same name.
func recordAAD(kind string, b *bucketRecord, key, id string, e envelope, extra string) []byte {
	aad := []byte("strongroom s3 record 1")
	for _, part := range [][]byte{
		[]byte(kind), []byte(b.Name), []byte(b.ID), []byte(key), []byte(id),
		e.Instance, []byte(e.Mode), []byte(e.KeyARN), e.DataKey, e.ObjectKey, []byte(extra),
	} {
		aad = binary.BigEndian.AppendUint32(aad, uint32(len(part)))
		aad = append(aad, part...)
	}
	return aad
}

// recordKey is the record key of a region. It is missing when the server was
// started without a region that has buckets.
func (s *Service) recordKey(region string) (*hsm.RecordKey, error) {
	if k := s.records[region]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("region %s is not enabled on this server", region)
}

// sealJSON seals v as JSON under the record key of a region.
func (s *Service) sealJSON(region string, v any, aad []byte) ([]byte, error) {
	k, err := s.recordKey(region)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding record: %w", err)
	}
	return k.Seal(nil, plain, aad), nil
}

// openJSON is the reverse; what names the record in the error.
func (s *Service) openJSON(region, what string, sealed, aad []byte, v any) error {
	k, err := s.recordKey(region)
	if err != nil {
		return err
	}
	plain, err := k.Open(sealed, aad)
	if err != nil {
		return tampered(what, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return tampered(what, err)
	}
	return nil
}

// object is a loaded object record.
type object struct {
	rev   int64
	doc   objectDoc
	attrs attributes
}

// decodeObject opens an object's row as far as the record key goes.
func (s *Service) decodeObject(b *bucketRecord, key string, row store.Row) (*object, error) {
	o := &object{rev: row.Rev}
	what := "record of " + describe(b.Name, key)
	if err := json.Unmarshal(row.Doc, &o.doc); err != nil {
		return nil, tampered(what, err)
	}
	if o.doc.Version != recordVersion {
		return nil, fmt.Errorf("%s: version %d is not known", what, o.doc.Version)
	}
	aad := recordAAD("object", b, key, "", o.doc.envelope, o.doc.ManifestBlob)
	if err := s.openJSON(b.Region, what, o.doc.Attributes, aad, &o.attrs); err != nil {
		return nil, err
	}
	return o, nil
}

// encodeObject seals an object's record into the document of its row.
func (s *Service) encodeObject(b *bucketRecord, key string, e envelope, attrs attributes, manifest []byte, manifestBlob string) ([]byte, error) {
	doc := objectDoc{Version: recordVersion, envelope: e, Manifest: manifest, ManifestBlob: manifestBlob}
	var err error
	if doc.Attributes, err = s.sealJSON(b.Region, attrs, recordAAD("object", b, key, "", e, manifestBlob)); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}
