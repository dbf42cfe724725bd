package server

import (
	"encoding/json"
	"errors"
	"iter"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/sts"
)

// This file walks the tables of operations. Of each it shows that it passes the
// gate with its own actions on its own resources: that they are enough, that none
// of them can be missing, that a Deny of any refuses, and in which words. (Those
// of S3 are walked in package s3http.)

// need is an action that an operation takes, on a resource. A resource that ends
// in /* is one that does not exist before the operation.
type need struct{ action, resource string }

// walker is an operation's stage: a user of the bank, whose policy the walk
// changes, and things that the administrator has made.
type walker struct {
	*story
	admin, user *actor
	key, spare  string // ARNs
	alias       string // name, of key
	blob        []byte // under key, or its signature or MAC
	public      []byte // public key of key, in DER
	grant       string // id, on key, for nobody in particular
	keyStore    string // id of a custom key store

	external string // ARN of a key that takes material, with what imports some
	imports  *awskms.ImportKeyMaterialInput
}

// walkRow is one operation of a table.
type walkRow struct {
	name  string
	needs func(w *walker) []need // in the order in which they are asked for; nil: the operation needs no permission
	ready func(w *walker) error  // puts in place what do takes; nil: nothing
	do    func(w *walker) error  // by the user
	undo  func(w *walker) error  // after it succeeded; nil: nothing
}

func onKey(action string) func(w *walker) []need {
	return func(w *walker) []need { return []need{{action, w.key}} }
}

func onNothing(action string) func(w *walker) []need {
	return func(*walker) []need { return []need{{action, "*"}} }
}

func (w *walker) aliasARN(name string) string { return "arn:aws:kms:us-east-1:" + bank + ":" + name }

// discard drops the answer of a call of the SDK.
func discard[T any](_ T, err error) error { return err }

