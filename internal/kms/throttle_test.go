package kms_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

const throttledText = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."

// throttle makes the server count requests, by these rates where AWS's are others.
func (k *kit) throttle(rates map[string]float64) {
	k.t.Helper()
	k.rates = new(kms.Rates)
	for class, rate := range rates {
		k.check(k.rates.Set(class, rate))
	}
	k.reopen()
}

// within calls until a call is throttled, and returns how many were not. A call
// may fail in its own way.
func (k *kit) within(call func() error) int {
	k.t.Helper()
	for n := range 50 {
		err := call()
		if errors.Is(err, kmsapi.ThrottlingException) {
			wantError(k.t, err, kmsapi.ThrottlingException, throttledText)
			return n
		}
	}
	k.t.Fatal("nothing is throttled")
	return 0
}

func (k *kit) describing(id string) func() error {
	return func() error {
		return discard(k.DescribeKey(k.t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: &id}))
	}
}

// Without rates nothing is counted.
func TestThrottlingIsOff(t *testing.T) {
	k := newKit(t)
	for range 20 {
		k.createKey()
	}
}

// AWS's rates hold unless others are set.
func TestThrottlingByAWSRates(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.throttle(nil)
	if got := k.within(func() error { return discard(k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{})) }); got != 5 {
		t.Errorf("got %d keys in a second, want 5", got)
	}
	k.check(k.describing(key)()) // is counted apart
}

// A bucket fills at its rate, with fractions, and holds a second's worth.
func TestThrottlingOverTime(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.throttle(map[string]float64{"DescribeKey": 4, "GetKeyPolicy": 0.5})
	for _, c := range []struct {
		wait time.Duration
		want int
	}{{0, 4}, {0, 0}, {250 * time.Millisecond, 1}, {500 * time.Millisecond, 2}, {time.Hour, 4}, {-time.Hour, 0}, {time.Second, 4}} {
		k.wait(c.wait)
		if got := k.within(k.describing(key)); got != c.want {
			t.Errorf("after %v: got %d calls, want %d", c.wait, got, c.want)
		}
	}
	policy := func() error {
		return discard(k.GetKeyPolicy(t.Context(), root(), &kmsapi.GetKeyPolicyRequest{KeyId: &key}))
	}
	for _, c := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {time.Second, 0}, {time.Second, 1}} {
		k.wait(c.wait)
		if got := k.within(policy); got != c.want {
			t.Errorf("of one in two seconds, after %v: got %d, want %d", c.wait, got, c.want)
		}
	}
}

// Accounts and regions are counted apart; all principals of an account together.
func TestThrottlingByAccountAndRegion(t *testing.T) {
	k := newKit(t)
	k.throttle(map[string]float64{"ListKeys": 3})
	list := func() error { return discard(k.ListKeys(t.Context(), alice(), &kmsapi.ListKeysRequest{})) }
	k.check(discard(k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{})))
	if got := k.within(list); got != 2 {
		t.Errorf("got %d calls of alice after one of root, want 2", got)
	}
	k.check(discard(k.ListKeys(t.Context(), caller(account, region2), &kmsapi.ListKeysRequest{})))
	k.check(discard(k.ListKeys(t.Context(), caller(other, region), &kmsapi.ListKeysRequest{})))
}

