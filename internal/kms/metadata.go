package kms

import (
	"encoding/json"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// metadata is a key as CreateKey and DescribeKey answer it. All members but
// the last three are always there (recorded from AWS); lists of algorithms that
// do not fit the key's usage are not.
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
	}
	if k.KeySpec == kmsapi.KeySpecSymmetricDefault {
		m.EncryptionAlgorithms = []kmsapi.EncryptionAlgorithmSpec{kmsapi.EncryptionAlgorithmSpecSymmetricDefault}
		m.CurrentKeyMaterialId = new(k.Current)
	}
	if k.State == kmsapi.KeyStatePendingDeletion {
		m.DeletionDate = new(k.DeletionDate)
	}
	return m
}

// recordTime is how CloudTrail prints times inside requests and responses:
// Aug 10, 2022, 10:38:27 PM.
const recordTime = "Jan 2, 2006, 3:04:05 PM"

// metadataRecord is responseElements of CreateKey.
func metadataRecord(k *kmsdb.Key) json.RawMessage {
	m := newObject().
		str("AWSAccountId", k.Account).
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
		str("keySpec", string(k.KeySpec)).
		raw("encryptionAlgorithms", json.RawMessage(`["SYMMETRIC_DEFAULT"]`)).
		boolean("multiRegion", k.MultiRegion).
		str("currentKeyMaterialId", k.Current)
	return newObject().raw("keyMetadata", m.end()).end()
}