// kmsRows has every operation of KMS. Source: KMS Developer Guide, "AWS KMS
// permissions".
var kmsRows = []walkRow{
	{name: "CancelKeyDeletion", needs: onKey("kms:CancelKeyDeletion"),
		ready: func(w *walker) error {
			return discard(w.admin.kms.ScheduleKeyDeletion(w.Context(), &awskms.ScheduleKeyDeletionInput{KeyId: &w.key}))
		},
		do: func(w *walker) error {
			return discard(w.user.kms.CancelKeyDeletion(w.Context(), &awskms.CancelKeyDeletionInput{KeyId: &w.key}))
		},
		undo: enableKey},
	{name: "ConnectCustomKeyStore", needs: onNothing("kms:ConnectCustomKeyStore"), ready: makeStore,
		do: func(w *walker) error {
			return discard(w.user.kms.ConnectCustomKeyStore(w.Context(), &awskms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &w.keyStore}))
		},
		undo: removeFailedStore},
	{name: "CreateAlias",
		needs: func(w *walker) []need {
			return []need{{"kms:CreateAlias", w.aliasARN("alias/new")}, {"kms:CreateAlias", w.key}}
		},
		do: func(w *walker) error {
			return discard(w.user.kms.CreateAlias(w.Context(), &awskms.CreateAliasInput{AliasName: aws.String("alias/new"), TargetKeyId: &w.key}))
		}},
	{name: "CreateCustomKeyStore", needs: onNothing("kms:CreateCustomKeyStore"),
		do:   func(w *walker) (err error) { w.keyStore, err = createStore(w, w.user); return err },
		undo: removeStore},
	{name: "CreateGrant", needs: onKey("kms:CreateGrant"), do: func(w *walker) error {
		return discard(w.user.grant(w.key, w.admin.arn, nil, kmstypes.GrantOperationEncrypt))
	}},
	{name: "CreateKey",
		needs: func(*walker) []need {
			return []need{{"kms:CreateKey", "*"}, {"kms:TagResource", "arn:aws:kms:us-east-1:" + bank + ":key/*"}}
		},
		do: func(w *walker) error {
			return discard(w.user.kms.CreateKey(w.Context(), &awskms.CreateKeyInput{
				Tags: []kmstypes.Tag{{TagKey: aws.String("team"), TagValue: aws.String("red")}}, BypassPolicyLockoutSafetyCheck: true,
			}))
		}},
	{name: "Decrypt", needs: onKey("kms:Decrypt"), do: func(w *walker) error { return w.user.decrypt(w.key, w.blob) }},
	{name: "DeleteAlias",
		needs: func(w *walker) []need {
			return []need{{"kms:DeleteAlias", w.aliasARN(w.alias)}, {"kms:DeleteAlias", w.key}}
		},
		do: func(w *walker) error {
			return discard(w.user.kms.DeleteAlias(w.Context(), &awskms.DeleteAliasInput{AliasName: &w.alias}))
		},
		undo: createAlias},
	{name: "DeleteCustomKeyStore", needs: onNothing("kms:DeleteCustomKeyStore"), ready: makeStore, do: func(w *walker) error {
		return discard(w.user.kms.DeleteCustomKeyStore(w.Context(), &awskms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &w.keyStore}))
	}},
	{name: "DescribeCustomKeyStores", needs: onNothing("kms:DescribeCustomKeyStores"), do: func(w *walker) error {
		return discard(w.user.kms.DescribeCustomKeyStores(w.Context(), &awskms.DescribeCustomKeyStoresInput{}))
	}},
	{name: "DeriveSharedSecret", needs: onKey("kms:DeriveSharedSecret"), ready: keyOf(kmstypes.KeySpecEccNistP256, kmstypes.KeyUsageTypeKeyAgreement), do: func(w *walker) error {
		return discard(w.user.kms.DeriveSharedSecret(w.Context(), &awskms.DeriveSharedSecretInput{
			KeyId: &w.key, KeyAgreementAlgorithm: kmstypes.KeyAgreementAlgorithmSpecEcdh, PublicKey: w.public,
		}))
	}},
	{name: "DeleteImportedKeyMaterial", needs: onExternal("kms:DeleteImportedKeyMaterial"), ready: makeExternal, do: func(w *walker) error {
		return discard(w.user.kms.DeleteImportedKeyMaterial(w.Context(), &awskms.DeleteImportedKeyMaterialInput{KeyId: &w.external}))
	}},
	{name: "DescribeKey", needs: onKey("kms:DescribeKey"), do: func(w *walker) error { return w.user.describe(w.key) }},
	{name: "DisableKey", needs: onKey("kms:DisableKey"), do: func(w *walker) error { return w.user.disable(w.key) }, undo: enableKey},
	{name: "DisableKeyRotation", needs: onKey("kms:DisableKeyRotation"), do: func(w *walker) error {
		return discard(w.user.kms.DisableKeyRotation(w.Context(), &awskms.DisableKeyRotationInput{KeyId: &w.key}))
	}},
	{name: "DisconnectCustomKeyStore", needs: onNothing("kms:DisconnectCustomKeyStore"),
		ready: func(w *walker) error { return errors.Join(makeStore(w), connectStore(w)) },
		do: func(w *walker) error {
			return discard(w.user.kms.DisconnectCustomKeyStore(w.Context(), &awskms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &w.keyStore}))
		},
		undo: removeStore},
	{name: "EnableKey", needs: onKey("kms:EnableKey"), do: func(w *walker) error {
		return discard(w.user.kms.EnableKey(w.Context(), &awskms.EnableKeyInput{KeyId: &w.key}))
	}},
	{name: "EnableKeyRotation", needs: onKey("kms:EnableKeyRotation"), do: func(w *walker) error {
		return discard(w.user.kms.EnableKeyRotation(w.Context(), &awskms.EnableKeyRotationInput{KeyId: &w.key}))
	}},
	{name: "Encrypt", needs: onKey("kms:Encrypt"), do: func(w *walker) error { return discard(w.user.encrypt(w.key)) }},
	{name: "GenerateDataKey", needs: onKey("kms:GenerateDataKey"), do: func(w *walker) error { return discard(w.user.dataKey(w.key)) }},
	{name: "GenerateDataKeyPair", needs: onKey("kms:GenerateDataKeyPair"), do: func(w *walker) error {
		return discard(w.user.kms.GenerateDataKeyPair(w.Context(), &awskms.GenerateDataKeyPairInput{KeyId: &w.key, KeyPairSpec: kmstypes.DataKeyPairSpecEccNistP256}))
	}},
	{name: "GenerateDataKeyPairWithoutPlaintext", needs: onKey("kms:GenerateDataKeyPairWithoutPlaintext"), do: func(w *walker) error {
		return discard(w.user.kms.GenerateDataKeyPairWithoutPlaintext(w.Context(), &awskms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &w.key, KeyPairSpec: kmstypes.DataKeyPairSpecEccNistP256}))
	}},
	{name: "GenerateDataKeyWithoutPlaintext", needs: onKey("kms:GenerateDataKeyWithoutPlaintext"), do: func(w *walker) error {
		return discard(w.user.kms.GenerateDataKeyWithoutPlaintext(w.Context(), &awskms.GenerateDataKeyWithoutPlaintextInput{KeyId: &w.key, KeySpec: kmstypes.DataKeySpecAes256}))
	}},
	{name: "GenerateMac", needs: onKey("kms:GenerateMac"), ready: keyOf(kmstypes.KeySpecHmac256, kmstypes.KeyUsageTypeGenerateVerifyMac), do: func(w *walker) error {
		return discard(w.user.kms.GenerateMac(w.Context(), &awskms.GenerateMacInput{KeyId: &w.key, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: []byte("m")}))
	}},
	{name: "GenerateRandom", needs: onNothing("kms:GenerateRandom"), do: func(w *walker) error {
		return discard(w.user.kms.GenerateRandom(w.Context(), &awskms.GenerateRandomInput{NumberOfBytes: aws.Int32(8)}))
	}},
	{name: "GetKeyLastUsage", needs: onKey("kms:GetKeyLastUsage"), do: func(w *walker) error {
		return discard(w.user.kms.GetKeyLastUsage(w.Context(), &awskms.GetKeyLastUsageInput{KeyId: &w.key}))
	}},
	{name: "GetKeyPolicy", needs: onKey("kms:GetKeyPolicy"), do: func(w *walker) error {
		return discard(w.user.kms.GetKeyPolicy(w.Context(), &awskms.GetKeyPolicyInput{KeyId: &w.key}))
	}},
	{name: "GetKeyRotationStatus", needs: onKey("kms:GetKeyRotationStatus"), do: func(w *walker) error {
		return discard(w.user.kms.GetKeyRotationStatus(w.Context(), &awskms.GetKeyRotationStatusInput{KeyId: &w.key}))
	}},
	{name: "GetPublicKey", needs: onKey("kms:GetPublicKey"), ready: keyOf(kmstypes.KeySpecEccNistP256, kmstypes.KeyUsageTypeSignVerify), do: func(w *walker) error {
		return discard(w.user.kms.GetPublicKey(w.Context(), &awskms.GetPublicKeyInput{KeyId: &w.key}))
	}},
	{name: "GetParametersForImport", needs: onExternal("kms:GetParametersForImport"), ready: makeExternal, do: func(w *walker) error {
		return discard(w.user.kms.GetParametersForImport(w.Context(), parametersOf(w.external)))
	}},
	{name: "ImportKeyMaterial", needs: onExternal("kms:ImportKeyMaterial"), ready: makeExternal, do: func(w *walker) error {
		return discard(w.user.kms.ImportKeyMaterial(w.Context(), w.imports))
	}},
	{name: "ListAliases", needs: onNothing("kms:ListAliases"), do: func(w *walker) error {
		return discard(w.user.kms.ListAliases(w.Context(), &awskms.ListAliasesInput{}))
	}},
	{name: "ListGrants", needs: onKey("kms:ListGrants"), do: func(w *walker) error {
		return discard(w.user.kms.ListGrants(w.Context(), &awskms.ListGrantsInput{KeyId: &w.key}))
	}},
	{name: "ListKeyPolicies", needs: onKey("kms:ListKeyPolicies"), do: func(w *walker) error {
		return discard(w.user.kms.ListKeyPolicies(w.Context(), &awskms.ListKeyPoliciesInput{KeyId: &w.key}))
	}},
	{name: "ListKeyRotations", needs: onKey("kms:ListKeyRotations"), do: func(w *walker) error {
		return discard(w.user.kms.ListKeyRotations(w.Context(), &awskms.ListKeyRotationsInput{KeyId: &w.key}))
	}},
	{name: "ListKeys", needs: onNothing("kms:ListKeys"), do: func(w *walker) error {
		return discard(w.user.kms.ListKeys(w.Context(), &awskms.ListKeysInput{}))
	}},
	{name: "ListResourceTags", needs: onKey("kms:ListResourceTags"), do: func(w *walker) error {
		return discard(w.user.kms.ListResourceTags(w.Context(), &awskms.ListResourceTagsInput{KeyId: &w.key}))
	}},
	{name: "ListRetirableGrants", needs: func(w *walker) []need { return []need{{"kms:ListRetirableGrants", w.admin.arn}} }, do: func(w *walker) error {
		return discard(w.user.kms.ListRetirableGrants(w.Context(), &awskms.ListRetirableGrantsInput{RetiringPrincipal: &w.admin.arn}))
	}},
	{name: "PutKeyPolicy", needs: onKey("kms:PutKeyPolicy"), do: func(w *walker) error {
		return w.user.putKeyPolicy(w.key, documentOf(allow(bank, "kms:*")))
	}},
	{name: "ReEncrypt",
		needs: func(w *walker) []need {
			return []need{{"kms:ReEncryptFrom", w.key}, {"kms:ReEncryptTo", w.spare}}
		},
		do: func(w *walker) error {
			return discard(w.user.kms.ReEncrypt(w.Context(), &awskms.ReEncryptInput{SourceKeyId: &w.key, CiphertextBlob: w.blob, DestinationKeyId: &w.spare}))
		}},
	{name: "ReplicateKey", ready: makePrimary,
		needs: func(w *walker) []need {
			return []need{{"kms:ReplicateKey", w.key}, {"kms:CreateKey", "*"}, {"kms:TagResource", w.elsewhere()}}
		},
		do: func(w *walker) error {
			return discard(w.user.kms.ReplicateKey(w.Context(), &awskms.ReplicateKeyInput{
				KeyId: &w.key, ReplicaRegion: aws.String("eu-west-1"), Tags: []kmstypes.Tag{{TagKey: aws.String("team"), TagValue: aws.String("red")}}, BypassPolicyLockoutSafetyCheck: true,
			}))
		}},
	{name: "RetireGrant", needs: onKey("kms:RetireGrant"), ready: makeGrant, do: func(w *walker) error {
		return discard(w.user.kms.RetireGrant(w.Context(), &awskms.RetireGrantInput{KeyId: &w.key, GrantId: &w.grant}))
	}},
	{name: "RevokeGrant", needs: onKey("kms:RevokeGrant"), ready: makeGrant, do: func(w *walker) error { return w.user.revoke(w.key, w.grant) }},
	{name: "RotateKeyOnDemand", needs: onKey("kms:RotateKeyOnDemand"), do: func(w *walker) error {
		return discard(w.user.kms.RotateKeyOnDemand(w.Context(), &awskms.RotateKeyOnDemandInput{KeyId: &w.key}))
	}},
	{name: "ScheduleKeyDeletion", needs: onKey("kms:ScheduleKeyDeletion"),
		do: func(w *walker) error {
			return discard(w.user.kms.ScheduleKeyDeletion(w.Context(), &awskms.ScheduleKeyDeletionInput{KeyId: &w.key}))
		},
		undo: func(w *walker) error {
			_, err := w.admin.kms.CancelKeyDeletion(w.Context(), &awskms.CancelKeyDeletionInput{KeyId: &w.key})
			return errors.Join(err, enableKey(w))
		}},
	{name: "Sign", needs: onKey("kms:Sign"), ready: keyOf(kmstypes.KeySpecEccNistP256, kmstypes.KeyUsageTypeSignVerify), do: func(w *walker) error {
		return discard(w.user.kms.Sign(w.Context(), &awskms.SignInput{KeyId: &w.key, SigningAlgorithm: kmstypes.SigningAlgorithmSpecEcdsaSha256, Message: []byte("m")}))
	}},
	{name: "TagResource", needs: onKey("kms:TagResource"), do: func(w *walker) error {
		return discard(w.user.kms.TagResource(w.Context(), &awskms.TagResourceInput{KeyId: &w.key, Tags: []kmstypes.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}}))
	}},
	{name: "UntagResource", needs: onKey("kms:UntagResource"), do: func(w *walker) error {
		return discard(w.user.kms.UntagResource(w.Context(), &awskms.UntagResourceInput{KeyId: &w.key, TagKeys: []string{"a"}}))
	}},
	{name: "UpdateAlias",
		needs: func(w *walker) []need {
			return []need{{"kms:UpdateAlias", w.aliasARN(w.alias)}, {"kms:UpdateAlias", w.key}, {"kms:UpdateAlias", w.spare}}
		},
		do: func(w *walker) error {
			return discard(w.user.kms.UpdateAlias(w.Context(), &awskms.UpdateAliasInput{AliasName: &w.alias, TargetKeyId: &w.spare}))
		},
		undo: func(w *walker) error {
			return discard(w.admin.kms.UpdateAlias(w.Context(), &awskms.UpdateAliasInput{AliasName: &w.alias, TargetKeyId: &w.key}))
		}},
	{name: "UpdateCustomKeyStore", needs: onNothing("kms:UpdateCustomKeyStore"), ready: makeStore,
		do: func(w *walker) error {
			return discard(w.user.kms.UpdateCustomKeyStore(w.Context(), &awskms.UpdateCustomKeyStoreInput{CustomKeyStoreId: &w.keyStore, NewCustomKeyStoreName: aws.String("another")}))
		},
		undo: removeStore},
	{name: "UpdateKeyDescription", needs: onKey("kms:UpdateKeyDescription"), do: func(w *walker) error {
		return discard(w.user.kms.UpdateKeyDescription(w.Context(), &awskms.UpdateKeyDescriptionInput{KeyId: &w.key, Description: aws.String("d")}))
	}},
	{name: "UpdatePrimaryRegion",
		ready: func(w *walker) error {
			err := makePrimary(w)
			return errors.Join(err, discard(w.admin.kms.ReplicateKey(w.Context(), &awskms.ReplicateKeyInput{KeyId: &w.key, ReplicaRegion: aws.String("eu-west-1")})))
		},
		needs: func(w *walker) []need {
			return []need{{"kms:UpdatePrimaryRegion", w.key}, {"kms:UpdatePrimaryRegion", w.elsewhere()}}
		},
		do: func(w *walker) error {
			return discard(w.user.kms.UpdatePrimaryRegion(w.Context(), &awskms.UpdatePrimaryRegionInput{KeyId: &w.key, PrimaryRegion: aws.String("eu-west-1")}))
		}},
	{name: "Verify", needs: onKey("kms:Verify"),
		ready: func(w *walker) error {
			if err := keyOf(kmstypes.KeySpecEccNistP256, kmstypes.KeyUsageTypeSignVerify)(w); err != nil {
				return err
			}
			r, err := w.admin.kms.Sign(w.Context(), &awskms.SignInput{KeyId: &w.key, SigningAlgorithm: kmstypes.SigningAlgorithmSpecEcdsaSha256, Message: []byte("m")})
			if err == nil {
				w.blob = r.Signature
			}
			return err
		},
		do: func(w *walker) error {
			return discard(w.user.kms.Verify(w.Context(), &awskms.VerifyInput{
				KeyId: &w.key, SigningAlgorithm: kmstypes.SigningAlgorithmSpecEcdsaSha256, Message: []byte("m"), Signature: w.blob,
			}))
		}},
	{name: "VerifyMac", needs: onKey("kms:VerifyMac"),
		ready: func(w *walker) error {
			if err := keyOf(kmstypes.KeySpecHmac256, kmstypes.KeyUsageTypeGenerateVerifyMac)(w); err != nil {
				return err
			}
			r, err := w.admin.kms.GenerateMac(w.Context(), &awskms.GenerateMacInput{KeyId: &w.key, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: []byte("m")})
			if err == nil {
				w.blob = r.Mac
			}
			return err
		},
		do: func(w *walker) error {
			return discard(w.user.kms.VerifyMac(w.Context(), &awskms.VerifyMacInput{
				KeyId: &w.key, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: []byte("m"), Mac: w.blob,
			}))
		}},
}

