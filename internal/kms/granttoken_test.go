package kms

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

func FuzzGrantToken(f *testing.F) {
	t := grantToken{key: kmsdb.KeyRef{Account: "111122223333", Region: "us-east-1", ID: "1234abcd-12ab-34cd-56ef-1234567890ab"}}
	good := t.append(nil)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), 0))
	f.Add(t.append(nil)[:tokenFixed])
	f.Add([]byte(tokenMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if token, ok := parseGrantToken(b); ok {
			if got := token.append(nil); !bytes.Equal(got, b) {
				t.Errorf("got %x back, want %x", got, b)
			}
		}
	})
}

// The layout of docs/formats/grant-token.md, written out by hand.
func TestGrantTokenLayout(t *testing.T) {
	token := grantToken{key: kmsdb.KeyRef{Account: "111122223333", Region: "us-east-1", ID: "k"}}
	for i := range token.random {
		token.random[i] = byte(i)
	}
	for i := range token.id {
		token.id[i] = byte(0x80 + i)
	}
	const want = "U1JHMQABAgMEBQYHCAkKCwwNDg+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2enwwxMTExMjIyMjMzMzMJdXMtZWFzdC0xAWs="
	if got := base64.StdEncoding.EncodeToString(token.append(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
