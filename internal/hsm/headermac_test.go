package hsm

import (
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// TestHeaderMAC: the same material gives the same key in every installation,
// other material another one.
func TestHeaderMAC(t *testing.T) {
	b := testBinding(PurposeBackingKey)
	mac := func(first byte) string {
		m := openTestModule(t)
		material := make([]byte, keySize)
		material[0] = first
		token, err := m.ImportKey(b, secret.New(material))
		if err != nil {
			t.Fatal(err)
		}
		k, err := m.LoadBackingKey(token, b)
		if err != nil {
			t.Fatal(err)
		}
		return string(k.HeaderMAC().MAC([]byte("header")))
	}
	first, again := mac(1), mac(1)
	if first != again {
		t.Error("two installations with the same material make different MACs")
	}
	if first == mac(2) {
		t.Error("other material makes the same MAC")
	}
}
