package hsm

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// spellings are the ways in which key may show up in a text.
func spellings(key []byte) []string {
	decimal := strings.Trim(fmt.Sprint(key), "[]")
	hexadecimal := hex.EncodeToString(key)
	out := []string{string(key), hexadecimal, strings.ToUpper(hexadecimal), decimal,
		strings.ReplaceAll(decimal, " ", ", "), strings.Trim(fmt.Sprintf("% x", key), " "), fmt.Sprintf("%#v", key)[len("[]byte{"):]}
	for skip := range 3 { // base64 at every alignment
		out = append(out, base64.RawStdEncoding.EncodeToString(key[skip:])[:32], base64.RawURLEncoding.EncodeToString(key[skip:])[:32])
	}
	if len(key) <= 512 { // and as a number
		out = append(out, new(big.Int).SetBytes(key).String())
	}
	return out
}

// Whatever fmt, slog or JSON is asked to print of a handle, no key is in it.
func TestHandlesDoNotPrintKeys(t *testing.T) {
	m := openTestModule(t)
	backing := newTestBackingKey(t, m)
	mac := newTestMACKey(t, m, PurposeRowMAC)
	access := newTestAccessKey(t, m, exampleSecret)
	access.SigV4("20150830", "us-east-1", "iam")
	record := &RecordKey{newPRF(secret.New(randomBytes(keySize)))}
	session := newTestSessionKey(t, m)
	sessionToken, sessionSecret := session.Issue(testSessionID, nil)
	_, sessionAccess, err := session.Open(testSessionID, sessionToken)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := backing.NewDataKey(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, _, err := data.NewObjectKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	part, partRecord := newTestPart(t, object, 1)
	partKey := make([]byte, keySize)
	object.prf.derive(partKey, labelPartContent, partRecord[4:24])

	domainKey, _, err := m.domainKey(testDomain, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]byte{
		"root": m.root.key.Expose(), "domain": domainKey.key.Expose(), "backing": backing.prf.key.Expose(), "mac": mac.prf.key.Expose(),
		"access": []byte(exampleSecret), "record": record.prf.key.Expose(), "data": data.prf.key.Expose(), "object": object.prf.key.Expose(), "part": partKey,
		"session": session.prf.key.Expose(), "secret of a session": sessionSecret.Expose(),
	}
	values := []any{m, backing, mac, access, record, data, object, part, session, sessionSecret, sessionAccess, *backing, *mac, *record, *data, *object, *session}
	for keyType, params := range hmacTypes {
		k := newTestHMACKey(t, m, keyType, randomBytes(params.size))
		keys[keyType.String()] = k.states.key.Expose()
		values = append(values, k, *k)
	}
	for _, keyType := range pairTypes {
		k, _ := newTestPair(t, m, keyType)
		for name, key := range privateParts(t, k.private) {
			keys[name+" of "+keyType.String()] = key
		}
		values = append(values, k, *k)
	}
	var texts []string
	for _, v := range values {
		holder := struct{ V any }{v}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v), fmt.Sprintf(verb, holder))
		}
		if j, err := json.Marshal(holder); err == nil {
			texts = append(texts, string(j))
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		texts = append(texts, log.String())
	}
	for name, key := range keys {
		for _, spelling := range spellings(key) {
			for _, text := range texts {
				if strings.Contains(text, spelling) {
					t.Errorf("the %s key is printed", name)
				}
			}
		}
	}
}

// privateParts returns what of a private key must not be seen: its encodings,
// and the numbers of RSA.
func privateParts(t *testing.T, key privateKey) map[string][]byte {
	t.Helper()
	material, err := key.material()
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.pkcs8()
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{"material": material, "PKCS #8": der}
	switch k := key.(type) {
	case *rsaKey:
		parts["d"] = k.key.D.Bytes()
		parts["p"], parts["q"] = k.key.Primes[0].Bytes(), k.key.Primes[1].Bytes()
		parts["dP"], parts["qInv"] = k.key.Precomputed.Dp.Bytes(), k.key.Precomputed.Qinv.Bytes()
	case *ed25519Key:
		sum := sha512.Sum512(material) // the scalar and the prefix of nonces
		parts["expanded seed"] = sum[:]
	}
	return parts
}

// A token, an error and a public key show nothing of a private key.
func TestKeyPairsDoNotLeak(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	for _, keyType := range pairTypes {
		k, token := newTestPair(t, m, keyType)
		der, err := k.private.pkcs8()
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{"token": string(token), "public key": string(k.PublicKey()), "id": fmt.Sprintf("%x", k.ID())}
		collect := func(name string, err error) {
			t.Helper()
			if err == nil {
				t.Errorf("%v: %s: got no error", keyType, name)
				return
			}
			seen[name] = fmt.Sprintf("%v %+v %#v", err, err, err)
		}
		other := P256
		if keyType == P256 {
			other = P384
		}
		_, err = m.ImportKeyPair(other, b, secret.New(der))
		collect("import as another type", err)
		_, err = m.ImportKeyPair(keyType, b, secret.New(der[:len(der)-1]))
		collect("import of a part", err)
		_, err = m.ImportKeyPair(keyType, b, secret.New(append(bytes.Clone(der), 0)))
		collect("import of more", err)
		_, err = m.LoadKeyPair(token, other, b)
		collect("load as another type", err)
		_, err = m.LoadKeyPair(flip(token, 70), keyType, b)
		collect("load of a damaged token", err)
		_, err = k.Sign("none", Raw, []byte("message"))
		collect("sign", err)
		for part, key := range privateParts(t, k.private) {
			for _, spelling := range spellings(key) {
				for name, text := range seen {
					if strings.Contains(text, spelling) {
						t.Errorf("%v: %s shows the %s", keyType, name, part)
					}
				}
			}
		}
	}
}

// Errors name purposes and key ids; no byte string that went in comes out.
func TestErrorsDoNotPrintSecrets(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeAccessKey)
	plaintext := bytes.Repeat([]byte("attack at dawn! "), 20)
	secretBytes := secret.New(plaintext)
	k := newTestBackingKey(t, m)
	body, err := k.Encrypt(nil, nil, secret.New(plaintext[:40]))
	if err != nil {
		t.Fatal(err)
	}
	token := generateTestKey(t, m, b)
	domain, err := m.NewDomainKey("global", 1)
	if err != nil {
		t.Fatal(err)
	}
	damaged := domain
	damaged.Token = flip(domain.Token, 60)

	var errs []error
	collect := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("got no error")
			return
		}
		errs = append(errs, err)
	}
	_, err = m.ImportKey(b, secretBytes)
	collect(err)
	_, err = k.Decrypt(flip(body, 40), nil)
	collect(err)
	_, err = m.LoadAccessKey(flip(token, 50), b)
	collect(err)
	_, err = m.LoadMACKey(token, b)
	collect(err)
	collect(m.InstallDomainKey(damaged))
	_, err = Open(Config{RootKeyFile: filepath.Join(t.TempDir(), "none")})
	collect(err)

	for _, err := range errs {
		for _, hidden := range [][]byte{plaintext[:40], token[6:46], body[:40], domain.Token[6:46], m.root.key.Expose()} {
			for _, spelling := range spellings(hidden) {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), spelling) {
					t.Errorf("%q holds what went in", err)
				}
			}
		}
	}
}