// keyOf puts a key of another kind in the place of the walker's, with its public
// key if it has one.
func keyOf(spec kmstypes.KeySpec, usage kmstypes.KeyUsageType) func(w *walker) error {
	return func(w *walker) error {
		r, err := w.admin.kms.CreateKey(w.Context(), &awskms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
		if err != nil {
			return err
		}
		w.key = *r.KeyMetadata.Arn
		if usage == kmstypes.KeyUsageTypeGenerateVerifyMac {
			return nil
		}
		public, err := w.admin.kms.GetPublicKey(w.Context(), &awskms.GetPublicKeyInput{KeyId: &w.key})
		if err == nil {
			w.public = public.PublicKey
		}
		return err
	}
}

// makePrimary makes the key of the walk a multi-region one.
func makePrimary(w *walker) error {
	out, err := w.admin.kms.CreateKey(w.Context(), &awskms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err == nil {
		w.key = *out.KeyMetadata.Arn
	}
	return err
}

// elsewhere is the ARN of the replica of the walk's key.
func (w *walker) elsewhere() string { return strings.Replace(w.key, DefaultRegion, "eu-west-1", 1) }

func enableKey(w *walker) error {
	return discard(w.admin.kms.EnableKey(w.Context(), &awskms.EnableKeyInput{KeyId: &w.key}))
}

func createAlias(w *walker) error {
	return discard(w.admin.kms.CreateAlias(w.Context(), &awskms.CreateAliasInput{AliasName: &w.alias, TargetKeyId: &w.key}))
}

func onExternal(action string) func(w *walker) []need {
	return func(w *walker) []need { return []need{{action, w.external}} }
}

// makeExternal makes a key whose material is imported.
func makeExternal(w *walker) error {
	r, err := w.admin.kms.CreateKey(w.Context(), &awskms.CreateKeyInput{Origin: kmstypes.OriginTypeExternal})
	if err != nil {
		return err
	}
	w.external = *r.KeyMetadata.Arn
	if w.imports, err = importOf(w.Context(), w.admin.kms, w.external, []byte("the 32 bytes of some keymaterial")); err != nil {
		return err
	}
	return discard(w.admin.kms.ImportKeyMaterial(w.Context(), w.imports))
}

func makeGrant(w *walker) (err error) {
	w.grant, err = w.admin.grant(w.key, w.admin.arn, nil, kmstypes.GrantOperationDecrypt)
	return err
}

// createStore makes an external key store as a.
func createStore(w *walker, a *actor) (id string, err error) {
	r, err := a.kms.CreateCustomKeyStore(w.Context(), &awskms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: aws.String("walk"), CustomKeyStoreType: kmstypes.CustomKeyStoreTypeExternalKeyStore,
		XksProxyUriEndpoint: aws.String("https://xks.example.com"), XksProxyUriPath: aws.String("/kms/xks/v1"), XksProxyConnectivity: kmstypes.XksProxyConnectivityTypePublicEndpoint,
		XksProxyAuthenticationCredential: &kmstypes.XksProxyAuthenticationCredentialType{
			AccessKeyId: aws.String("ABCDE2345672ABCDE234"), RawSecretAccessKey: aws.String("DXjSUawnel2fr6SKC7G25CNxTyWKE5PF9XX6H/u9pSo="),
		},
	})
	if err != nil {
		return "", err
	}
	return *r.CustomKeyStoreId, nil
}

func makeStore(w *walker) (err error) {
	w.keyStore, err = createStore(w, w.admin)
	return err
}

func connectStore(w *walker) error {
	return discard(w.admin.kms.ConnectCustomKeyStore(w.Context(), &awskms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &w.keyStore}))
}

