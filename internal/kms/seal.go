package kms

import (
	"context"
	"encoding/json"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

// This file is what the operations have in common that encrypt: from a key and a
// plaintext to a blob.

// maxPlaintexts are the greatest plaintexts in bytes (KMS API Reference,
// Encrypt). Those of RSA follow from RFC 8017, 7.1.1: size of the modulus, less
// twice that of the digest, less 2.
var maxPlaintexts = map[kmsapi.EncryptionAlgorithmSpec]map[kmsapi.KeySpec]int{
	kmsapi.EncryptionAlgorithmSpecSymmetricDefault: {kmsapi.KeySpecSymmetricDefault: 4096},
	kmsapi.EncryptionAlgorithmSpecRsaesOaepSha1:    {kmsapi.KeySpecRsa2048: 214, kmsapi.KeySpecRsa3072: 342, kmsapi.KeySpecRsa4096: 470},
	kmsapi.EncryptionAlgorithmSpecRsaesOaepSha256:  {kmsapi.KeySpecRsa2048: 190, kmsapi.KeySpecRsa3072: 318, kmsapi.KeySpecRsa4096: 446},
	kmsapi.EncryptionAlgorithmSpecSm2pke:           {kmsapi.KeySpecSm2: 1024},
}

// checkPlaintext refuses a plaintext of n bytes that k cannot encrypt with an
// algorithm that fits it. Text: recorded from AWS.
func (k *snapshot) checkPlaintext(a kmsapi.EncryptionAlgorithmSpec, n int) error {
	if most := maxPlaintexts[a][k.key.KeySpec]; n > most {
		return awserr.New(kmsapi.ValidationException,
			"Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", a, k.key.KeySpec, most)
	}
	return nil
}

// checkBareContext refuses an encryption context with an asymmetric key, whose
// ciphertexts have no place for one. Text: observed on AWS.
func (k *snapshot) checkBareContext(pairs map[string]string) error {
	if len(pairs) > 0 && !symmetric(&k.key) {
		return awserr.New(kmsapi.ValidationException, "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.")
	}
	return nil
}

// sealer encrypts with the current material of a key.
type sealer struct {
	key       *snapshot
	algorithm kmsapi.EncryptionAlgorithmSpec
	header    *hsm.MACKey

	// One of them, by the key's type.
	handle *hsm.BackingKey
	pair   *hsm.KeyPair
}

// newSealer opens the material of k, which may be used for encryption with an
// algorithm that fits it.
func (s *Service) newSealer(ctx context.Context, k *snapshot, a kmsapi.EncryptionAlgorithmSpec) (*sealer, error) {
	e := &sealer{key: k, algorithm: a}
	var err error
	if !symmetric(&k.key) {
		e.pair, err = s.openPair(ctx, k)
		return e, err
	}
	if e.handle, err = s.open(ctx, k, k.current); err != nil {
		return nil, err
	}
	e.header = s.headerKey(k, e.handle)
	return e, nil
}

// seal returns a blob with the plaintext. That of a symmetric key names the key
// and is bound to the encryption context; that of an asymmetric one is what
// whoever has the public key makes too.
func (e *sealer) seal(pairs map[string]string, plaintext secret.Bytes) ([]byte, error) {
	if e.pair != nil {
		return e.pair.Encrypt(hsm.Mechanism(e.algorithm), plaintext)
	}
	return ciphertext.Seal(e.header, e.handle, e.key.current.header, pairs, plaintext)
}

// shown returns the id of one of k's materials as answers and records name it:
// AWS tells those of symmetric encryption keys alone.
func (k *snapshot) shown(m *material) *string {
	if !symmetric(&k.key) {
		return nil
	}
	return new(m.id)
}

// event is additionalEventData of a call that used one of k's materials.
func (k *snapshot) event(m *material) json.RawMessage {
	if !symmetric(&k.key) {
		return nil
	}
	return m.event
}
