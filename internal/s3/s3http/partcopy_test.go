package s3http_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// copyPart makes a part of source; ranged is the header, "" for none.
func (k *kit) copyPart(up *client.CreateMultipartUploadOutput, number int32, source, ranged string) (types.CompletedPart, *types.CopyPartResult, error) {
	in := &client.UploadPartCopyInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: &number, CopySource: &source}
	if ranged != "" {
		in.CopySourceRange = &ranged
	}
	out, err := k.UploadPartCopy(k.t.Context(), in)
	if err != nil {
		return types.CompletedPart{}, nil, err
	}
	r := out.CopyPartResult
	return types.CompletedPart{PartNumber: &number, ETag: r.ETag, ChecksumCRC32: r.ChecksumCRC32, ChecksumSHA256: r.ChecksumSHA256}, r, nil
}

// Parts by copy, whole and by a range across the parts of the source, beside one
// that was uploaded; the source under another key than the upload.
func TestUploadPartCopy(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	a, b := random(minPart+77), random(minPart)
	whole := slicesConcat(a, b)
	src := k.begin(&client.CreateMultipartUploadInput{ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &arn, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	_, err := k.complete(src, k.part(src, 1, a), k.part(src, 2, b))
	k.check(err)
	_, err = k.copyTo("src", bucket+"/k", func(in *client.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &arn
	})
	k.check(err)
	for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmSha256} {
		up := k.begin(&client.CreateMultipartUploadInput{ChecksumAlgorithm: algorithm})
		first, _, err := k.copyPart(up, 1, bucket+"/k", "bytes=100-5243199")
		k.check(err)
		second, r, err := k.copyPart(up, 2, "/"+bucket+"/src", "")
		k.check(err)
		if *r.ETag != etagOf(whole) || r.LastModified == nil || (r.ChecksumSHA256 != nil) != (algorithm == "SHA256") {
			t.Errorf("got %+v with algorithm %q, want the MD5 and the checksum of the upload's algorithm", r, algorithm)
		}
		end := k.part(up, 3, []byte("end"))
		list, err := k.ListParts(t.Context(), &client.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
		k.check(err)
		if len(list.Parts) != 3 || *list.Parts[0].Size != 5243100 || *list.Parts[1].Size != int64(len(whole)) {
			t.Errorf("got parts %+v", list.Parts)
		}
		out, err := k.complete(up, first, second, end)
		k.check(err)
		if algorithm == "SHA256" && !strings.HasSuffix(aws.ToString(out.ChecksumSHA256), "-3") {
			t.Errorf("got checksum %v, want a composite one", out.ChecksumSHA256)
		}
		k.wantGet("k", slicesConcat(whole[100:5243200], whole, []byte("end")))
		_, err = k.copyTo("k", bucket+"/src", nil) // for the next turn
		k.check(err)
	}
}

func TestUploadPartCopyRefusals(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("src", []byte("0123456789"))
	up := k.begin(nil)
	const form = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
	for _, tt := range []struct{ name, ranged, text string }{
		{"no unit", "0-8", form},
		{"other unit", "chars=0-8", form},
		{"turned", "bytes=1-0", form},
		{"no end", "bytes=1-", form},
		{"no start", "bytes=-1", form},
		{"neither", "bytes=-", form},
		{"two", "bytes=0-1,3-4", form},
		{"words", "bytes=a-b", form},
		{"sign", "bytes=+1-2", form},
		{"one number", "bytes=5", form},
		{"behind the end", "bytes=0-10", "Range specified is not valid for source object of size: 10"},
		{"far behind", "bytes=100-200", "Range specified is not valid for source object of size: 10"},
		{"out of range", "bytes=0-99999999999999999999999", "Range specified is not valid for source object of size: 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := k.copyPart(up, 1, bucket+"/src", tt.ranged)
			wantCode(t, err, "InvalidArgument", 400)
			if err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
		})
	}
	_, _, err := k.copyPart(up, 1, bucket+"/none", "")
	wantCode(t, err, "NoSuchKey", 404)
	_, _, err = k.copyPart(up, 10001, bucket+"/src", "")
	wantCode(t, err, "InvalidArgument", 400)
	none := *up
	none.UploadId = aws.String(strings.Repeat("A", 43))
	_, _, err = k.copyPart(&none, 1, bucket+"/src", "")
	wantCode(t, err, "NoSuchUpload", 404)
	in := &client.UploadPartCopyInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String(bucket + "/src")}
	in.CopySourceIfNoneMatch = aws.String(etagOf([]byte("0123456789")))
	_, err = k.UploadPartCopy(t.Context(), in)
	wantCode(t, err, "PreconditionFailed", 412)
	in.CopySourceIfNoneMatch, in.SSECustomerAlgorithm = nil, aws.String("AES256")
	_, err = k.UploadPartCopy(t.Context(), in)
	wantCode(t, err, "NotImplemented", 501)
	in.SSECustomerAlgorithm = nil
	_, err = k.client("AKIANOONE", region).UploadPartCopy(t.Context(), in)
	wantCode(t, err, "AccessDenied", 403)
	k.waitBlobs(1)
	if got := len(k.records("UploadPartCopy")); got != 19 {
		t.Errorf("got %d records of UploadPartCopy, want one of each call", got)
	}
	// Again, after an attempt: the newer part counts.
	_, _, err = k.copyPart(up, 1, bucket+"/src", "bytes=0-0")
	k.check(err)
	part, _, err := k.copyPart(up, 1, bucket+"/src", "bytes=3-5")
	k.check(err)
	_, err = k.complete(up, part)
	k.check(err)
	k.wantGet("k", []byte("345"))
	k.waitBlobs(2)
}