func removeStore(w *walker) error {
	return discard(w.admin.kms.DeleteCustomKeyStore(w.Context(), &awskms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &w.keyStore}))
}

// removeFailedStore is removeStore for one that could not be connected.
func removeFailedStore(w *walker) error {
	_, err := w.admin.kms.DisconnectCustomKeyStore(w.Context(), &awskms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &w.keyStore})
	return errors.Join(err, removeStore(w))
}

const walkRole = "arn:aws:iam::" + bank + ":role/walk"

// stsRows has every operation of STS. Source: STS API Reference.
var stsRows = []walkRow{
	{name: "AssumeRole",
		needs: func(*walker) []need {
			return []need{{"sts:AssumeRole", walkRole}, {"sts:TagSession", walkRole}, {"sts:SetSourceIdentity", walkRole}}
		},
		do: func(w *walker) error {
			return discard(w.user.assume(walkRole, "s1", withTags("a", "b"), withSource("ida")))
		}},
	{name: "GetAccessKeyInfo", needs: onNothing("sts:GetAccessKeyInfo"), do: func(w *walker) error {
		return discard(w.user.sts.GetAccessKeyInfo(w.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: aws.String(accessKeyOf("ada"))}))
	}},
	{name: "GetCallerIdentity", do: func(w *walker) error {
		return discard(w.user.sts.GetCallerIdentity(w.Context(), &awssts.GetCallerIdentityInput{}))
	}},
	{name: "GetSessionToken", do: func(w *walker) error {
		return discard(w.user.sts.GetSessionToken(w.Context(), &awssts.GetSessionTokenInput{}))
	}},
}

