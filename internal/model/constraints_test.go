package model_test

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/model"
	"github.com/strongroom/strongroom/internal/secret"
)

var kmsInputs = map[string]reflect.Type{
	"CancelKeyDeletion":                   reflect.TypeFor[kmsapi.CancelKeyDeletionRequest](),
	"ConnectCustomKeyStore":               reflect.TypeFor[kmsapi.ConnectCustomKeyStoreRequest](),
	"CreateAlias":                         reflect.TypeFor[kmsapi.CreateAliasRequest](),
	"CreateCustomKeyStore":                reflect.TypeFor[kmsapi.CreateCustomKeyStoreRequest](),
	"CreateGrant":                         reflect.TypeFor[kmsapi.CreateGrantRequest](),
	"CreateKey":                           reflect.TypeFor[kmsapi.CreateKeyRequest](),
	"Decrypt":                             reflect.TypeFor[kmsapi.DecryptRequest](),
	"DeleteAlias":                         reflect.TypeFor[kmsapi.DeleteAliasRequest](),
	"DeleteCustomKeyStore":                reflect.TypeFor[kmsapi.DeleteCustomKeyStoreRequest](),
	"DeleteImportedKeyMaterial":           reflect.TypeFor[kmsapi.DeleteImportedKeyMaterialRequest](),
	"DeriveSharedSecret":                  reflect.TypeFor[kmsapi.DeriveSharedSecretRequest](),
	"DescribeCustomKeyStores":             reflect.TypeFor[kmsapi.DescribeCustomKeyStoresRequest](),
	"DescribeKey":                         reflect.TypeFor[kmsapi.DescribeKeyRequest](),
	"DisableKey":                          reflect.TypeFor[kmsapi.DisableKeyRequest](),
	"DisableKeyRotation":                  reflect.TypeFor[kmsapi.DisableKeyRotationRequest](),
	"DisconnectCustomKeyStore":            reflect.TypeFor[kmsapi.DisconnectCustomKeyStoreRequest](),
	"EnableKey":                           reflect.TypeFor[kmsapi.EnableKeyRequest](),
	"EnableKeyRotation":                   reflect.TypeFor[kmsapi.EnableKeyRotationRequest](),
	"Encrypt":                             reflect.TypeFor[kmsapi.EncryptRequest](),
	"GenerateDataKey":                     reflect.TypeFor[kmsapi.GenerateDataKeyRequest](),
	"GenerateDataKeyPair":                 reflect.TypeFor[kmsapi.GenerateDataKeyPairRequest](),
	"GenerateDataKeyPairWithoutPlaintext": reflect.TypeFor[kmsapi.GenerateDataKeyPairWithoutPlaintextRequest](),
	"GenerateDataKeyWithoutPlaintext":     reflect.TypeFor[kmsapi.GenerateDataKeyWithoutPlaintextRequest](),
	"GenerateMac":                         reflect.TypeFor[kmsapi.GenerateMacRequest](),
	"GenerateRandom":                      reflect.TypeFor[kmsapi.GenerateRandomRequest](),
	"GetKeyLastUsage":                     reflect.TypeFor[kmsapi.GetKeyLastUsageRequest](),
	"GetKeyPolicy":                        reflect.TypeFor[kmsapi.GetKeyPolicyRequest](),
	"GetKeyRotationStatus":                reflect.TypeFor[kmsapi.GetKeyRotationStatusRequest](),
	"GetParametersForImport":              reflect.TypeFor[kmsapi.GetParametersForImportRequest](),
	"GetPublicKey":                        reflect.TypeFor[kmsapi.GetPublicKeyRequest](),
	"ImportKeyMaterial":                   reflect.TypeFor[kmsapi.ImportKeyMaterialRequest](),
	"ListAliases":                         reflect.TypeFor[kmsapi.ListAliasesRequest](),
	"ListGrants":                          reflect.TypeFor[kmsapi.ListGrantsRequest](),
	"ListKeyPolicies":                     reflect.TypeFor[kmsapi.ListKeyPoliciesRequest](),
	"ListKeyRotations":                    reflect.TypeFor[kmsapi.ListKeyRotationsRequest](),
	"ListKeys":                            reflect.TypeFor[kmsapi.ListKeysRequest](),
	"ListResourceTags":                    reflect.TypeFor[kmsapi.ListResourceTagsRequest](),
	"ListRetirableGrants":                 reflect.TypeFor[kmsapi.ListRetirableGrantsRequest](),
	"PutKeyPolicy":                        reflect.TypeFor[kmsapi.PutKeyPolicyRequest](),
	"ReEncrypt":                           reflect.TypeFor[kmsapi.ReEncryptRequest](),
	"ReplicateKey":                        reflect.TypeFor[kmsapi.ReplicateKeyRequest](),
	"RetireGrant":                         reflect.TypeFor[kmsapi.RetireGrantRequest](),
	"RevokeGrant":                         reflect.TypeFor[kmsapi.RevokeGrantRequest](),
	"RotateKeyOnDemand":                   reflect.TypeFor[kmsapi.RotateKeyOnDemandRequest](),
	"ScheduleKeyDeletion":                 reflect.TypeFor[kmsapi.ScheduleKeyDeletionRequest](),
	"Sign":                                reflect.TypeFor[kmsapi.SignRequest](),
	"TagResource":                         reflect.TypeFor[kmsapi.TagResourceRequest](),
	"UntagResource":                       reflect.TypeFor[kmsapi.UntagResourceRequest](),
	"UpdateAlias":                         reflect.TypeFor[kmsapi.UpdateAliasRequest](),
	"UpdateCustomKeyStore":                reflect.TypeFor[kmsapi.UpdateCustomKeyStoreRequest](),
	"UpdateKeyDescription":                reflect.TypeFor[kmsapi.UpdateKeyDescriptionRequest](),
	"UpdatePrimaryRegion":                 reflect.TypeFor[kmsapi.UpdatePrimaryRegionRequest](),
	"Verify":                              reflect.TypeFor[kmsapi.VerifyRequest](),
	"VerifyMac":                           reflect.TypeFor[kmsapi.VerifyMacRequest](),
}

