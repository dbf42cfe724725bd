package secret

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNeverShown(t *testing.T) {
	raw := []byte("correct horse battery staple")
	s := New(raw)
	wrapped := struct {
		Inner  Bytes
		Ptr    *Bytes
		hidden Bytes
	}{s, &s, s}

	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U"} {
		out = append(out, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, wrapped))
	}
	j, err := json.Marshal(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "w", wrapped)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "w", wrapped)
	out = append(out, string(j), log.String(), fmt.Errorf("x: %v", s).Error())

	decimal := strings.Trim(fmt.Sprint(raw), "[]")
	for _, o := range out {
		for _, leak := range []string{string(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), decimal, decimal[:12]} {
			if strings.Contains(o, leak) {
				t.Errorf("got %q, want nothing of the secret in it", o)
			}
		}
	}
}

func TestPresence(t *testing.T) {
	if !(Bytes{}).IsNil() || !New(nil).IsNil() || New([]byte{}).IsNil() {
		t.Error("IsNil must tell absent from empty")
	}
	a := New([]byte("abc"))
	if !a.Equal(New([]byte("abc"))) || a.Equal(New([]byte("abd"))) || a.Equal(New([]byte("ab"))) {
		t.Error("Equal is wrong")
	}
	a.Wipe()
	if !bytes.Equal(a.Expose(), []byte{0, 0, 0}) {
		t.Errorf("got %v after Wipe, want zeros", a.Expose())
	}
}
