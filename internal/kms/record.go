package kms

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/strongroom/strongroom/internal/jsonstring"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// This file makes requestParameters and responseElements of CloudTrail records,
// as the examples of KMS Developer Guide, "Examples of AWS KMS log entries",
// have them. What must not be in a record has no function here: plaintexts,
// ciphertexts, grant tokens. The encryption context is in it, in clear.

// object is a JSON object in the making: a brace, then members with a comma
// after each.
type object []byte

func newObject() object { return append(make(object, 0, 192), '{') }

// end closes the object.
func (o object) end() json.RawMessage {
	if o[len(o)-1] == ',' {
		o = o[:len(o)-1]
	}
	return json.RawMessage(append(o, '}'))
}

func (o object) name(name string) object {
	o = append(o, '"')
	o = append(o, name...)
	return append(o, '"', ':')
}

func (o object) str(name, value string) object {
	return append(jsonstring.Append(o.name(name), value), ',')
}

func (o object) boolean(name string, value bool) object {
	return append(strconv.AppendBool(o.name(name), value), ',')
}

func (o object) integer(name string, value int32) object {
	return append(strconv.AppendInt(o.name(name), int64(value), 10), ',')
}

// raw appends a value that is JSON already.
func (o object) raw(name string, value json.RawMessage) object {
	return append(append(o.name(name), value...), ',')
}

// context appends the encryption context, sorted by name, unless it is empty.
func (o object) context(pairs map[string]string) object {
	return o.pairs("encryptionContext", pairs)
}

func (o object) pairs(name string, pairs map[string]string) object {
	if len(pairs) == 0 {
		return o
	}
	o = append(o.name(name), '{')
	if len(pairs) == 1 { // the usual case needs no sorting
		for name, value := range pairs {
			o = appendPair(o, name, value)
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(pairs)) {
			o = appendPair(o, name, pairs[name])
		}
	}
	o[len(o)-1] = '}'
	return append(o, ',')
}

func appendPair(o object, name, value string) object {
	o = append(jsonstring.Append(o, name), ':')
	return append(jsonstring.Append(o, value), ',')
}

// optional appends a string that is left out when absent.
func optional[T ~string](o object, name string, value *T) object {
	if value == nil {
		return o
	}
	return o.str(name, string(*value))
}

func encryptParameters(req *kmsapi.EncryptRequest) json.RawMessage {
	return newObject().context(req.EncryptionContext).str("keyId", *req.KeyId).algorithm(req.EncryptionAlgorithm).end()
}

// decryptParameters has the key id only if the caller sent one: what S3 sends
// for a caller is not something the caller said.
func decryptParameters(req *kmsapi.DecryptRequest, withKeyID bool) json.RawMessage {
	o := newObject().context(req.EncryptionContext)
	if withKeyID {
		o = optional(o, "keyId", req.KeyId)
	}
	return o.algorithm(req.EncryptionAlgorithm).end()
}

// algorithm is always in the record, also when it was not sent.
func (o object) algorithm(a *kmsapi.EncryptionAlgorithmSpec) object {
	return o.algorithmAs("encryptionAlgorithm", a)
}

func (o object) algorithmAs(name string, a *kmsapi.EncryptionAlgorithmSpec) object {
	return o.str(name, string(algorithm(a)))
}

// tags appends tags as the request has them.
func (o object) tags(tags []kmsapi.Tag) object { return o.tagsAs("tags", tags) }

func (o object) tagsAs(name string, tags []kmsapi.Tag) object {
	if len(tags) == 0 {
		return o
	}
	o = append(o.name(name), '[')
	for _, t := range tags {
		tag := optional(optional(newObject(), "tagKey", t.TagKey), "tagValue", t.TagValue)
		o = append(append(o, tag.end()...), ',')
	}
	o[len(o)-1] = ']'
	return append(o, ',')
}

// strings appends a list of strings.
func (o object) strings(name string, list []string) object {
	o = append(o.name(name), '[')
	for i, s := range list {
		if i > 0 {
			o = append(o, ',')
		}
		o = object(jsonstring.Append(o, s))
	}
	return append(o, ']', ',')
}

// list appends a list that is left out when it is empty.
func list[T ~string](o object, name string, values []T) object {
	if len(values) == 0 {
		return o
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return o.strings(name, texts)
}

// keyRecord is responseElements of the operations on one key that answer
// nothing: since December 2022 AWS's records of them name the key.
func keyRecord(arn string) json.RawMessage { return newObject().str("keyId", arn).end() }

func dataKeyParameters(r dataKeyRequest) json.RawMessage {
	o := optional(newObject().str("keyId", r.keyID), "keySpec", r.spec)
	if r.bytes != nil {
		o = o.integer("numberOfBytes", *r.bytes)
	}
	return o.context(r.context).end()
}

// listParameters is for the lists; nil members are left out.
func listParameters(keyID *string, limit *int32, marker *string) json.RawMessage {
	o := optional(newObject(), "keyId", keyID)
	if limit != nil {
		o = o.integer("limit", *limit)
	}
	o = optional(o, "marker", marker)
	if len(o) == 1 {
		return nil
	}
	return o.end()
}