// right gives the user an inline policy of these statements and nothing else;
// without any, no policy.
func (w *walker) right(statements ...map[string]string) {
	w.Helper()
	u := iam.User{Account: bank, Name: "ida"}
	if len(statements) > 0 {
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			w.Fatal(err)
		}
		u.Inline = map[string]string{"walk": string(text)}
	}
	if err := w.s.store.Update(w.Context(), func(tx *store.Tx) error { return w.s.iam.PutUserIn(tx, u) }); err != nil {
		w.Fatal(err)
	}
}

// keyID is the id of a key in a refusal.
var keyID = regexp.MustCompile(`key/[0-9a-f]{8}-[0-9a-f-]{27}`)

// denied says that the operation is refused for what is needed, and why.
func (w *walker) denied(err error, n need, why string) {
	w.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		w.Errorf("got %v, want a refusal of %s on %s", err, n.action, n.resource)
		return
	}
	got, want := e.ErrorMessage(), w.user.may(n.action, n.resource, why)
	if strings.HasSuffix(n.resource, "/*") {
		got = keyID.ReplaceAllString(got, "key/*")
	}
	if !strings.HasPrefix(e.ErrorCode(), "AccessDenied") || got != want {
		w.Errorf("got  %s: %s\nwant %s", e.ErrorCode(), got, want)
	}
}

