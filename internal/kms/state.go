package kms

import (
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// The rules of KMS Developer Guide, "Key states of AWS KMS keys", by kind of
// operation. Texts: recorded from AWS. DescribeKey, DeleteAlias, the lists and
// what concerns the key policy take every state.

// forCryptography refuses keys that cannot be used.
func forCryptography(arn string, st kmsapi.KeyState) error {
	switch st {
	case kmsapi.KeyStateEnabled:
		return nil
	case kmsapi.KeyStateDisabled:
		return awserr.New(kmsapi.DisabledException, "%s is disabled.", arn)
	}
	return invalidState(arn, st)
}

// forEnabling is for EnableKey and DisableKey. A key whose key store is out of
// reach shows the change when it is back.
func forEnabling(arn string, st kmsapi.KeyState) error {
	switch st {
	case kmsapi.KeyStateEnabled, kmsapi.KeyStateDisabled, kmsapi.KeyStateUnavailable:
		return nil
	}
	return invalidState(arn, st)
}

// forChange is for what changes a key that is there to stay: CreateAlias, the
// new key of UpdateAlias, tags, the description, and ScheduleKeyDeletion.
func forChange(arn string, st kmsapi.KeyState) error {
	switch st {
	case kmsapi.KeyStateEnabled, kmsapi.KeyStateDisabled, kmsapi.KeyStatePendingImport, kmsapi.KeyStateUnavailable:
		return nil
	}
	return invalidState(arn, st)
}

// forReplication is for ReplicateKey on a primary key: one without imported
// material can be replicated, one that is disabled not.
func forReplication(arn string, st kmsapi.KeyState) error {
	if st == kmsapi.KeyStatePendingImport {
		return nil
	}
	return forCryptography(arn, st)
}

// forCancellation is for CancelKeyDeletion.
func forCancellation(arn string, st kmsapi.KeyState) error {
	if st == kmsapi.KeyStatePendingDeletion || st == kmsapi.KeyStatePendingReplicaDeletion {
		return nil
	}
	return awserr.New(kmsapi.KMSInvalidStateException, "%s is not pending deletion.", arn)
}

func invalidState(arn string, st kmsapi.KeyState) error {
	is := ""
	switch st {
	case kmsapi.KeyStatePendingDeletion, kmsapi.KeyStatePendingReplicaDeletion:
		is = "pending deletion"
	case kmsapi.KeyStatePendingImport:
		is = "pending import"
	case kmsapi.KeyStateUnavailable:
		is = "unavailable"
	case kmsapi.KeyStateCreating:
		is = "creating"
	case kmsapi.KeyStateUpdating:
		is = "updating"
	default: // a state of a newer version, or none
		is = "in a state that does not allow this operation"
	}
	return awserr.New(kmsapi.KMSInvalidStateException, "%s is %s.", arn, is)
}

// forEncryption checks that k may be used to encrypt or decrypt with an
// algorithm, in AWS's order: state, usage, algorithm.
func (k *snapshot) forEncryption(operation string, a kmsapi.EncryptionAlgorithmSpec) error {
	return forUse(k, operation, kmsapi.KeyUsageTypeEncryptDecrypt, a, encryptionAlgorithms)
}

// algorithm is the encryption algorithm of a request, which need not name one.
func algorithm(a *kmsapi.EncryptionAlgorithmSpec) kmsapi.EncryptionAlgorithmSpec {
	if a == nil {
		return kmsapi.EncryptionAlgorithmSpecSymmetricDefault
	}
	return *a
}

// forDataKeys checks that data keys can be made under k, in AWS's order. The
// last text is what other projects report of AWS.
func (k *snapshot) forDataKeys(operation string) error {
	if err := forCryptography(k.arn, k.key.State); err != nil {
		return err
	}
	if k.key.KeyUsage != kmsapi.KeyUsageTypeEncryptDecrypt {
		return invalidUsage(k, operation)
	}
	if !symmetric(&k.key) {
		return awserr.New(kmsapi.InvalidKeyUsageException, "You cannot generate a data key with an asymmetric CMK")
	}
	return nil
}