// Cryptographic operations share a class by the type of their key.
func TestThrottlingByKeyType(t *testing.T) {
	k := newKit(t)
	ctx := t.Context()
	made := func(spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) *string {
		r, err := k.CreateKey(ctx, root(), &kmsapi.CreateKeyRequest{KeySpec: &spec, KeyUsage: &usage})
		k.check(err)
		return r.KeyMetadata.KeyId
	}
	key, macker := *k.createKey().KeyId, made(kmsapi.KeySpecHmac256, kmsapi.KeyUsageTypeGenerateVerifyMac)
	ecc, mldsa := made(kmsapi.KeySpecEccNistP256, kmsapi.KeyUsageTypeSignVerify), made(kmsapi.KeySpecMlDsa44, kmsapi.KeyUsageTypeSignVerify)
	rsa := made(kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeSignVerify)
	sign := func(id *string, a kmsapi.SigningAlgorithmSpec) func() error {
		return func() error {
			return discard(k.Sign(ctx, root(), &kmsapi.SignRequest{KeyId: id, Message: secret.New([]byte("m")), SigningAlgorithm: &a}))
		}
	}
	blob := k.encrypt(key, "p", nil)
	k.throttle(map[string]float64{"symmetric": 6, "RSA": 1, "ECC": 2, "ML-DSA": 3})
	// Six of a kind: an HMAC key is symmetric, and a ReEncrypt counts once.
	k.check(discard(k.Encrypt(ctx, root(), encryptRequest(key, "p", nil))))
	k.check(discard(k.Decrypt(ctx, root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})))
	k.check(discard(k.ReEncrypt(ctx, root(), &kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: &key})))
	k.check(discard(k.GenerateRandom(ctx, root(), &kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(8))})))
	k.check(discard(k.NewDataKey(ctx, root(), key, nil))) // through S3
	k.check(discard(k.GenerateMac(ctx, root(), &kmsapi.GenerateMacRequest{KeyId: macker, Message: secret.New([]byte("m")), MacAlgorithm: new(kmsapi.MacAlgorithmSpecHmacSha256)})))
	_, err := k.Decrypt(ctx, root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
	wantError(t, err, kmsapi.ThrottlingException, throttledText)
	_, err = k.NewDataKey(ctx, root(), key, nil)
	wantError(t, err, kmsapi.ThrottlingException, throttledText)
	for _, c := range []struct {
		name string
		call func() error
		want int
	}{
		{"RSA", sign(rsa, kmsapi.SigningAlgorithmSpecRsassaPssSha256), 1},
		{"ECC", sign(ecc, kmsapi.SigningAlgorithmSpecEcdsaSha256), 2},
		{"ML-DSA", sign(mldsa, kmsapi.SigningAlgorithmSpecMlDsaShake256), 3},
	} {
		if got := k.within(c.call); got != c.want {
			t.Errorf("%s: got %d calls, want %d", c.name, got, c.want)
		}
	}
}

// Data key pairs have a class for each of their specs, which both operations
// share, and none with their key.
func TestThrottlingOfDataKeyPairs(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.throttle(map[string]float64{"GenerateDataKeyPair(ECC_NIST_P256)": 3, "GenerateDataKeyPair(ECC_NIST_P384)": 1, "symmetric": 1})
	pair := func(spec kmsapi.DataKeyPairSpec) func() error {
		return func() error {
			return discard(k.GenerateDataKeyPair(t.Context(), root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: &key, KeyPairSpec: &spec}))
		}
	}
	k.check(discard(k.GenerateDataKeyPairWithoutPlaintext(t.Context(), root(),
		&kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{KeyId: &key, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})))
	if got := k.within(pair(kmsapi.DataKeyPairSpecEccNistP256)); got != 2 {
		t.Errorf("got %d pairs on P-256 after one, want 2", got)
	}
	if got := k.within(pair(kmsapi.DataKeyPairSpecEccNistP384)); got != 1 {
		t.Errorf("got %d pairs on P-384, want 1", got)
	}
	k.encrypt(key, "p", nil)
	err := pair("DSA_1024")()
	if !errors.Is(err, kmsapi.ValidationException) {
		t.Errorf("got %v of no spec, want ValidationException", err)
	}
}

// Whoever uses another account's key is throttled, and not that account.
func TestThrottlingAcrossAccounts(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.check(k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, Policy: new(policyOf(toOthers + `,{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}`))}))
	k.throttle(map[string]float64{"symmetric": 2})
	foreign := func() error {
		return discard(k.Encrypt(t.Context(), caller(other, region), encryptRequest(*key.Arn, "p", nil)))
	}
	if got := k.within(foreign); got != 2 {
		t.Errorf("got %d calls, want 2", got)
	}
	k.encrypt(*key.KeyId, "p", nil)
}

