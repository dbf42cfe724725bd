package kms_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

func TestCreateKeyMetadata(t *testing.T) {
	k := newKit(t)
	r, err := k.CreateKey(t.Context(), alice(), &kmsapi.CreateKeyRequest{Description: new("for tests")})
	if err != nil {
		t.Fatal(err)
	}
	m := r.KeyMetadata
	if got, want := *m.Arn, "arn:aws:kms:us-east-1:111122223333:key/"+*m.KeyId; got != want {
		t.Errorf("Arn is %s, want %s", got, want)
	}
	if got, want := *m.CreationDate, time.Date(2026, 11, 23, 11, 2, 3, 987_000_000, time.UTC); !got.Equal(want) {
		t.Errorf("CreationDate is %v, want %v, to the millisecond", got, want)
	}
	if len(*m.CurrentKeyMaterialId) != 64 || strings.Trim(*m.CurrentKeyMaterialId, "0123456789abcdef") != "" {
		t.Errorf("CurrentKeyMaterialId is %s, want 64 hexadecimal digits", *m.CurrentKeyMaterialId)
	}
	if *m.AWSAccountId != account || !*m.Enabled || *m.Description != "for tests" || *m.KeyUsage != "ENCRYPT_DECRYPT" ||
		*m.KeyState != "Enabled" || *m.Origin != "AWS_KMS" || *m.KeyManager != "CUSTOMER" ||
		*m.CustomerMasterKeySpec != "SYMMETRIC_DEFAULT" || *m.KeySpec != "SYMMETRIC_DEFAULT" || *m.MultiRegion {
		t.Errorf("metadata is wrong: %+v", m)
	}
	if len(m.EncryptionAlgorithms) != 1 || m.EncryptionAlgorithms[0] != "SYMMETRIC_DEFAULT" ||
		m.SigningAlgorithms != nil || m.MacAlgorithms != nil || m.KeyAgreementAlgorithms != nil || m.MultiRegionConfiguration != nil {
		t.Errorf("lists are wrong: %+v", m)
	}
}

func TestCreateKeySpecAndUsage(t *testing.T) {
	k := newKit(t)
	const needUsage = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
	for _, c := range []struct {
		name string
		req  kmsapi.CreateKeyRequest
		code awserr.Code // "" is success
		text string
	}{
		{"defaults given", kmsapi.CreateKeyRequest{KeySpec: new(kmsapi.KeySpecSymmetricDefault), KeyUsage: new(kmsapi.KeyUsageTypeEncryptDecrypt), Origin: new(kmsapi.OriginTypeAwsKms), MultiRegion: new(false), Tags: []kmsapi.Tag{}}, "", ""},
		{"old name of spec", kmsapi.CreateKeyRequest{CustomerMasterKeySpec: new(kmsapi.CustomerMasterKeySpecSymmetricDefault)}, "", ""},
		{"both names", kmsapi.CreateKeyRequest{CustomerMasterKeySpec: new(kmsapi.CustomerMasterKeySpecSymmetricDefault), KeySpec: new(kmsapi.KeySpecSymmetricDefault)},
			kmsapi.ValidationException, "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."},
		{"RSA without usage", kmsapi.CreateKeyRequest{KeySpec: new(kmsapi.KeySpecRsa2048)}, kmsapi.ValidationException, needUsage},
		{"old name without usage", kmsapi.CreateKeyRequest{CustomerMasterKeySpec: new(kmsapi.CustomerMasterKeySpecHmac256)}, kmsapi.ValidationException, needUsage},
		{"HMAC without usage", kmsapi.CreateKeyRequest{KeySpec: new(kmsapi.KeySpecHmac512)}, kmsapi.ValidationException, needUsage},
		{"bad pair", kmsapi.CreateKeyRequest{KeySpec: new(kmsapi.KeySpecRsa2048), KeyUsage: new(kmsapi.KeyUsageTypeKeyAgreement)},
			kmsapi.ValidationException, "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"},
		{"bad pair, symmetric", kmsapi.CreateKeyRequest{KeyUsage: new(kmsapi.KeyUsageTypeSignVerify)},
			kmsapi.ValidationException, "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"},
		{"multi-region", kmsapi.CreateKeyRequest{MultiRegion: new(true)}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.CreateKey(t.Context(), root(), &c.req)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, c.code, c.text)
		})
	}
}