// TestEveryConstraint breaks each constraint of each KMS operation once, in an
// otherwise complete and valid request, and wants it reported at its path. What
// it expects is worked out from the model alone, not from the validator.
func TestEveryConstraint(t *testing.T) {
	svc := model.KMS()
	for _, op := range svc.Operations() {
		typ, ok := kmsInputs[op]
		if !ok {
			t.Errorf("no input type for %s: add it to kmsInputs", op)
			continue
		}
		shape := svc.Shape(svc.Operation(op).Input.Shape)
		valid := reflect.New(typ)
		fill(t, svc, shape, valid.Elem())
		if err := svc.Validate(op, valid.Interface()); err != nil {
			t.Fatalf("%s: got %v for the valid request, want none", op, err)
		}
		n := 0
		eachBreak(svc, shape, "", nil, func(b breach) {
			n++
			t.Run(op+"/"+b.path+"/"+b.name, func(t *testing.T) {
				in := reflect.New(typ)
				fill(t, svc, shape, in.Elem())
				set(in.Elem(), b.steps, b.value)
				err := svc.Validate(op, in.Interface())
				e, ok := errors.AsType[*awserr.Error](err)
				if !ok {
					t.Fatalf("got %v, want a ValidationException", err)
				}
				want := fmt.Sprintf("at '%s' failed to satisfy constraint: %s", b.path, b.text)
				if !strings.Contains(e.Message, want) {
					t.Errorf("got %s\nwant in it: %s", e.Message, want)
				}
				if got := strings.Count(e.Message, "failed to satisfy"); got != b.count {
					t.Errorf("got %d violations, want %d: %s", got, b.count, e.Message)
				}
				if noun := "1 validation error detected: "; b.count == 1 && !strings.HasPrefix(e.Message, noun) {
					t.Errorf("got %s, want it to begin with %s", e.Message, noun)
				}
			})
		})
		if n == 0 && op != "GetCallerIdentity" {
			t.Errorf("%s: no constraint was broken", op)
		}
	}
}

// breach is one way to break a valid request.
type breach struct {
	name, path, text string
	steps            []string // fields from the root; "[]" is a list's first element
	value            any      // nil: absent
	count            int
}

func eachBreak(svc *model.Service, sh *model.Shape, path string, steps []string, yield func(breach)) {
	for _, m := range sh.Members {
		ms := svc.Shape(m.Shape)
		at := path + strings.ToLower(m.Name[:1]) + m.Name[1:]
		to := append(append([]string(nil), steps...), m.Name)
		if sh.IsRequired(m.Name) {
			yield(breach{"missing", at, "Member must not be null", to, nil, 1})
		}
		switch ms.Type {
		case "structure":
			eachBreak(svc, ms, at+".", to, yield)
		case "list":
			es := svc.Shape(ms.Member.Shape)
			if ms.Max != nil {
				tokens := make([]string, *ms.Max+1)
				for i := range tokens {
					tokens[i] = sample(es, 0)
				}
				yield(breach{"long list", at, fmt.Sprintf("Member must have length less than or equal to %d", *ms.Max), to, tokens, 1})
			}
			if es.Type == "structure" {
				eachBreak(svc, es, at+".1.member.", append(to, "[]"), yield)
				continue
			}
			for _, b := range scalarBreaks(es) {
				b.path, b.steps, b.count = at, append(to, "[]"), 1
				b.text = "Member must satisfy constraint: ["
				yield(b)
			}
		default:
			for _, b := range scalarBreaks(ms) {
				b.path, b.steps = at, to
				yield(b)
			}
		}
	}
}

