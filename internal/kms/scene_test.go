package kms_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// scene is what the operations of the tests of conditions are done to.
type scene struct {
	*kit
	c          identity.Caller
	key, other string // key ids of keys with the policy of the case
	alias      string // of key
	blob       []byte // under key, in the context tenant=t1
	policy     string // of key and other
}

// keyOf makes a key of another kind with the policy of the case.
func (s *scene) keyOf(spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) string {
	s.t.Helper()
	r, err := s.CreateKey(s.t.Context(), root(), &kmsapi.CreateKeyRequest{KeySpec: &spec, KeyUsage: &usage, Policy: &s.policy})
	s.check(err)
	return *r.KeyMetadata.KeyId
}

// related makes a multi-region key with the policy of the case, and replicas of it.
func (s *scene) related(regions ...string) (keyID string) {
	s.t.Helper()
	r, err := s.kit.CreateKey(s.t.Context(), root(), &kmsapi.CreateKeyRequest{Policy: &s.policy, MultiRegion: new(true), Tags: tagList("Team", "blue", "stage", "test")})
	s.check(err)
	for _, to := range regions {
		_, err := s.kit.ReplicateKey(s.t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: r.KeyMetadata.KeyId, ReplicaRegion: &to, Policy: &s.policy, Tags: tagList("Team", "blue", "stage", "test")})
		s.check(err)
	}
	return *r.KeyMetadata.KeyId
}

var tenant = map[string]string{"tenant": "t1"}

