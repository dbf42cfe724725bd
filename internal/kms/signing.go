package kms

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// This file is what Sign and Verify have in common.

// signingRequest is the part of a request that says what is signed, and how.
type signingRequest struct {
	keyID       string
	algorithm   kmsapi.SigningAlgorithmSpec
	messageType *kmsapi.MessageType
	message     []byte // 1 to 4096 bytes, by the model
	grantTokens []string
}

// signing is a key pair that may be used as the request wants.
type signing struct {
	key  *snapshot
	pair *hsm.KeyPair
	mech hsm.Mechanism
	form hsm.MessageForm
}

// prepareSigning does everything that comes before the cryptography.
func (s *Service) prepareSigning(ctx context.Context, call *gate.Call, r signingRequest) (*signing, error) {
	messageType := kmsapi.MessageTypeRaw
	if r.messageType != nil {
		messageType = *r.messageType
	}
	call.RequestParameters = signingParameters(r.keyID, r.algorithm, messageType)
	k, err := s.resolve(ctx, call, r.keyID, anyForm)
	if err != nil {
		return nil, err
	}
	err = s.authorize(ctx, call, k, conditions{
		keyID: r.keyID, signingAlgorithm: r.algorithm, messageType: messageType, grantTokens: r.grantTokens,
	})
	if err != nil {
		return nil, err
	}
	if err := forUse(k, call.Op.Name, kmsapi.KeyUsageTypeSignVerify, r.algorithm, signingAlgorithms); err != nil {
		return nil, err
	}
	if err := k.takesMessage(r.algorithm, messageType, len(r.message)); err != nil {
		return nil, err
	}
	pair, err := s.openPair(ctx, k)
	if err != nil {
		return nil, err
	}
	return &signing{k, pair, hsm.Mechanism(r.algorithm), messageForms[messageType]}, nil
}

var messageForms = map[kmsapi.MessageType]hsm.MessageForm{
	kmsapi.MessageTypeRaw:        hsm.Raw,
	kmsapi.MessageTypeDigest:     hsm.Digest,
	kmsapi.MessageTypeExternalMu: hsm.ExternalMu,
}

// takesMessage checks that a message of the type and length, in bytes, can be
// signed with an algorithm of k. "When the value of MessageType is DIGEST, the
// length of the Message value must match the length of hashed messages for the
// specified signing algorithm. When the value of MessageType is EXTERNAL_MU the
// length of the Message value must be 64 bytes" (KMS API Reference, Sign). The
// text about lengths is recorded from AWS, those about types other projects
// report of AWS.
func (k *snapshot) takesMessage(algorithm kmsapi.SigningAlgorithmSpec, messageType kmsapi.MessageType, length int) error {
	fits := messageType != kmsapi.MessageTypeExternalMu
	switch algorithm {
	case kmsapi.SigningAlgorithmSpecMlDsaShake256:
		fits = messageType != kmsapi.MessageTypeDigest
	case kmsapi.SigningAlgorithmSpecEd25519Sha512:
		fits = messageType == kmsapi.MessageTypeRaw
	case kmsapi.SigningAlgorithmSpecEd25519PhSha512:
		fits = messageType == kmsapi.MessageTypeDigest
	}
	switch {
	case !fits && k.key.KeySpec == kmsapi.KeySpecEccNistEdwards25519: // whose algorithms take different types
		return awserr.New(kmsapi.ValidationException, "Message type %s is incompatible with algorithm %s.", messageType, algorithm)
	case !fits:
		return awserr.New(kmsapi.ValidationException, "Message type %s is incompatible with key spec %s.", messageType, k.key.KeySpec)
	case messageType != kmsapi.MessageTypeRaw && length != digestSize(algorithm):
		return awserr.New(kmsapi.ValidationException, "Digest is invalid length for algorithm %s.", algorithm)
	}
	return nil
}

// digestSize is the size in bytes of what an algorithm signs in place of a
// message: the digest, or mu of ML-DSA.
func digestSize(algorithm kmsapi.SigningAlgorithmSpec) int {
	name := string(algorithm)
	switch {
	case algorithm == kmsapi.SigningAlgorithmSpecMlDsaShake256: // FIPS 204, algorithm 7: mu has 64 bytes
		return 64
	case algorithm == kmsapi.SigningAlgorithmSpecSm2dsa: // SM3
		return 32
	case strings.HasSuffix(name, "_SHA_256"):
		return 32
	case strings.HasSuffix(name, "_SHA_384"):
		return 48
	}
	return 64 // SHA-512
}

// signingParameters is requestParameters: neither message nor signature is in it.
func signingParameters(keyID string, algorithm kmsapi.SigningAlgorithmSpec, messageType kmsapi.MessageType) json.RawMessage {
	return newObject().str("keyId", keyID).str("messageType", string(messageType)).str("signingAlgorithm", string(algorithm)).end()
}
