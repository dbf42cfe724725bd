package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// The table of KMS Developer Guide, "Key states of AWS KMS keys", for the
// operations that are served.
func TestStateTable(t *testing.T) {
	const (
		always         = iota // what takes every state
		crypto                // what uses the key material
		enabling              // EnableKey and DisableKey
		change                // what changes a key that is there to stay
		cancel                // CancelKeyDeletion
		rotation              // EnableKeyRotation and DisableKeyRotation
		rotate                // RotateKeyOnDemand
		rotationStatus        // GetKeyRotationStatus and ListKeyRotations
		kinds                 // how many there are
	)
	const (
		notPending = " is not pending deletion."
		pending    = " is pending deletion."
		unknown    = " is in a state that does not allow this operation."
	)
	const external, cloudHSM = " origin is EXTERNAL which is not valid for this operation.", " origin is AWS_CLOUDHSM which is not valid for this operation."
	origins := map[kmsapi.KeyState]kmsapi.OriginType{ // of the keys that can be in the state
		kmsapi.KeyStatePendingImport: kmsapi.OriginTypeExternal,
		kmsapi.KeyStateUnavailable:   kmsapi.OriginTypeAwsCloudhsm,
	}
	table := []struct {
		state kmsapi.KeyState
		want  [kinds]string // text after the ARN; "" is success
	}{
		{kmsapi.KeyStateEnabled, [kinds]string{cancel: notPending}},
		{kmsapi.KeyStateDisabled, [kinds]string{crypto: " is disabled.", cancel: notPending, rotation: " is disabled.", rotate: " is disabled."}},
		{kmsapi.KeyStatePendingImport, [kinds]string{crypto: " is pending import.", enabling: " is pending import.", cancel: notPending, rotation: external, rotate: " is pending import."}},
		{kmsapi.KeyStatePendingDeletion, [kinds]string{crypto: pending, enabling: pending, change: pending, rotation: pending, rotate: pending}},
		{kmsapi.KeyStatePendingReplicaDeletion, [kinds]string{crypto: pending, enabling: pending, change: pending, rotation: pending, rotate: pending}},
		{kmsapi.KeyStateUnavailable, [kinds]string{crypto: " is unavailable.", cancel: notPending, rotation: cloudHSM, rotate: cloudHSM, rotationStatus: cloudHSM}},
		{kmsapi.KeyStateCreating, [kinds]string{crypto: " is creating.", enabling: " is creating.", change: " is creating.", cancel: notPending, rotation: " is creating.", rotate: " is creating."}},
		{kmsapi.KeyStateUpdating, [kinds]string{crypto: " is updating.", enabling: " is updating.", change: " is updating.", cancel: notPending, rotation: " is updating.", rotate: " is updating."}},
		{"Melting", [kinds]string{crypto: unknown, enabling: unknown, change: unknown, cancel: notPending, rotation: unknown, rotate: unknown}},
	}
	k := newKit(t)
	good := k.createKey()
	goodBlob := k.encrypt(*good.KeyId, "p", nil)
	ctx, spec := t.Context(), new(kmsapi.DataKeySpecAes256)
	for _, row := range table {
		t.Run(string(row.state), func(t *testing.T) {
			key := k.createKey()
			id, name := key.KeyId, "alias/"+string(row.state)
			blob := k.encrypt(*id, "p", nil)
			k.createAlias(name, *id)
			k.createAlias(name+"-moves", *good.KeyId)
			for _, op := range []struct {
				name string
				kind int
				call func() error
			}{
				{"DescribeKey", always, func() error {
					_, err := k.DescribeKey(ctx, root(), &kmsapi.DescribeKeyRequest{KeyId: id})
					return err
				}},
				{"GetKeyRotationStatus", rotationStatus, func() error {
					_, err := k.GetKeyRotationStatus(ctx, root(), &kmsapi.GetKeyRotationStatusRequest{KeyId: id})
					return err
				}},
				{"ListKeyRotations", rotationStatus, func() error {
					_, err := k.ListKeyRotations(ctx, root(), &kmsapi.ListKeyRotationsRequest{KeyId: id})
					return err
				}},
				{"ListAliases", always, func() error {
					_, err := k.ListAliases(ctx, root(), &kmsapi.ListAliasesRequest{KeyId: id})
					return err
				}},
				{"ListResourceTags", always, func() error {
					_, err := k.ListResourceTags(ctx, root(), &kmsapi.ListResourceTagsRequest{KeyId: id})
					return err
				}},
				{"GetKeyPolicy", always, func() error {
					_, err := k.GetKeyPolicy(ctx, root(), &kmsapi.GetKeyPolicyRequest{KeyId: id})
					return err
				}},
				{"ListKeyPolicies", always, func() error {
					_, err := k.ListKeyPolicies(ctx, root(), &kmsapi.ListKeyPoliciesRequest{KeyId: id})
					return err
				}},
				{"PutKeyPolicy", always, func() error {
					return k.PutKeyPolicy(ctx, root(), &kmsapi.PutKeyPolicyRequest{KeyId: id, Policy: new(laidOut)})
				}},
				{"UpdateAlias away", always, func() error { return k.updateAlias(name, *good.KeyId) }},
				{"DeleteAlias", always, func() error {
					return k.DeleteAlias(ctx, root(), &kmsapi.DeleteAliasRequest{AliasName: &name})
				}},
				{"Encrypt", crypto, func() error {
					_, err := k.Encrypt(ctx, root(), encryptRequest(*id, "p", nil))
					return err
				}},
				{"Decrypt", crypto, func() error {
					_, err := k.Decrypt(ctx, root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
					return err
				}},
				{"ReEncrypt from", crypto, func() error {
					_, err := k.ReEncrypt(ctx, root(), &kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: good.KeyId})
					return err
				}},
				{"ReEncrypt to", crypto, func() error {
					_, err := k.ReEncrypt(ctx, root(), &kmsapi.ReEncryptRequest{CiphertextBlob: goodBlob, DestinationKeyId: id})
					return err
				}},
				{"GenerateDataKey", crypto, func() error {
					_, err := k.GenerateDataKey(ctx, root(), &kmsapi.GenerateDataKeyRequest{KeyId: id, KeySpec: spec})
					return err
				}},
				{"GenerateDataKeyWithoutPlaintext", crypto, func() error {
					_, err := k.GenerateDataKeyWithoutPlaintext(ctx, root(), &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: id, KeySpec: spec})
					return err
				}},
				{"GenerateDataKeyPair", crypto, func() error {
					_, err := k.GenerateDataKeyPair(ctx, root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: id, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})
					return err
				}},
				{"GenerateDataKeyPairWithoutPlaintext", crypto, func() error {
					_, err := k.GenerateDataKeyPairWithoutPlaintext(ctx, root(), &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{KeyId: id, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})
					return err
				}},
				{"NewDataKey", crypto, func() error { _, err := k.NewDataKey(ctx, root(), *id, nil); return err }},
				{"EnableKey", enabling, func() error { return k.EnableKey(ctx, root(), &kmsapi.EnableKeyRequest{KeyId: id}) }},
				{"DisableKey", enabling, func() error { return k.DisableKey(ctx, root(), &kmsapi.DisableKeyRequest{KeyId: id}) }},
				{"EnableKeyRotation", rotation, func() error {
					return k.EnableKeyRotation(ctx, root(), &kmsapi.EnableKeyRotationRequest{KeyId: id})
				}},
				{"DisableKeyRotation", rotation, func() error {
					return k.DisableKeyRotation(ctx, root(), &kmsapi.DisableKeyRotationRequest{KeyId: id})
				}},
				{"RotateKeyOnDemand", rotate, func() error {
					_, err := k.RotateKeyOnDemand(ctx, root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: id})
					return err
				}},
				{"CreateAlias", change, func() error {
					return k.CreateAlias(ctx, root(), &kmsapi.CreateAliasRequest{AliasName: new(name + "-new"), TargetKeyId: id})
				}},
				{"UpdateAlias to", change, func() error { return k.updateAlias(name+"-moves", *id) }},
				{"TagResource", change, func() error { return k.tag(*id, tagList("a", "b")) }},
				{"UntagResource", change, func() error { return k.untag(*id, "a") }},
				{"UpdateKeyDescription", change, func() error {
					return k.UpdateKeyDescription(ctx, root(), &kmsapi.UpdateKeyDescriptionRequest{KeyId: id, Description: new("d")})
				}},
				{"ScheduleKeyDeletion", change, func() error {
					_, err := k.ScheduleKeyDeletion(ctx, root(), &kmsapi.ScheduleKeyDeletionRequest{KeyId: id})
					return err
				}},
				{"CancelKeyDeletion", cancel, func() error {
					_, err := k.CancelKeyDeletion(ctx, root(), &kmsapi.CancelKeyDeletionRequest{KeyId: id})
					return err
				}},
			} {
				k.change(*id, func(key *kmsdb.Key) {
					key.State = row.state
					if origin, ok := origins[row.state]; ok {
						key.Origin = origin
					}
				})
				text := row.want[op.kind]
				switch err := op.call(); {
				case text == "" && err != nil:
					t.Errorf("%s: %v", op.name, err)
				case text == " is disabled.":
					wantError(t, err, kmsapi.DisabledException, *key.Arn+text)
				case text == external, text == cloudHSM:
					wantError(t, err, kmsapi.UnsupportedOperationException, *key.Arn+text)
				case text != "":
					wantError(t, err, kmsapi.KMSInvalidStateException, *key.Arn+text)
				}
			}
		})
	}
}

