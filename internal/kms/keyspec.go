package kms

import (
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// This file says what keys can do by their spec and usage (KMS Developer Guide,
// "Key spec reference").

// usages says which usages a key spec has.
var usages = map[kmsapi.KeySpec][]kmsapi.KeyUsageType{
	kmsapi.KeySpecSymmetricDefault:    {kmsapi.KeyUsageTypeEncryptDecrypt},
	kmsapi.KeySpecRsa2048:             {kmsapi.KeyUsageTypeEncryptDecrypt, kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecRsa3072:             {kmsapi.KeyUsageTypeEncryptDecrypt, kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecRsa4096:             {kmsapi.KeyUsageTypeEncryptDecrypt, kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecEccNistP256:         {kmsapi.KeyUsageTypeSignVerify, kmsapi.KeyUsageTypeKeyAgreement},
	kmsapi.KeySpecEccNistP384:         {kmsapi.KeyUsageTypeSignVerify, kmsapi.KeyUsageTypeKeyAgreement},
	kmsapi.KeySpecEccNistP521:         {kmsapi.KeyUsageTypeSignVerify, kmsapi.KeyUsageTypeKeyAgreement},
	kmsapi.KeySpecEccSecgP256k1:       {kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecEccNistEdwards25519: {kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecMlDsa44:             {kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecMlDsa65:             {kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecMlDsa87:             {kmsapi.KeyUsageTypeSignVerify},
	kmsapi.KeySpecHmac224:             {kmsapi.KeyUsageTypeGenerateVerifyMac},
	kmsapi.KeySpecHmac256:             {kmsapi.KeyUsageTypeGenerateVerifyMac},
	kmsapi.KeySpecHmac384:             {kmsapi.KeyUsageTypeGenerateVerifyMac},
	kmsapi.KeySpecHmac512:             {kmsapi.KeyUsageTypeGenerateVerifyMac},
	kmsapi.KeySpecSm2:                 {kmsapi.KeyUsageTypeEncryptDecrypt, kmsapi.KeyUsageTypeSignVerify, kmsapi.KeyUsageTypeKeyAgreement},
}

// The algorithms of each spec, in the order in which AWS lists them (recorded
// for RSA; alphabetical in all that is known).
var (
	symmetricEncryption = []kmsapi.EncryptionAlgorithmSpec{kmsapi.EncryptionAlgorithmSpecSymmetricDefault}
	rsaEncryption       = []kmsapi.EncryptionAlgorithmSpec{kmsapi.EncryptionAlgorithmSpecRsaesOaepSha1, kmsapi.EncryptionAlgorithmSpecRsaesOaepSha256}
	sm2Encryption       = []kmsapi.EncryptionAlgorithmSpec{kmsapi.EncryptionAlgorithmSpecSm2pke}

	rsaSigning = []kmsapi.SigningAlgorithmSpec{
		kmsapi.SigningAlgorithmSpecRsassaPkcs1V15Sha256, kmsapi.SigningAlgorithmSpecRsassaPkcs1V15Sha384, kmsapi.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
		kmsapi.SigningAlgorithmSpecRsassaPssSha256, kmsapi.SigningAlgorithmSpecRsassaPssSha384, kmsapi.SigningAlgorithmSpecRsassaPssSha512,
	}
	ecdsaSHA256    = []kmsapi.SigningAlgorithmSpec{kmsapi.SigningAlgorithmSpecEcdsaSha256}
	ecdsaSHA384    = []kmsapi.SigningAlgorithmSpec{kmsapi.SigningAlgorithmSpecEcdsaSha384}
	ecdsaSHA512    = []kmsapi.SigningAlgorithmSpec{kmsapi.SigningAlgorithmSpecEcdsaSha512}
	ed25519Signing = []kmsapi.SigningAlgorithmSpec{kmsapi.SigningAlgorithmSpecEd25519PhSha512, kmsapi.SigningAlgorithmSpecEd25519Sha512}
	mldsaSigning   = []kmsapi.SigningAlgorithmSpec{kmsapi.SigningAlgorithmSpecMlDsaShake256}
	sm2Signing     = []kmsapi.SigningAlgorithmSpec{kmsapi.SigningAlgorithmSpecSm2dsa}

	ecdhAgreement = []kmsapi.KeyAgreementAlgorithmSpec{kmsapi.KeyAgreementAlgorithmSpecEcdh}
)

// encryptionAlgorithms are those of a key whose usage is ENCRYPT_DECRYPT, nil of
// others. The caller must not change the list; so for the three functions below.
func encryptionAlgorithms(k *kmsdb.Key) []kmsapi.EncryptionAlgorithmSpec {
	if k.KeyUsage != kmsapi.KeyUsageTypeEncryptDecrypt {
		return nil
	}
	switch k.KeySpec {
	case kmsapi.KeySpecSymmetricDefault:
		return symmetricEncryption
	case kmsapi.KeySpecRsa2048, kmsapi.KeySpecRsa3072, kmsapi.KeySpecRsa4096:
		return rsaEncryption
	case kmsapi.KeySpecSm2:
		return sm2Encryption
	}
	return nil
}

// signingAlgorithms are those of a key whose usage is SIGN_VERIFY.
func signingAlgorithms(k *kmsdb.Key) []kmsapi.SigningAlgorithmSpec {
	if k.KeyUsage != kmsapi.KeyUsageTypeSignVerify {
		return nil
	}
	switch k.KeySpec {
	case kmsapi.KeySpecRsa2048, kmsapi.KeySpecRsa3072, kmsapi.KeySpecRsa4096:
		return rsaSigning
	case kmsapi.KeySpecEccNistP256, kmsapi.KeySpecEccSecgP256k1:
		return ecdsaSHA256
	case kmsapi.KeySpecEccNistP384:
		return ecdsaSHA384
	case kmsapi.KeySpecEccNistP521:
		return ecdsaSHA512
	case kmsapi.KeySpecEccNistEdwards25519:
		return ed25519Signing
	case kmsapi.KeySpecMlDsa44, kmsapi.KeySpecMlDsa65, kmsapi.KeySpecMlDsa87:
		return mldsaSigning
	case kmsapi.KeySpecSm2:
		return sm2Signing
	}
	return nil
}

// macAlgorithms is the one of a key whose usage is GENERATE_VERIFY_MAC.
func macAlgorithms(k *kmsdb.Key) []kmsapi.MacAlgorithmSpec {
	if k.KeyUsage != kmsapi.KeyUsageTypeGenerateVerifyMac {
		return nil
	}
	switch k.KeySpec {
	case kmsapi.KeySpecHmac224:
		return []kmsapi.MacAlgorithmSpec{kmsapi.MacAlgorithmSpecHmacSha224}
	case kmsapi.KeySpecHmac256:
		return []kmsapi.MacAlgorithmSpec{kmsapi.MacAlgorithmSpecHmacSha256}
	case kmsapi.KeySpecHmac384:
		return []kmsapi.MacAlgorithmSpec{kmsapi.MacAlgorithmSpecHmacSha384}
	case kmsapi.KeySpecHmac512:
		return []kmsapi.MacAlgorithmSpec{kmsapi.MacAlgorithmSpecHmacSha512}
	}
	return nil
}

// agreementAlgorithms is the one of a key whose usage is KEY_AGREEMENT.
func agreementAlgorithms(k *kmsdb.Key) []kmsapi.KeyAgreementAlgorithmSpec {
	if k.KeyUsage != kmsapi.KeyUsageTypeKeyAgreement {
		return nil
	}
	return ecdhAgreement
}

// forUse checks, in AWS's order, that k may be used for an operation: its state,
// its usage, and the algorithm. Able are the algorithms of k for that usage.
// Texts: recorded from AWS.
func forUse[A ~string](k *snapshot, operation string, usage kmsapi.KeyUsageType, algorithm A, able func(*kmsdb.Key) []A) error {
	if err := forCryptography(k.arn, k.key.State); err != nil {
		return err
	}
	if k.key.KeyUsage != usage {
		return invalidUsage(k, operation)
	}
	if !slices.Contains(able(&k.key), algorithm) {
		return incompatible(k, algorithm)
	}
	return nil
}

// invalidUsage answers an operation that k's usage is not for.
func invalidUsage(k *snapshot, operation string) error {
	return awserr.New(kmsapi.InvalidKeyUsageException, "%s key usage is %s which is not valid for %s.", k.arn, k.key.KeyUsage, operation)
}

// incompatible answers an algorithm that k's spec does not have.
func incompatible[A ~string](k *snapshot, algorithm A) error {
	return awserr.New(kmsapi.InvalidKeyUsageException, "Algorithm %s is incompatible with key spec %s.", algorithm, k.key.KeySpec)
}

// servesSpec refuses what AWS has in some regions only: SM2, in China ("China
// Regions only" in the KMS API Reference).
func (s *Service) servesSpec(region, spec string) error {
	if spec == string(kmsapi.KeySpecSm2) && !slices.Contains(s.sm2Regions, region) {
		return awserr.New(kmsapi.UnsupportedOperationException, "%s is not supported in this region.", spec)
	}
	return nil
}