// A call that is refused for its rate has not been looked at: nothing is asked of
// the gate. It is in the trail.
func TestThrottledCallsComeFirst(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.throttle(map[string]float64{"symmetric": 1, "DescribeKey": 1})
	for _, c := range []struct {
		operation string
		call      func() error
	}{
		{"Encrypt", func() error { return discard(k.Encrypt(t.Context(), bob(), encryptRequest(key, "p", nil))) }},
		{"DescribeKey", func() error {
			return discard(k.DescribeKey(t.Context(), bob(), &kmsapi.DescribeKeyRequest{KeyId: &key}))
		}},
	} {
		if err := c.call(); !errors.Is(err, gate.AccessDenied) {
			t.Errorf("%s: got %v, want a denial, which counts", c.operation, err)
		}
		wantError(t, c.call(), kmsapi.ThrottlingException, throttledText)
		if r := k.last(c.operation); r.ErrorCode != "ThrottlingException" || r.ErrorMessage != throttledText {
			t.Errorf("record is %s, want that it was throttled", r.raw)
		}
	}
}

// What concerns two regions counts in both.
func TestThrottlingOfMultiRegionKeys(t *testing.T) {
	k := newKit(t)
	var keys []*string
	for range 3 {
		r, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{MultiRegion: new(true)})
		k.check(err)
		keys = append(keys, r.KeyMetadata.KeyId)
	}
	k.throttle(map[string]float64{"CreateKey": 5})
	for i, id := range keys {
		_, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: id, ReplicaRegion: new(region2)})
		if i < 2 {
			k.check(err)
			continue
		}
		wantError(t, err, kmsapi.ThrottlingException, throttledText) // the sixth CreateKey there
	}
	k.createKey() // here there was none
}

// Every operation has a class with a rate of AWS's.
func TestRatesOfEveryOperation(t *testing.T) {
	shared := map[string]bool{
		"Decrypt": true, "DeriveSharedSecret": true, "Encrypt": true, "GenerateDataKey": true, "GenerateDataKeyWithoutPlaintext": true,
		"GenerateMac": true, "GenerateRandom": true, "ReEncrypt": true, "Sign": true, "Verify": true, "VerifyMac": true,
		"GenerateDataKeyPair": true, "GenerateDataKeyPairWithoutPlaintext": true,
	}
	for op := range kms.Operations() {
		if err := new(kms.Rates).Set(op.Name, 1); (err == nil) == shared[op.Name] {
			t.Errorf("%s: got %v; is it shared: %v", op.Name, err, shared[op.Name])
		}
	}
	for _, spec := range []kmsapi.DataKeyPairSpec{
		kmsapi.DataKeyPairSpecRsa2048, kmsapi.DataKeyPairSpecRsa3072, kmsapi.DataKeyPairSpecRsa4096, kmsapi.DataKeyPairSpecEccNistP256, kmsapi.DataKeyPairSpecEccNistP384,
		kmsapi.DataKeyPairSpecEccNistP521, kmsapi.DataKeyPairSpecEccSecgP256k1, kmsapi.DataKeyPairSpecSm2, kmsapi.DataKeyPairSpecEccNistEdwards25519,
	} {
		if err := new(kms.Rates).Set(fmt.Sprintf("GenerateDataKeyPair(%s)", spec), 1); err != nil {
			t.Error(err)
		}
	}
}

func TestRatesSet(t *testing.T) {
	for _, c := range []struct {
		class string
		rate  float64
	}{{"Encrypt", 1}, {"symmetric", 0}, {"symmetric", -1}, {"RSA", 1e10}} {
		if err := new(kms.Rates).Set(c.class, c.rate); err == nil {
			t.Errorf("%s=%v: got no error", c.class, c.rate)
		}
	}
}