func TestGateWalkKMS(t *testing.T) { walkTable(t, kms.Operations(), kmsRows) }
func TestGateWalkSTS(t *testing.T) { walkTable(t, sts.Operations(), stsRows) }

func walkTable(t *testing.T, operations iter.Seq[gate.Operation], rows []walkRow) {
	t.Parallel()
	w := &walker{alias: "alias/walk", story: tell(t, `accounts:
  - id: "111111111111"
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
      - {name: ida, accessKeys: <ida>}
    roles:
      - name: walk
        trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: "sts:*"}}
`)}
	w.admin, w.user = w.story.user(bank, "ada"), w.story.user(bank, "ida")
	w.key, w.spare = made[string](w.story)(w.admin.createKey("")), made[string](w.story)(w.admin.createKey(""))
	w.blob = made[[]byte](w.story)(w.admin.encrypt(w.key))
	w.does(createAlias(w))

	actions := map[string]string{}
	for op := range operations {
		actions[op.Name] = op.Action
	}
	walked := map[string]bool{}
	for _, row := range rows {
		if walked[row.name] {
			t.Errorf("%s is there twice", row.name)
		}
		walked[row.name] = true
		action, ok := actions[row.name]
		if !ok {
			t.Errorf("%s is no operation of the table", row.name)
		}
		t.Run(row.name, func(t *testing.T) {
			w := *w
			w.story = &story{T: t, s: w.s, clock: w.clock, dir: w.dir}
			w.walk(row, action)
		})
	}
	for name := range actions {
		if !walked[name] {
			t.Errorf("%s is an operation that is not walked: add a row with the actions that it needs", name)
		}
	}
}