// operations do each operation on the scene, with the parameters that the
// conditions of the table ask about.
var operations = map[string]func(s *scene) error{
	"Encrypt": func(s *scene) error {
		_, err := s.Encrypt(s.t.Context(), s.c, encryptRequest(s.key, "p", tenant))
		return err
	},
	"Encrypt by alias": func(s *scene) error {
		_, err := s.Encrypt(s.t.Context(), s.c, encryptRequest(s.alias, "p", tenant))
		return err
	},
	"Encrypt by alias ARN": func(s *scene) error {
		_, err := s.Encrypt(s.t.Context(), s.c, encryptRequest("arn:aws:kms:"+region+":"+account+":"+s.alias, "p", tenant))
		return err
	},
	"Encrypt without context": func(s *scene) error {
		_, err := s.Encrypt(s.t.Context(), s.c, encryptRequest(s.key, "p", nil))
		return err
	},
	"Decrypt": func(s *scene) error {
		_, err := s.Decrypt(s.t.Context(), s.c, &kmsapi.DecryptRequest{CiphertextBlob: s.blob, EncryptionContext: tenant})
		return err
	},
	"Decrypt by alias": func(s *scene) error {
		_, err := s.Decrypt(s.t.Context(), s.c, &kmsapi.DecryptRequest{KeyId: &s.alias, CiphertextBlob: s.blob, EncryptionContext: tenant})
		return err
	},
	"GenerateDataKey": func(s *scene) error {
		_, err := s.GenerateDataKey(s.t.Context(), s.c, &kmsapi.GenerateDataKeyRequest{KeyId: &s.key, NumberOfBytes: new(int32(8)), EncryptionContext: tenant})
		return err
	},
	"GenerateDataKey by alias": func(s *scene) error {
		_, err := s.GenerateDataKey(s.t.Context(), s.c, &kmsapi.GenerateDataKeyRequest{KeyId: &s.alias, NumberOfBytes: new(int32(8)), EncryptionContext: tenant})
		return err
	},
	"GenerateDataKeyWithoutPlaintext": func(s *scene) error {
		_, err := s.GenerateDataKeyWithoutPlaintext(s.t.Context(), s.c, &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: &s.alias, NumberOfBytes: new(int32(8)), EncryptionContext: tenant})
		return err
	},
	"GenerateDataKeyPair": func(s *scene) error {
		_, err := s.GenerateDataKeyPair(s.t.Context(), s.c, &kmsapi.GenerateDataKeyPairRequest{KeyId: &s.key, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256), EncryptionContext: tenant})
		return err
	},
	"GenerateDataKeyPairWithoutPlaintext": func(s *scene) error {
		_, err := s.GenerateDataKeyPairWithoutPlaintext(s.t.Context(), s.c, &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{KeyId: &s.alias, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP384), EncryptionContext: tenant})
		return err
	},
	"Encrypt with SM2": func(s *scene) error {
		r := encryptRequest(s.keyOf(kmsapi.KeySpecSm2, kmsapi.KeyUsageTypeEncryptDecrypt), "p", nil)
		r.EncryptionAlgorithm = new(sm2pke)
		_, err := s.Encrypt(s.t.Context(), s.c, r)
		return err
	},
	"Decrypt with SM2": func(s *scene) error {
		id := s.keyOf(kmsapi.KeySpecSm2, kmsapi.KeyUsageTypeEncryptDecrypt)
		_, err := s.Decrypt(s.t.Context(), s.c, &kmsapi.DecryptRequest{KeyId: &id, EncryptionAlgorithm: new(sm2pke), CiphertextBlob: s.encryptWith(id, sm2pke, "p")})
		return err
	},
	"ReEncrypt": func(s *scene) error {
		_, err := s.ReEncrypt(s.t.Context(), s.c, &kmsapi.ReEncryptRequest{CiphertextBlob: s.blob, SourceEncryptionContext: tenant, DestinationKeyId: &s.other,
			DestinationEncryptionContext: map[string]string{"tenant": "t2"}})
		return err
	},
	"ReEncrypt to the same": func(s *scene) error {
		_, err := s.ReEncrypt(s.t.Context(), s.c, &kmsapi.ReEncryptRequest{CiphertextBlob: s.blob, SourceEncryptionContext: tenant, SourceKeyId: &s.alias, DestinationKeyId: &s.alias})
		return err
	},
	"DescribeKey": func(s *scene) error {
		_, err := s.DescribeKey(s.t.Context(), s.c, &kmsapi.DescribeKeyRequest{KeyId: &s.key})
		return err
	},
	"DescribeKey by alias": func(s *scene) error {
		_, err := s.DescribeKey(s.t.Context(), s.c, &kmsapi.DescribeKeyRequest{KeyId: &s.alias})
		return err
	},
	"GetKeyPolicy": func(s *scene) error {
		_, err := s.GetKeyPolicy(s.t.Context(), s.c, &kmsapi.GetKeyPolicyRequest{KeyId: &s.key})
		return err
	},
	"PutKeyPolicy": func(s *scene) error {
		return s.PutKeyPolicy(s.t.Context(), s.c, &kmsapi.PutKeyPolicyRequest{KeyId: &s.key, Policy: new(laidOut)})
	},
	"PutKeyPolicy with bypass": func(s *scene) error {
		return s.PutKeyPolicy(s.t.Context(), s.c, &kmsapi.PutKeyPolicyRequest{KeyId: &s.key, Policy: new(laidOut), BypassPolicyLockoutSafetyCheck: new(true)})
	},
	"ListKeyPolicies": func(s *scene) error {
		_, err := s.ListKeyPolicies(s.t.Context(), s.c, &kmsapi.ListKeyPoliciesRequest{KeyId: &s.key})
		return err
	},
	"EnableKey": func(s *scene) error { return s.EnableKey(s.t.Context(), s.c, &kmsapi.EnableKeyRequest{KeyId: &s.key}) },
	"DisableKey": func(s *scene) error {
		return s.DisableKey(s.t.Context(), s.c, &kmsapi.DisableKeyRequest{KeyId: &s.key})
	},
	"ScheduleKeyDeletion": func(s *scene) error {
		_, err := s.ScheduleKeyDeletion(s.t.Context(), s.c, &kmsapi.ScheduleKeyDeletionRequest{KeyId: &s.key, PendingWindowInDays: new(int32(7))})
		return err
	},
	"ScheduleKeyDeletion by default": func(s *scene) error {
		_, err := s.ScheduleKeyDeletion(s.t.Context(), s.c, &kmsapi.ScheduleKeyDeletionRequest{KeyId: &s.key})
		return err
	},
	"CancelKeyDeletion": func(s *scene) error {
		_, err := s.CancelKeyDeletion(s.t.Context(), s.c, &kmsapi.CancelKeyDeletionRequest{KeyId: &s.key})
		return err
	},
	"EnableKeyRotation": func(s *scene) error {
		return s.EnableKeyRotation(s.t.Context(), s.c, &kmsapi.EnableKeyRotationRequest{KeyId: &s.key, RotationPeriodInDays: new(int32(180))})
	},
	"EnableKeyRotation by default": func(s *scene) error {
		return s.EnableKeyRotation(s.t.Context(), s.c, &kmsapi.EnableKeyRotationRequest{KeyId: &s.key})
	},
	"DisableKeyRotation": func(s *scene) error {
		return s.DisableKeyRotation(s.t.Context(), s.c, &kmsapi.DisableKeyRotationRequest{KeyId: &s.key})
	},
	"GetKeyRotationStatus": func(s *scene) error {
		_, err := s.GetKeyRotationStatus(s.t.Context(), s.c, &kmsapi.GetKeyRotationStatusRequest{KeyId: &s.key})
		return err
	},
	"RotateKeyOnDemand": func(s *scene) error {
		_, err := s.RotateKeyOnDemand(s.t.Context(), s.c, &kmsapi.RotateKeyOnDemandRequest{KeyId: &s.key})
		return err
	},
	"ListKeyRotations": func(s *scene) error {
		_, err := s.ListKeyRotations(s.t.Context(), s.c, &kmsapi.ListKeyRotationsRequest{KeyId: &s.key})
		return err
	},
	"GetParametersForImport": func(s *scene) error {
		_, err := s.GetParametersForImport(s.t.Context(), s.c, &kmsapi.GetParametersForImportRequest{
			KeyId: &s.key, WrappingAlgorithm: new(kmsapi.AlgorithmSpecRsaesOaepSha256), WrappingKeySpec: new(kmsapi.WrappingKeySpecRsa3072),
		})
		return err
	},
	"ImportKeyMaterial": func(s *scene) error {
		_, err := s.ImportKeyMaterial(s.t.Context(), s.c, &kmsapi.ImportKeyMaterialRequest{
			KeyId: &s.key, ImportToken: []byte("t"), EncryptedKeyMaterial: []byte("m"), ValidTo: new(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)),
		})
		return err
	},
	"ImportKeyMaterial for good": func(s *scene) error {
		_, err := s.ImportKeyMaterial(s.t.Context(), s.c, &kmsapi.ImportKeyMaterialRequest{
			KeyId: &s.key, ImportToken: []byte("t"), EncryptedKeyMaterial: []byte("m"), ExpirationModel: new(kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire),
		})
		return err
	},
	"DeleteImportedKeyMaterial": func(s *scene) error {
		_, err := s.DeleteImportedKeyMaterial(s.t.Context(), s.c, &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &s.key})
		return err
	},
	"TagResource": func(s *scene) error {
		return s.TagResource(s.t.Context(), s.c, &kmsapi.TagResourceRequest{KeyId: &s.key, Tags: tagList("Team", "blue", "cost", "1")})
	},
	"UntagResource": func(s *scene) error {
		return s.UntagResource(s.t.Context(), s.c, &kmsapi.UntagResourceRequest{KeyId: &s.key, TagKeys: []string{"stage"}})
	},
	"ListResourceTags": func(s *scene) error {
		_, err := s.ListResourceTags(s.t.Context(), s.c, &kmsapi.ListResourceTagsRequest{KeyId: &s.key})
		return err
	},
	"UpdateKeyDescription": func(s *scene) error {
		return s.UpdateKeyDescription(s.t.Context(), s.c, &kmsapi.UpdateKeyDescriptionRequest{KeyId: &s.key, Description: new("d")})
	},
	"CreateAlias": func(s *scene) error {
		return s.CreateAlias(s.t.Context(), s.c, &kmsapi.CreateAliasRequest{AliasName: new(s.alias + "-2"), TargetKeyId: &s.key})
	},
	"UpdateAlias": func(s *scene) error {
		return s.UpdateAlias(s.t.Context(), s.c, &kmsapi.UpdateAliasRequest{AliasName: &s.alias, TargetKeyId: &s.other})
	},
	"DeleteAlias": func(s *scene) error {
		return s.DeleteAlias(s.t.Context(), s.c, &kmsapi.DeleteAliasRequest{AliasName: &s.alias})
	},
	"Sign": func(s *scene) error {
		_, err := s.Sign(s.t.Context(), s.c, signRequest(s.keyOf(kmsapi.KeySpecEccNistEdwards25519, sig), kmsapi.SigningAlgorithmSpecEd25519Sha512, "p"))
		return err
	},
	"Sign a digest": func(s *scene) error {
		r := signRequest(s.keyOf(kmsapi.KeySpecEccNistEdwards25519, sig), kmsapi.SigningAlgorithmSpecEd25519PhSha512, strings.Repeat("d", 64))
		r.MessageType = new(kmsapi.MessageTypeDigest)
		_, err := s.Sign(s.t.Context(), s.c, r)
		return err
	},
	"Sign by alias": func(s *scene) error {
		id := s.keyOf(kmsapi.KeySpecEccNistEdwards25519, sig)
		s.createAlias("alias/of-"+id, id)
		_, err := s.Sign(s.t.Context(), s.c, signRequest("alias/of-"+id, kmsapi.SigningAlgorithmSpecEd25519Sha512, "p"))
		return err
	},
	"Verify": func(s *scene) error {
		_, err := s.Verify(s.t.Context(), s.c, verifyRequest(s.keyOf(kmsapi.KeySpecEccNistEdwards25519, sig), kmsapi.SigningAlgorithmSpecEd25519Sha512, "p", []byte("s")))
		return err
	},
	"GetPublicKey": func(s *scene) error {
		_, err := s.GetPublicKey(s.t.Context(), s.c, &kmsapi.GetPublicKeyRequest{KeyId: new(s.keyOf(kmsapi.KeySpecEccNistP256, sig))})
		return err
	},
	"GenerateMac": func(s *scene) error {
		_, err := s.GenerateMac(s.t.Context(), s.c, macRequest(s.keyOf(kmsapi.KeySpecHmac256, mac), kmsapi.MacAlgorithmSpecHmacSha256, "p"))
		return err
	},
	"VerifyMac": func(s *scene) error {
		_, err := s.VerifyMac(s.t.Context(), s.c, verifyMacRequest(s.keyOf(kmsapi.KeySpecHmac256, mac), kmsapi.MacAlgorithmSpecHmacSha256, "p", []byte("x")))
		return err
	},
	"DeriveSharedSecret": func(s *scene) error {
		_, err := s.DeriveSharedSecret(s.t.Context(), s.c, agreeRequest(s.keyOf(kmsapi.KeySpecEccNistP256, agree), newPeer(s.t).spki))
		return err
	},
	"Encrypt through S3": func(s *scene) error {
		_, err := s.NewDataKey(s.t.Context(), s.c, s.key, tenant)
		return err
	},
	"ReplicateKey": func(s *scene) error {
		_, err := s.ReplicateKey(s.t.Context(), s.c, &kmsapi.ReplicateKeyRequest{KeyId: new(s.related()), ReplicaRegion: new(region2)})
		return err
	},
	"ReplicateKey, all of it": func(s *scene) error {
		_, err := s.ReplicateKey(s.t.Context(), s.c, &kmsapi.ReplicateKeyRequest{KeyId: new(s.related()), ReplicaRegion: new(region2), Tags: tagList("Team", "red"), BypassPolicyLockoutSafetyCheck: new(true)})
		return err
	},
	"UpdatePrimaryRegion": func(s *scene) error { return s.updatePrimary(s.c, s.related(region2), region2) },
	"Encrypt under a replica": func(s *scene) error {
		c := s.c
		c.Region = region2
		_, err := s.Encrypt(s.t.Context(), c, encryptRequest(s.related(region2), "p", tenant))
		return err
	},
	"Encrypt under a primary key": func(s *scene) error {
		_, err := s.Encrypt(s.t.Context(), s.c, encryptRequest(s.related(region2), "p", tenant))
		return err
	},
	"CreateKey": func(s *scene) error {
		_, err := s.CreateKey(s.t.Context(), s.c, &kmsapi.CreateKeyRequest{})
		return err
	},
	"CreateKey, all of it": func(s *scene) error {
		_, err := s.CreateKey(s.t.Context(), s.c, &kmsapi.CreateKeyRequest{
			KeySpec: new(kmsapi.KeySpecRsa4096), KeyUsage: new(kmsapi.KeyUsageTypeSignVerify), Origin: new(kmsapi.OriginTypeExternal),
			MultiRegion: new(true), BypassPolicyLockoutSafetyCheck: new(true), Tags: tagList("Team", "blue"),
		})
		return err
	},
}

// allowed reports whether an operation got past the gate, whatever came of it then.
func allowed(t *testing.T, err error) bool {
	t.Helper()
	if c := awserr.CodeOf(err); c == kmsapi.KMSInternalException {
		t.Fatal(err)
	}
	return !errors.Is(err, gate.AccessDenied)
}

// stage makes fresh keys for one case, with a key policy that lets root do
// everything and bob what the statement says.
func (k *kit) stage(statement string) *scene {
	k.t.Helper()
	s := &scene{kit: k, c: bob()}
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}`
	if statement != "" {
		text += "," + statement
	}
	s.policy = text + "]}"
	for _, id := range []*string{&s.key, &s.other} {
		r, err := k.CreateKey(k.t.Context(), root(), &kmsapi.CreateKeyRequest{Policy: &s.policy, Tags: tagList("Team", "blue", "stage", "test")})
		k.check(err)
		*id = *r.KeyMetadata.KeyId
	}
	s.alias = "alias/of-" + s.key
	k.createAlias(s.alias, s.key)
	s.blob = k.encrypt(s.key, "p", tenant)
	return s
}