// SM2 is made in some regions alone. Who may not make it is not told so.
func TestCreateKeySM2Regions(t *testing.T) {
	k := newKit(t)
	req := &kmsapi.CreateKeyRequest{KeySpec: new(kmsapi.KeySpecSm2), KeyUsage: new(kmsapi.KeyUsageTypeSignVerify)}
	k.createKeyOf(*req.KeySpec, *req.KeyUsage)
	_, err := k.CreateKey(t.Context(), caller(account, region2), req)
	wantError(t, err, kmsapi.UnsupportedOperationException, "SM2 is not supported in this region.")
	c := bob()
	c.Region = region2
	if _, err := k.CreateKey(t.Context(), c, req); !errors.Is(err, gate.AccessDenied) {
		t.Errorf("error is %v, want a denial", err)
	}
}

func TestCreateKeyPolicy(t *testing.T) {
	k := newKit(t)
	const rest = `"Effect":"Allow","Action":"kms:*","Resource":"*"`
	const arn = `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`
	const invalidPrincipals = "Policy contains a statement with one or more invalid principals."
	const lockout = "The new key policy will not allow you to update the key policy in the future."
	for _, c := range []struct {
		name, policy string
		code         awserr.Code // "" is success
		text         string
	}{
		{"default", `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions",` + rest + `,` + arn + `}]}`, "", ""},
		{"pretty", "{\n \"Statement\" : {" + rest + "," + arn + "},\n\t\"Version\":\"2012-10-17\"}", "", ""},
		{"lists of one", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:*"],"Resource":["*"],"Principal":{"AWS":["111122223333"]}}]}`, "", ""},
		{"another account", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":{"AWS":"arn:aws:iam::444455556666:root"}}]}`, kmsapi.MalformedPolicyDocumentException, lockout},
		{"everyone", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":"*"}]}`, "", ""},
		{"a principal more", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":{"AWS":"111122223333","Service":"s3.amazonaws.com"}}]}`, "", ""},
		{"a statement more", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `},{` + rest + `,` + arn + `}]}`, "", ""},
		{"a condition", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `,"Condition":{}}]}`, "", ""},
		{"deny", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*",` + arn + `}]}`, kmsapi.MalformedPolicyDocumentException, lockout},
		{"some actions", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*",` + arn + `}]}`, kmsapi.MalformedPolicyDocumentException, lockout},
		{"characters of HTML", `{"Version":"2012-10-17","Statement":[{"Sid":"` + strings.Repeat("<", 30<<10) + `",` + rest + `,` + arn + `}]}`, "", ""},
		{"NotPrincipal", `{"Version":"2012-10-17","Statement":[{` + rest + `,"NotPrincipal":{"AWS":"111122223333"}}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"empty object", `{}`, kmsapi.MalformedPolicyDocumentException, "line 1, column 1: the policy has no Statement"},
		{"null", `null`, kmsapi.MalformedPolicyDocumentException, ""},
		{"no statements", `{"Version":"2012-10-17","Statement":[]}`, kmsapi.MalformedPolicyDocumentException, "line 1, column 37: Statement is empty"},
		{"null for a statement", `{"Version":"2012-10-17","Statement":[null]}`, kmsapi.MalformedPolicyDocumentException, "line 1, column 38: Statement contains null and should contain an object"},
		{"text for a statement", `{"Version":"2012-10-17","Statement":"Allow"}`, kmsapi.MalformedPolicyDocumentException, "line 1, column 37: Statement is a string and should be an object or an array"},
		{"no effect", `{"Version":"2012-10-17","Statement":[{"Action":"kms:*","Resource":"*",` + arn + `}]}`, kmsapi.MalformedPolicyDocumentException, "line 1, column 38: the statement has no Effect"},
		{"another effect", `{"Version":"2012-10-17","Statement":[{"Effect":"allow","Action":"kms:*","Resource":"*",` + arn + `}]}`, kmsapi.MalformedPolicyDocumentException, "line 1, column 48: Effect must be \"Allow\" or \"Deny\""},
		{"no principal", `{"Version":"2012-10-17","Statement":[{` + rest + `}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"null for a principal", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":null}]}`, kmsapi.MalformedPolicyDocumentException, "line 1, column 100: a principal is null and should be \"*\" or an object"},
		{"empty principal", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":{}}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"no principal in the second", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `},{` + rest + `}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"everyone but one, denied", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `},{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","NotPrincipal":{"AWS":"111122223333"}}]}`, "", ""},
		{"an unknown user", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:user/nobody"]}}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"an unknown account", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":{"AWS":["111122223333","999999999999"]}}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"a group", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":{"AWS":"arn:aws:iam::111122223333:group/g"}}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"a wildcard in an ARN", `{"Version":"2012-10-17","Statement":[{` + rest + `,"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}}]}`, kmsapi.MalformedPolicyDocumentException, invalidPrincipals},
		{"no action", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `},{"Effect":"Allow","Resource":"*",` + arn + `}]}`, "", ""},
		{"no resource", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `},{"Effect":"Allow","Action":"kms:*",` + arn + `}]}`, "", ""},
		{"duplicate key", `{"Version":"2012-10-17","Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `}]}`, kmsapi.MalformedPolicyDocumentException, `line 1, column 25: "Version" stands twice in one object`},
		{"unknown operator", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `,"Condition":{"StringIs":{"kms:KeySpec":"x"}}}]}`, kmsapi.MalformedPolicyDocumentException, `line 1, column 154: "StringIs" is no condition operator`},
		{"overly permissive", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + arn + `,"Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContext:a":"x"}}}]}`, kmsapi.MalformedPolicyDocumentException,
			"OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches requests without the specified encryption context or with an unspecified encryption context. To fix, remove ForAllValues."},
		{"not JSON", `{"Version"`, kmsapi.MalformedPolicyDocumentException, ""},
		{"not an object", `[]`, kmsapi.MalformedPolicyDocumentException, ""},
		{"too long", `{"Version":"2012-10-17"` + strings.Repeat(" ", 32<<10) + `}`, kmsapi.LimitExceededException, "The key policy exceeds the maximum of 32768 bytes."},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{Policy: &c.policy})
			if c.code != "" {
				wantError(t, err, c.code, c.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			k.encrypt(*r.KeyMetadata.KeyId, "usable", nil)
			row, err := k.store.Get(t.Context(), store.KMSKeys, account+"/"+region+"/"+*r.KeyMetadata.KeyId)
			k.check(err)
			if got, want := len(row.Doc), len(c.policy)+2<<10; got > want {
				t.Errorf("got a row of %d bytes for a policy of %d, want at most %d", got, len(c.policy), want)
			}
		})
	}
}

func TestCreateKeyDenied(t *testing.T) {
	k := newKit(t)
	_, err := k.CreateKey(t.Context(), bob(), &kmsapi.CreateKeyRequest{})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:CreateKey on resource: * because no identity-based policy allows the kms:CreateKey action")
	if keys, err := k.db().Keys(t.Context(), account, region, "", 1); err != nil || len(keys) != 0 {
		t.Errorf("keys are %v, %v, want none", keys, err)
	}
}

func TestCreateKeyRecord(t *testing.T) {
	k := newKit(t)
	r, err := k.CreateKey(t.Context(), alice(), &kmsapi.CreateKeyRequest{Description: new("d")})
	k.check(err)
	m := r.KeyMetadata
	rec := k.last("CreateKey")
	wantParameters(t, rec.RequestParameters, `{"bypassPolicyLockoutSafetyCheck":false,"customerMasterKeySpec":"SYMMETRIC_DEFAULT","description":"d","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","origin":"AWS_KMS"}`)
	wantParameters(t, rec.ResponseElements, `{"keyMetadata":{"AWSAccountId":"111122223333","arn":"`+*m.Arn+`","creationDate":"Nov 23, 2026, 11:02:03 AM","currentKeyMaterialId":"`+*m.CurrentKeyMaterialId+
		`","customerMasterKeySpec":"SYMMETRIC_DEFAULT","description":"d","enabled":true,"encryptionAlgorithms":["SYMMETRIC_DEFAULT"],"keyId":"`+*m.KeyId+
		`","keyManager":"CUSTOMER","keySpec":"SYMMETRIC_DEFAULT","keyState":"Enabled","keyUsage":"ENCRYPT_DECRYPT","multiRegion":false,"origin":"AWS_KMS"}}`)
	if rec.ReadOnly || len(rec.Resources) != 1 || rec.Resources[0].ARN != *m.Arn {
		t.Errorf("record is %s, want a write on the new key", rec.raw)
	}
	changes, err := k.store.Changes(t.Context(), 0, 100)
	k.check(err)
	for _, c := range changes {
		if string(c.Record) == rec.raw {
			return
		}
	}
	t.Error("no change carries the record")
}

// A key that was not made is in no record: nobody could find it.
func TestCreateKeyFailureNamesNoKey(t *testing.T) {
	k := newKit(t)
	ctx, cancel := context.WithCancel(t.Context())
	k.tick = cancel // after the key is thought up, before it is stored
	_, err := k.CreateKey(ctx, root(), &kmsapi.CreateKeyRequest{Description: new("d")})
	wantError(t, err, kmsapi.RequestAbortedException, "The request was aborted before it could be answered.")
	r := k.last("CreateKey")
	if r.Resources != nil || r.ResponseElements != nil || r.ErrorCode != "RequestAbortedException" {
		t.Errorf("record is %s, want one without resources", r.raw)
	}
	wantParameters(t, r.RequestParameters, `{"bypassPolicyLockoutSafetyCheck":false,"customerMasterKeySpec":"SYMMETRIC_DEFAULT","description":"d","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","origin":"AWS_KMS"}`)
}

func TestKeyQuota(t *testing.T) {
	k := newKit(t)
	full := func(r string, n int) {
		t.Helper()
		k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
			return tx.PutUnlogged(store.Meta, store.Row{Key: "kms/customer-keys/" + account + "/" + r, Doc: []byte(strconv.Itoa(n))})
		}))
	}
	full(region, 99_999)
	full(region2, 100_000)
	k.createKey()
	_, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{})
	wantError(t, err, kmsapi.LimitExceededException, "The account has the maximum of 100000 keys in this region.")
	if r := k.last("CreateKey"); r.Resources != nil {
		t.Errorf("record is %s, want no resources", r.raw)
	}
	if _, err := k.CreateKey(t.Context(), caller(account, region2), &kmsapi.CreateKeyRequest{}); !errors.Is(err, kmsapi.LimitExceededException) {
		t.Errorf("in the other region the error is %v, want LimitExceededException", err)
	}
	_, err = k.CreateKey(t.Context(), caller(other, region), &kmsapi.CreateKeyRequest{})
	k.check(err)
	// AWS's and the services' own keys do not count.
	_, err = k.NewDataKey(t.Context(), root(), "", objectContext)
	k.check(err)
	_, err = k.NewServiceDataKey(t.Context(), account, region)
	k.check(err)
}
