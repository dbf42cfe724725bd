package hsm

import (
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
)

// The example of "Create a signed AWS API request" in AWS's documentation: IAM
// ListUsers on 30 August 2015.
const (
	exampleSecret       = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	exampleStringToSign = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n" +
		"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
	exampleSignature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
)

func TestSigV4Example(t *testing.T) {
	k := newTestAccessKey(t, openTestModule(t), exampleSecret)
	for range 2 { // the second time from the cache
		got := k.SigV4("20150830", "us-east-1", "iam")([]byte(exampleStringToSign))
		if hex.EncodeToString(got[:]) != exampleSignature {
			t.Errorf("got %x, want %s", got, exampleSignature)
		}
	}
	for _, scope := range [][3]string{{"20150831", "us-east-1", "iam"}, {"20150830", "us-east-2", "iam"}, {"20150830", "us-east-1", "kms"}} {
		got := k.SigV4(scope[0], scope[1], scope[2])([]byte(exampleStringToSign))
		if hex.EncodeToString(got[:]) == exampleSignature {
			t.Errorf("%v: another scope must give another signature", scope)
		}
	}
}

// Scopes come from requests that nobody has authenticated: they must not fill
// the memory, and a dropped signer must come back the same.
func TestSigV4CacheIsBounded(t *testing.T) {
	k := newTestAccessKey(t, openTestModule(t), exampleSecret)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 3 * maxSigners {
				k.SigV4("20150830", fmt.Sprintf("region-%d-%d", g, i), "iam")
				got := k.SigV4("20150830", "us-east-1", "iam")([]byte(exampleStringToSign))
				if hex.EncodeToString(got[:]) != exampleSignature {
					t.Errorf("got %x, want %s", got, exampleSignature)
				}
			}
		})
	}
	wg.Wait()
	if got := len(k.signers); got > maxSigners {
		t.Errorf("got %d signers kept, want at most %d", got, maxSigners)
	}
}

func TestSigV4HotPathDoesNotAllocate(t *testing.T) {
	k := newTestAccessKey(t, openTestModule(t), exampleSecret)
	stringToSign := []byte(exampleStringToSign)
	got := testing.AllocsPerRun(1000, func() { k.SigV4("20150830", "us-east-1", "iam")(stringToSign) })
	if got > 0 && !raceEnabled {
		t.Errorf("got %v allocations, want none", got)
	}
}
