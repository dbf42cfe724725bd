package awsjson

import (
	"encoding/base64"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

const keyARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func BenchmarkDecodeEncrypt(b *testing.B) {
	data := []byte(`{"EncryptionContext":{"purpose":"test"},"KeyId":"` + keyARN + `","Plaintext":"` +
		base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		var in kmsapi.EncryptRequest
		if err := Decode(data, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEncrypt(b *testing.B) {
	out := &kmsapi.EncryptResponse{
		CiphertextBlob:      make([]byte, 184),
		KeyId:               new(keyARN),
		EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault),
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = Append(buf[:0], out); err != nil {
			b.Fatal(err)
		}
	}
}
