package server

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"
)

// TestModel does random calls to a server and to plain maps, and wants the same
// answers. In between it stops the server and starts it again, or kills it; then
// everything is compared. Nothing is under way when it is killed, so that what
// is there afterwards must be what the maps have, to the last byte.
//
// It goes on with new sequences for a while, and at least for two.
func TestModel(t *testing.T) {
	budget := 12 * time.Second
	if os.Getenv("STRONGROOM_TEST_LONG") != "" {
		budget = 10 * time.Minute
	}
	m := &model{t: t, dir: dataDirIn(t)}
	m.start()
	begun, sequences := time.Now(), 0
	rapid.Check(t, func(rt *rapid.T) {
		if sequences >= 2 && time.Since(begun) > budget && !t.Failed() {
			return
		}
		sequences++
		m.reset(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"CreateKey":                m.createKey,
			"EnableKey or DisableKey":  m.toggleKey,
			"deletion":                 m.deleteKey,
			"CreateAlias":              m.createAlias,
			"UpdateAlias":              m.updateAlias,
			"DeleteAlias":              m.deleteAlias,
			"Encrypt":                  m.encrypt,
			"Decrypt":                  m.decrypt,
			"PutObject":                m.put,
			"PutObject again":          m.put,
			"GetObject":                m.get,
			"DeleteObject":             m.delete,
			"ListObjectsV2":            m.list,
			"CreateMultipartUpload":    m.beginUpload,
			"UploadPart":               m.uploadPart,
			"CompleteMultipartUpload":  m.completeUpload,
			"AbortMultipartUpload":     m.abortUpload,
			"stop and start, or kill":  m.restart,
			"a call that must not act": m.refused,
		})
		m.compare(rt)
	})
	m.child.stop(t)
	(&world{}).checkAll(t, m.dir)
	t.Logf("%d sequences, %d calls, %d restarts", sequences, m.calls, m.restarts)
}

// model is the server and what must be in it.
type model struct {
	t        *testing.T
	dir      string
	child    *child
	cl       clients
	sequence int
	calls    int
	restarts int

	bucket  string
	keys    []*modelKey
	aliases map[string]*modelKey
	objects map[string]string
	uploads []*modelUpload
}

type modelKey struct {
	id       string
	enabled  bool
	deletion bool // scheduled
	blobs    []modelBlob
}

// usable is what CreateKey's caller may do with the key: state is the error
// code of a use when there is one.
func (k *modelKey) state() string {
	switch {
	case k.deletion:
		return "KMSInvalidStateException"
	case !k.enabled:
		return "DisabledException"
	}
	return ""
}

type modelBlob struct {
	plaintext, context string
	blob               []byte
}

type modelUpload struct {
	id, key string
	parts   map[int32]modelPart
}

type modelPart struct{ content, etag string }

func (m *model) start() {
	m.child = startChild(m.t, m.dir)
	m.cl = client(m.t, m.child.endpoint, m.dir, 1)
}

// reset begins a sequence, in a bucket of its own; what the sequences before it
// made stays.
func (m *model) reset(rt *rapid.T) {
	m.sequence++
	m.bucket = fmt.Sprintf("model-%d", m.sequence)
	m.keys, m.aliases, m.objects, m.uploads = nil, map[string]*modelKey{}, map[string]string{}, nil
	_, err := m.cl.s3.CreateBucket(rt.Context(), &awss3.CreateBucketInput{Bucket: &m.bucket})
	m.want(rt, "CreateBucket", err, "")
}

// restart stops the server in order, or kills it, and starts it again.
func (m *model) restart(rt *rapid.T) {
	if rapid.IntRange(0, 2).Draw(rt, "seldom") > 0 {
		rt.Skip("it takes long")
	}
	m.restarts++
	if rapid.Bool().Draw(rt, "kill") {
		m.child.kill(m.t)
	} else {
		m.child.stop(m.t)
	}
	m.start()
	m.compare(rt)
}

// want fails unless err carries the code; "" is for success. It reports whether
// the call succeeded.
func (m *model) want(rt *rapid.T, call string, err error, code string) bool {
	m.calls++
	got := ""
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		got = e.ErrorCode()
	} else if err != nil {
		got = err.Error()
	}
	if got != code {
		rt.Fatalf("%s: got error %q (%v), want %q", call, got, err, code)
	}
	return err == nil
}

// refused makes a call that is refused in the middle of its body: nothing of it
// may be seen later.
func (m *model) refused(rt *rapid.T) {
	key := modelKeyName.Draw(rt, "key")
	content := modelContent(rt)
	_, err := m.cl.s3.PutObject(rt.Context(), &awss3.PutObjectInput{Bucket: &m.bucket, Key: &key,
		Body: bytesReader(content), ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg==")}) // of nothing
	if content == "" {
		if m.want(rt, "PutObject", err, "") {
			m.objects[key] = ""
		}
		return
	}
	m.want(rt, "PutObject with another's MD5", err, "BadDigest")
}
