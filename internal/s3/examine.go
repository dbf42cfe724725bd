package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

// Examination looks at buckets and objects at rest, as the holder of the root
// key can. It serves nothing and changes nothing.
type Examination struct {
	Store      *store.Store
	RowMAC     store.MAC
	RecordKeys map[string]*hsm.RecordKey // by region
	// Open opens a blob as [ObjectStore] does.
	Open func(ctx context.Context, id string) (Blob, error)
	// DataKey opens the data key of an object in a bucket of the account and
	// region: one of SSE-S3 when service is set. [ErrKeyGone] when its KMS key
	// has been destroyed.
	DataKey func(ctx context.Context, account, region string, service bool, blob []byte, encryptionContext map[string]string) (*hsm.DataKey, error)
	// Everything has every chunk of every object opened, not only records and sizes.
	Everything bool
	// Fault is told what is wrong with single objects.
	Fault func(error)
}

// ErrKeyGone is [Examination].DataKey's for an object that nothing opens any
// more, because its key was destroyed.
var ErrKeyGone = errors.New("the object's KMS key has been destroyed")

// Examined is what an [Examination] found.
type Examined struct {
	Buckets, Objects, Uploads int
	Bytes                     int64 // of plaintext
	KeysGone                  int   // objects whose KMS key has been destroyed
}

// examineBatch is how many rows are held in memory at once.
const examineBatch = 200

// Run examines everything. Its error is about what concerns more than one object.
func (e Examination) Run(ctx context.Context) (found Examined, err error) {
	x := &examiner{Examination: e, s: &Service{store: e.Store, rowMAC: e.RowMAC, records: e.RecordKeys}, buckets: map[string]*bucketRecord{}}
	for _, step := range []struct {
		table store.Table
		visit func(context.Context, store.Row) error
	}{{store.Buckets, x.bucket}, {store.BucketPolicies, x.policy}, {store.Objects, x.object}, {store.Uploads, x.upload}} {
		if err := x.each(ctx, step.table, step.visit); err != nil {
			return x.found, err
		}
	}
	return x.found, nil
}

type examiner struct {
	Examination
	s       *Service // as far as it reads records
	buckets map[string]*bucketRecord
	found   Examined
}