func scalarBreaks(sh *model.Shape) []breach {
	var out []breach
	add := func(name string, value any, count int, format string, args ...any) {
		out = append(out, breach{name: name, value: value, count: count, text: fmt.Sprintf(format, args...)})
	}
	switch sh.Type {
	case "integer", "long":
		if sh.Min != nil {
			add("too small", *sh.Min-1, 1, "Member must have value greater than or equal to %d", *sh.Min)
		}
		if sh.Max != nil {
			add("too large", *sh.Max+1, 1, "Member must have value less than or equal to %d", *sh.Max)
		}
	case "blob":
		if sh.Min != nil && *sh.Min > 0 {
			add("too short", make([]byte, *sh.Min-1), 1, "Member must have length greater than or equal to %d", *sh.Min)
		}
		if sh.Max != nil {
			add("too long", make([]byte, *sh.Max+1), 1, "Member must have length less than or equal to %d", *sh.Max)
		}
	case "string":
		if sh.Min != nil && *sh.Min > 0 {
			short, count := sample(sh, 0)[:*sh.Min-1], 1
			if sh.Pattern != "" && !matches(sh, short) {
				count = 2
			}
			add("too short", short, count, "Member must have length greater than or equal to %d", *sh.Min)
		}
		if sh.Max != nil {
			long, count := sample(sh, int(*sh.Max)+1), 1
			if sh.Pattern != "" && !matches(sh, long) {
				count = 2
			}
			add("too long", long, count, "Member must have length less than or equal to %d", *sh.Max)
		}
		if sh.Pattern != "" {
			add("bad pattern", strings.Repeat("\x01", len(sample(sh, 0))), 1, "Member must satisfy regular expression pattern: %s", sh.Pattern)
		}
		if len(sh.Enum) > 0 {
			add("bad value", "NONE_SUCH", 1, "Member must satisfy enum value set: [%s]", strings.Join(sh.Enum, ", "))
		}
	}
	return out
}

// sample returns a valid text of at least n characters.
func sample(sh *model.Shape, n int) string {
	if len(sh.Enum) > 0 {
		return sh.Enum[0]
	}
	if sh.Min != nil {
		n = max(n, int(*sh.Min))
	}
	for pattern, form := range forms {
		if strings.Contains(sh.Pattern, pattern) {
			before, after, _ := strings.Cut(form, "…")
			return before + strings.Repeat(before[len(before)-1:], max(n-len(form)+len("…"), 0)) + after
		}
	}
	return strings.Repeat("a", max(n, 1))
}

// forms are the shortest valid texts of patterns that do not take a row of a's,
// by a part of the pattern; what stands before the dots can be repeated.
var forms = map[string]string{
	"cluster-":            "cluster-aaaaaaaaaaa…",
	"[0-9]{12}":           "111122223333…",
	`^([a-z]+-){2,3}\d+$`: "us…-west-2",
	"^[A-Z2-7]+$":         "A…",
	"^https://":           "https://a…",
	"/kms/xks/":           "/a…/kms/xks/v1",
	`amazonaws\.vpce\.`:   "com.amazonaws.vpce.us-east-1.vpce-svc-a…",
}

func matches(sh *model.Shape, s string) bool {
	p := regexp.MustCompile(`\\u([0-9A-F]{4})`).ReplaceAllString(sh.Pattern, `\x{$1}`)
	return regexp.MustCompile("^(?:" + p + ")$").MatchString(s)
}

// fill sets every member of a structure to a valid value.
func fill(t *testing.T, svc *model.Service, sh *model.Shape, v reflect.Value) {
	for _, m := range sh.Members {
		f, ms := v.FieldByName(m.Name), svc.Shape(m.Shape)
		switch ms.Type {
		case "structure":
			f.Set(reflect.New(f.Type().Elem()))
			fill(t, svc, ms, f.Elem())
		case "list":
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			if es := svc.Shape(ms.Member.Shape); es.Type == "structure" {
				fill(t, svc, es, f.Index(0))
			} else {
				f.Index(0).SetString(sample(es, 0))
			}
		case "map":
			f.Set(reflect.ValueOf(map[string]string{"k": "v"}))
		case "string":
			assign(f, sample(ms, 0))
		case "blob":
			assign(f, make([]byte, 1))
		case "integer", "long":
			n := int64(1)
			if ms.Min != nil {
				n = max(n, int64(*ms.Min))
			}
			assign(f, n)
		case "boolean":
			assign(f, false)
		case "timestamp":
			f.Set(reflect.ValueOf(new(time.Unix(1_800_000_000, 0))))
		default:
			t.Fatalf("no valid value for a %s", ms.Type)
		}
	}
}

// set replaces the value that steps lead to.
func set(v reflect.Value, steps []string, value any) {
	for _, s := range steps {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if s == "[]" {
			v = v.Index(0)
		} else {
			v = v.FieldByName(s)
		}
	}
	assign(v, value)
}

func assign(v reflect.Value, value any) {
	switch x := value.(type) {
	case nil:
		v.SetZero()
	case []byte:
		if v.Type() == reflect.TypeFor[secret.Bytes]() {
			v.Set(reflect.ValueOf(secret.New(x)))
		} else {
			v.SetBytes(x)
		}
	case []string:
		v.Set(reflect.ValueOf(x))
	default:
		if v.Kind() == reflect.Pointer {
			e := reflect.New(v.Type().Elem())
			v.Set(e)
			v = e.Elem()
		}
		v.Set(reflect.ValueOf(x).Convert(v.Type()))
	}
}