// The same for what imports key material, into keys of origin EXTERNAL: others
// are refused by their origin in every state.
func TestStateTableOfImport(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	own := k.importer(k.createExternal("", "")) // no more, soon
	k.change(own.id, func(key *kmsdb.Key) { key.Origin = kmsapi.OriginTypeAwsKms })
	const pending, unknown = " is pending deletion.", " is in a state that does not allow this operation."
	for _, row := range []struct {
		state                   kmsapi.KeyState
		parameters, in, deleted string // text after the ARN; "" is success
		after                   kmsapi.KeyState
	}{
		{kmsapi.KeyStateEnabled, "", "", "", kmsapi.KeyStatePendingImport},
		{kmsapi.KeyStateDisabled, "", "", "", kmsapi.KeyStatePendingImport},
		{kmsapi.KeyStatePendingImport, "", "", "", kmsapi.KeyStatePendingImport},
		{kmsapi.KeyStatePendingDeletion, pending, pending, "", kmsapi.KeyStatePendingDeletion},
		{kmsapi.KeyStatePendingReplicaDeletion, pending, pending, "", kmsapi.KeyStatePendingReplicaDeletion},
		{kmsapi.KeyStateCreating, " is creating.", " is creating.", " is creating.", kmsapi.KeyStateCreating},
		{kmsapi.KeyStateUpdating, " is updating.", " is updating.", " is updating.", kmsapi.KeyStateUpdating},
		{"Melting", unknown, unknown, unknown, "Melting"},
	} {
		t.Run(string(row.state), func(t *testing.T) {
			k.change(i.id, func(key *kmsdb.Key) { key.State = kmsapi.KeyStatePendingImport })
			i.must(materialA)
			for _, op := range []struct {
				name, text string
				call       func(i *importer) error
			}{
				{"GetParametersForImport", row.parameters, func(i *importer) error {
					_, err := k.GetParametersForImport(t.Context(), root(), &kmsapi.GetParametersForImportRequest{
						KeyId: &i.id, WrappingAlgorithm: new(kmsapi.AlgorithmSpecRsaesOaepSha256), WrappingKeySpec: new(kmsapi.WrappingKeySpecRsa2048),
					})
					return err
				}},
				{"ImportKeyMaterial", row.in, func(i *importer) error { return i.try(materialA) }},
				{"DeleteImportedKeyMaterial", row.deleted, func(i *importer) error {
					_, err := k.DeleteImportedKeyMaterial(t.Context(), root(), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &i.id})
					return err
				}},
			} {
				for _, id := range []string{i.id, own.id} {
					k.change(id, func(key *kmsdb.Key) { key.State = row.state })
				}
				wantError(t, op.call(own), kmsapi.UnsupportedOperationException, own.arn+" origin is AWS_KMS which is not valid for this operation.")
				switch err := op.call(i); {
				case op.text == "" && err != nil:
					t.Errorf("%s: %v", op.name, err)
				case op.text != "":
					wantError(t, err, kmsapi.KMSInvalidStateException, i.arn+op.text)
				}
			}
			i.wantState(row.after)
		})
	}
}
