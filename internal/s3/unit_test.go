package s3

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// Whatever a Range header says, what is answered lies within the object.
func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=1-2,3-4", "bytes=-", "bytes=9-1", "x", "bytes=99999999999999999999-"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		r, err := parseRange(&header, size)
		if err != nil {
			if awserr.CodeOf(err) != s3api.InvalidRange {
				t.Errorf("got %v, want InvalidRange", err)
			}
			return
		}
		if r.offset < 0 || r.length < 0 || r.offset > size-r.length || r.partial && r.length == 0 {
			t.Errorf("got %+v for %q of %d bytes", r, header, size)
		}
	})
}

func TestStringMap(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     map[string]string // nil: refused
	}{
		{"empty", `{}`, map[string]string{}},
		{"pairs", ` {"a":"1","b":"ü"} `, map[string]string{"a": "1", "b": "ü"}},
		{"null", `null`, nil},
		{"null value", `{"a":null}`, nil},
		{"number", `{"a":1}`, nil},
		{"object", `{"a":{"b":"c"}}`, nil},
		{"name twice", `{"a":"1","a":"2"}`, nil},
		{"array", `["a"]`, nil},
		{"something behind", `{"a":"1"}{}`, nil},
		{"cut", `{"a":"1"`, nil},
		{"no value", `{"a"}`, nil},
		{"not UTF-8", "{\"a\":\"\xff\"}", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := stringMap([]byte(tt.in))
			if ok != (tt.want != nil) || ok && !maps.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, ok, tt.want)
			}
		})
	}
}

// FuzzStringMap: what is taken means the same to encoding/json.
func FuzzStringMap(f *testing.F) {
	for _, seed := range []string{`{"a":"1","b":"ü"}`, `{"a":null}`, `{"a":"1","a":"2"}`, `{"\ud800":"x"}`, `[{}]`, `{"a":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ok := stringMap(raw)
		if !ok {
			return
		}
		want := map[string]string{}
		if err := json.Unmarshal(raw, &want); err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v for %q, want %v, %v", got, raw, want, err)
		}
	})
}

// failing fails after n bytes.
type failing struct {
	n   int
	err error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func TestPump(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Repeat([]byte("0123456789abcdef"), rapid.IntRange(0, 40_000).Draw(t, "sixteens"))
		data = data[:max(0, len(data)-rapid.IntRange(0, 15).Draw(t, "less"))]
		var a, b bytes.Buffer
		announced := rapid.SampledFrom([]int64{-1, int64(len(data)), 0, smallBuffer - 1, bufferSize}).Draw(t, "announced")
		n, err := pump(iotest.DataErrReader(bytes.NewReader(data)), announced, maxPartSize, &a, &b)
		if err != nil || n != int64(len(data)) || !bytes.Equal(a.Bytes(), data) || !bytes.Equal(b.Bytes(), data) {
			t.Fatalf("got %d bytes, %d and %d written, %v, want %d", n, a.Len(), b.Len(), err, len(data))
		}
	})
}

func TestPumpFailures(t *testing.T) {
	data := make([]byte, 5*bufferSize)
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		r    io.Reader
		sink io.Writer
		want error
	}{
		{"cut off", io.MultiReader(bytes.NewReader(data), iotest.ErrReader(io.ErrUnexpectedEOF)), io.Discard, s3api.IncompleteBody},
		{"reader's own code", iotest.ErrReader(awserr.New(s3api.SignatureDoesNotMatch, "x")), io.Discard, s3api.SignatureDoesNotMatch},
		{"sink fails at once", bytes.NewReader(data), &failing{0, boom}, boom},
		{"sink fails late", bytes.NewReader(data), &failing{4 * bufferSize, boom}, boom},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := pump(tt.r, -1, maxPartSize, io.Discard, tt.sink); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for _, limit := range []int64{bufferSize - 1, bufferSize, int64(len(data)) - 1} {
		if _, err := pump(bytes.NewReader(data), -1, limit, io.Discard); !errors.Is(err, s3api.EntityTooLarge) {
			t.Errorf("limit %d: got %v, want EntityTooLarge", limit, err)
		}
	}
}

// A sink that takes its time holds up no other by more than the buffers, and
// the reading not at all until then; and it sees every byte in the end.
func TestPumpSlowSink(t *testing.T) {
	data := make([]byte, 4*maxPieces*bufferSize+1)
	_, _ = rand.Read(data)
	var slow, fast bytes.Buffer
	ahead := make(chan struct{}) // closed when the other sink is ahead by all there is
	held := sinkFunc(func(p []byte) (int, error) {
		<-ahead
		return slow.Write(p)
	})
	free := sinkFunc(func(p []byte) (int, error) {
		n, err := fast.Write(p)
		if fast.Len() == maxPieces*bufferSize {
			close(ahead)
		}
		return n, err
	})
	if n, err := pump(bytes.NewReader(data), -1, maxPartSize, held, free); n != int64(len(data)) || err != nil {
		t.Fatalf("got %d and %v, want %d", n, err, len(data))
	}
	if !bytes.Equal(slow.Bytes(), data) || !bytes.Equal(fast.Bytes(), data) {
		t.Errorf("got %d and %d bytes, want all %d", slow.Len(), fast.Len(), len(data))
	}
}

type sinkFunc func([]byte) (int, error)

func (f sinkFunc) Write(p []byte) (int, error) { return f(p) }

func TestKMSErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   error
		want awserr.Code
	}{
		{"client error", awserr.New("DisabledException", "x is disabled."), "KMS.DisabledException"},
		{"refusal", awserr.New("AccessDenied", "User: …"), s3api.AccessDenied},
		{"refusal as KMS names it", awserr.New("AccessDeniedException", "User: …"), s3api.AccessDenied},
		{"server error", awserr.New("KMSInternalException", "x"), ""},
		{"our own blob was changed", awserr.Bare("InvalidCiphertextException"), ""},
		{"the client hung up", awserr.New("RequestAbortedException", "x"), s3api.RequestTimeout},
		{"throttled", awserr.New("ThrottlingException", "x"), s3api.SlowDown},
		{"no code", errors.New("x"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := awserr.CodeOf(kmsError(tt.in)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadersHoldTheCollector(t *testing.T) {
	woken := 0
	r := readers{wake: func() { woken++ }}
	r.enter()
	unpin := r.pin([]string{"a", "b"})
	r.leave()
	r.barrier() // returns: nobody is between look-up and pin
	if !r.pinned("a") || r.pinned("c") {
		t.Error("a must be pinned, c must not")
	}
	unpin()
	unpin() // again: does nothing
	if r.pinned("a") || woken != 1 {
		t.Errorf("got pinned %v and %d wake-ups after unpin, want none and one", r.pinned("a"), woken)
	}
}
