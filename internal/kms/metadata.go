package kms

import (
	"encoding/json"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// metadata is a key as CreateKey and DescribeKey answer it. All members of the
// literal are always there (recorded from AWS). Of the lists of algorithms only
// the one that fits the key's usage is, and CurrentKeyMaterialId only of a
// symmetric encryption key.
func metadata(k *kmsdb.Key) *kmsapi.KeyMetadata {
	m := &kmsapi.KeyMetadata{
		AWSAccountId:          new(k.Account),
		KeyId:                 new(k.ID),
		Arn:                   new(k.ARN()),
		CreationDate:          new(k.CreationDate),
		Enabled:               new(k.State == kmsapi.KeyStateEnabled),
		Description:           new(k.Description),
		KeyUsage:              new(k.KeyUsage),
		KeyState:              new(k.State),
		Origin:                new(k.Origin),
		KeyManager:            new(kmsapi.KeyManagerType(k.Manager)),
		CustomerMasterKeySpec: new(kmsapi.CustomerMasterKeySpec(k.KeySpec)),
		KeySpec:               new(k.KeySpec),
		MultiRegion:           new(k.MultiRegion),

		MultiRegionConfiguration: multiRegionConfiguration(k),
	}
	m.EncryptionAlgorithms, m.SigningAlgorithms = encryptionAlgorithms(k), signingAlgorithms(k)
	m.MacAlgorithms, m.KeyAgreementAlgorithms = macAlgorithms(k), agreementAlgorithms(k)
	if symmetric(k) && k.Current != "" {
		m.CurrentKeyMaterialId = new(k.Current)
	}
	m.ExpirationModel, m.ValidTo = expiration(k)
	switch k.State {
	case kmsapi.KeyStatePendingDeletion:
		m.DeletionDate = new(k.DeletionDate)
	case kmsapi.KeyStatePendingReplicaDeletion:
		m.PendingDeletionWindowInDays = new(k.PendingWindow)
	}
	return m
}

// recordTime is how CloudTrail prints times inside requests and responses:
// Aug 10, 2022, 10:38:27 PM.
const recordTime = "Jan 2, 2006, 3:04:05 PM"

// metadataRecord is responseElements of CreateKey.
func metadataRecord(k *kmsdb.Key) json.RawMessage {
	return newObject().raw("keyMetadata", keyMetadataRecord("AWSAccountId", k)).end()
}

// keyMetadataRecord is KeyMetadata in a record. AWS spells the member of the
// account in two ways, by operation.
func keyMetadataRecord(account string, k *kmsdb.Key) json.RawMessage {
	m := newObject().
		str(account, k.Account).
		str("keyId", k.ID).
		str("arn", k.ARN()).
		str("creationDate", k.CreationDate.UTC().Format(recordTime)).
		boolean("enabled", k.State == kmsapi.KeyStateEnabled).
		str("description", k.Description).
		str("keyUsage", string(k.KeyUsage)).
		str("keyState", string(k.State)).
		str("origin", string(k.Origin)).
		str("keyManager", string(k.Manager)).
		str("customerMasterKeySpec", string(k.KeySpec)).
		str("keySpec", string(k.KeySpec))
	m = list(m, "encryptionAlgorithms", encryptionAlgorithms(k))
	m = list(m, "signingAlgorithms", signingAlgorithms(k))
	m = list(m, "macAlgorithms", macAlgorithms(k))
	m = list(m, "keyAgreementAlgorithms", agreementAlgorithms(k)).multiRegion(k)
	if symmetric(k) && k.Current != "" {
		m = m.str("currentKeyMaterialId", k.Current)
	}
	return m.end()
}