// walk makes the user call an operation with every permission missing, each
// missing, each denied, and with just those it needs.
func (w *walker) walk(row walkRow, action string) {
	if row.ready != nil {
		w.does(row.ready(w))
	}
	statement := func(effect, action, resource string) map[string]string {
		return map[string]string{"Effect": effect, "Action": action, "Resource": resource}
	}
	if row.needs == nil { // not even a Deny of everything takes it away
		w.right(statement("Deny", "*", "*"))
		w.does(row.do(w))
		return
	}
	needs := row.needs(w)
	w.right()
	w.denied(row.do(w), needs[0], noPolicy(byIdentity, needs[0].action))
	own := false
	var just []map[string]string
	for _, n := range needs {
		own = own || n.action == action
		just = append(just, statement("Allow", n.action, n.resource))
		// Everything but this.
		w.right(map[string]string{"Effect": "Allow", "NotAction": n.action, "Resource": "*"},
			map[string]string{"Effect": "Allow", "Action": n.action, "NotResource": n.resource})
		w.denied(row.do(w), n, noPolicy(byIdentity, n.action))
		w.right(statement("Allow", "*", "*"), statement("Deny", n.action, n.resource))
		w.denied(row.do(w), n, explicitDeny("an identity-based policy"))
	}
	if !own {
		w.Errorf("the table says that the action is %s, which is none of those that the operation needs: %v", action, needs)
	}
	w.right(just...)
	w.does(row.do(w))
	if row.undo != nil {
		w.does(row.undo(w))
	}
}
