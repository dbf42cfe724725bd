package kms

import (
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// throttle counts requests by account, region and class. Each has a bucket that
// holds the tokens of a second, one at least, and is filled at the class's rate; a
// request takes one. It is safe for concurrent use; a nil one lets everything
// pass.
//
// The number of buckets is bounded by what the server has: who is counted is
// authenticated.
type throttle struct {
	rates Rates
	clock func() time.Time

	mu      sync.Mutex // guards the fields below
	buckets map[bucketName]*bucket
}

type bucketName struct{ account, region, class string }

type bucket struct {
	rate   float64 // tokens per second
	tokens float64
	filled time.Time // when tokens was right
}

func newThrottle(rates *Rates, clock func() time.Time) *throttle {
	if rates == nil {
		return nil
	}
	return &throttle{rates: *rates, clock: clock, buckets: make(map[bucketName]*bucket)}
}

// take refuses a request when its class has had too many. (KMS Developer Guide,
// "Throttling AWS KMS requests")
func (t *throttle) take(account, region, class string) error {
	if t == nil {
		return nil
	}
	now := t.clock()
	name := bucketName{account, region, class}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[name]
	if b == nil {
		rate := t.rates.of(class, region)
		b = &bucket{rate: rate, tokens: max(1, rate), filled: now}
		t.buckets[name] = b
	}
	if since := now.Sub(b.filled); since > 0 {
		b.tokens = min(max(1, b.rate), b.tokens+b.rate*since.Seconds())
	}
	b.filled = now // a clock that was set back fills nothing, and is gone by from here on
	if b.tokens < 1 {
		return awserr.New(kmsapi.ThrottlingException, "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
	}
	b.tokens--
	return nil
}

// keyed reports whether an operation's class is that of the key it is done with.
func keyed(operation string) bool {
	switch operation {
	case opDecrypt.Name, opDeriveSharedSecret.Name, opEncrypt.Name, opGenerateDataKey.Name, opGenerateDataKeyWithoutPlaintext.Name,
		opGenerateMac.Name, opReEncrypt.Name, opSign.Name, opVerify.Name, opVerifyMac.Name:
		return true
	}
	return false
}

// throttled refuses a call whose class has had too many, before anything is done
// for it, unless its class is known by its key alone: that is
// [Service.throttledBy].
func (s *Service) throttled(call *gate.Call, req any) error {
	if s.throttle == nil || keyed(call.Op.Name) {
		return nil
	}
	c := &call.Caller
	class := call.Op.Name
	switch r := req.(type) {
	case *kmsapi.GenerateRandomRequest:
		class = classSymmetric
	case *kmsapi.GenerateDataKeyPairRequest:
		if r.KeyPairSpec == nil {
			return nil // validation says so
		}
		class = pairClass(*r.KeyPairSpec)
	case *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest:
		if r.KeyPairSpec == nil {
			return nil
		}
		class = pairClass(*r.KeyPairSpec)
	case *kmsapi.ReplicateKeyRequest: // "counts as one ReplicateKey request in the primary key's Region and two CreateKey requests in the replica's Region"
		if r.ReplicaRegion != nil && s.checkRegion(*r.ReplicaRegion) == nil {
			for range 2 {
				if err := s.throttle.take(c.AccountID, *r.ReplicaRegion, opCreateKey.Name); err != nil {
					return err
				}
			}
		}
	case *kmsapi.UpdatePrimaryRegionRequest: // "counts as two UpdatePrimaryRegion requests; one request in each of the two affected Regions"
		if r.PrimaryRegion != nil && s.checkRegion(*r.PrimaryRegion) == nil {
			if err := s.throttle.take(c.AccountID, *r.PrimaryRegion, class); err != nil {
				return err
			}
		}
	}
	if _, ok := usualRates[class]; !ok {
		return nil // a spec of data key pairs that there is none of
	}
	return s.throttle.take(c.AccountID, c.Region, class)
}

// throttledBy refuses a cryptographic call whose class, that of its key's type,
// has had too many, before the gate is asked. ReEncrypt counts once, by the key
// that it is done from. Who has made the call is throttled, and not the account
// of the key ("Cross-account requests").
func (s *Service) throttledBy(call *gate.Call, action string, k *snapshot) error {
	if s.throttle == nil || action == reEncryptTo || !keyed(call.Op.Name) {
		return nil
	}
	return s.throttle.take(call.Caller.AccountID, call.Caller.Region, keyClass(k.key.Type()))
}