func (x *examiner) each(ctx context.Context, t store.Table, visit func(context.Context, store.Row) error) error {
	for after := ""; ; {
		rows, err := x.Store.List(ctx, t, store.Query{After: after, Limit: examineBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := visit(ctx, row); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].Key
	}
}

func (x *examiner) bucket(ctx context.Context, row store.Row) error {
	b, err := x.s.decodeBucket(row)
	if err != nil {
		return err
	}
	x.buckets[row.Key] = b
	x.found.Buckets++
	_, err = x.s.policyOf(ctx, b)
	return err
}

// policy looks whether the bucket names this policy as its own. That the one it
// names is there has been looked at with the bucket.
func (x *examiner) policy(_ context.Context, row store.Row) error {
	p, err := x.s.decodePolicy(row)
	if err != nil {
		return err
	}
	if b := x.buckets[row.Key]; b == nil || b.ID != p.Bucket || b.Policy != p.ID {
		x.Fault(tampered("policy of bucket "+row.Key, errors.New("no bucket names it")))
	}
	return nil
}

func (x *examiner) object(ctx context.Context, row store.Row) error {
	bucket, key, _ := strings.Cut(row.Key, "/")
	x.found.Objects++
	b := x.buckets[bucket]
	if b == nil {
		x.Fault(tampered(describe(bucket, key), errors.New("there is no such bucket")))
		return nil
	}
	o, err := x.s.decodeObject(b, key, row)
	if err != nil {
		x.Fault(err)
		return nil
	}
	x.found.Bytes += o.attrs.Size
	parts, err := x.parts(ctx, b, key, o)
	if err == nil {
		err = x.sizes(ctx, b, key, parts, o)
	}
	if err == nil && x.Everything {
		err = x.content(ctx, b, key, o)
	}
	if errors.Is(err, ErrKeyGone) {
		x.found.KeysGone++
		return nil
	}
	if err != nil {
		x.Fault(fmt.Errorf("%s: %w", describe(bucket, key), err))
	}
	return nil
}

// parts returns blob and size of every part of an object, by what the record
// key opens.
func (x *examiner) parts(ctx context.Context, b *bucketRecord, key string, o *object) ([]partRecord, error) {
	if o.attrs.UploadID == "" {
		return []partRecord{{Blob: o.attrs.Blob, Size: o.attrs.Size}}, nil
	}
	u := &upload{id: o.attrs.UploadID, doc: uploadDoc{envelope: o.doc.envelope}}
	rows, err := x.Store.List(ctx, store.Parts, store.Query{Prefix: u.id + "/", Limit: sse.MaxParts})
	if err != nil {
		return nil, err
	}
	var parts []partRecord
	for _, row := range rows {
		p, err := x.s.decodePart(b, key, u, row)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// sizes looks whether every blob is there, has the size of what it holds, and
// is known to be referred to.
func (x *examiner) sizes(ctx context.Context, b *bucketRecord, key string, parts []partRecord, o *object) error {
	for _, p := range parts {
		if err := x.size(ctx, p.Blob, sse.StoredSize(p.Size)); err != nil {
			return err
		}
	}
	if o != nil && o.doc.ManifestBlob != "" {
		return x.size(ctx, o.doc.ManifestBlob, -1)
	}
	return nil
}

// size is sizes for one blob; -1 is any size.
func (x *examiner) size(ctx context.Context, id string, want int64) error {
	row, err := x.Store.Get(ctx, store.Blobs, id)
	if err == nil && row.Ref != blobLive {
		err = fmt.Errorf("blob %s is %s, though it is referred to", id, row.Ref)
	}
	if err != nil {
		return err
	}
	blob, err := x.Open(ctx, id)
	if err != nil {
		return err
	}
	if got := blob.Size(); want >= 0 && got != want {
		err = tampered("blob "+id, fmt.Errorf("it has %d bytes, want %d", got, want))
	}
	return errors.Join(err, blob.Close())
}

// content opens the manifest and every chunk of an object.
func (x *examiner) content(ctx context.Context, b *bucketRecord, key string, o *object) error {
	binding, err := o.doc.envelope.binding(b.Name, key)
	if err != nil {
		return err
	}
	dk, err := x.DataKey(ctx, b.Account, b.Region, binding.Mode == sse.SSES3, o.doc.DataKey, o.attrs.Context)
	if err != nil {
		return fmt.Errorf("data key: %w", err)
	}
	k, err := dk.OpenObjectKey(o.doc.ObjectKey, binding.AAD())
	if err != nil {
		return tampered("key", err)
	}
	sealed := o.doc.Manifest
	if o.doc.ManifestBlob != "" {
		if sealed, err = x.read(ctx, o.doc.ManifestBlob); err != nil {
			return err
		}
	}
	m, err := sse.OpenManifest(k, binding, sealed)
	if err != nil {
		return tampered("manifest", err)
	}
	if m.Size != o.attrs.Size || m.ETag != o.attrs.ETag {
		return tampered("manifest", errors.New("it and the attributes disagree"))
	}
	for _, p := range m.Parts {
		if err := x.part(ctx, k, p); err != nil {
			return fmt.Errorf("blob %s: %w", p.Blob, err)
		}
	}
	return nil
}

func (x *examiner) part(ctx context.Context, k *hsm.ObjectKey, p sse.ManifestPart) error {
	blob, err := x.Open(ctx, p.Blob)
	if err != nil {
		return err
	}
	r, err := sse.OpenPart(blob, blob.Size(), k, p)
	if err == nil {
		err = r.WriteRange(io.Discard, 0, p.PlainSize)
	}
	return errors.Join(err, blob.Close())
}

func (x *examiner) read(ctx context.Context, id string) ([]byte, error) {
	blob, err := x.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	sealed, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
	return sealed, errors.Join(err, blob.Close())
}

// upload examines an upload in progress. Tombstones, and uploads of a bucket
// that is gone, are on their way out.
func (x *examiner) upload(ctx context.Context, row store.Row) error {
	bucket, _, _ := strings.Cut(row.Key, "/")
	b := x.buckets[bucket]
	if row.Ref == tombstone || b == nil || row.Ref != b.ID {
		return nil
	}
	x.found.Uploads++
	key, ok := uploadKeyOf(row.Key)
	if !ok {
		x.Fault(tampered("upload "+row.Key, errors.New("its row's key is no upload's")))
		return nil
	}
	u, _, err := x.s.findUpload(x.s.get(ctx), b, key, uploadIDOf(row.Key))
	if err != nil {
		x.Fault(err)
		return nil
	}
	rows, err := x.Store.List(ctx, store.Parts, store.Query{Prefix: u.id + "/", Limit: sse.MaxParts})
	if err != nil {
		return err
	}
	var parts []partRecord
	for _, r := range rows {
		p, err := x.s.decodePart(b, key, u, r)
		if err != nil {
			x.Fault(err)
			continue
		}
		parts = append(parts, p)
	}
	if err := x.sizes(ctx, b, key, parts, nil); err != nil {
		x.Fault(fmt.Errorf("upload %s of %s: %w", u.id, describe(bucket, key), err))
	}
	return nil
}
