package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/policy"
)

// givenKeys are condition keys that are taken as said: they answer before what
// is known otherwise. They implement policy.Context.
type givenKeys map[string]policy.Value // by name in lower case

// Lookup implements policy.Context.
func (g givenKeys) Lookup(name string) (policy.Value, bool) {
	v, ok := g[name]
	return v, ok
}

// multivalued are the condition keys that have several values also where one is
// given. (Service Authorization Reference: types "ArrayOfString" and the like.)
var multivalued = []string{
	"kms:encryptioncontextkeys", "kms:resourcealiases", "kms:grantoperations",
	"aws:tagkeys", "sts:transitivetagkeys", "aws:calledvia", "aws:principalorgpaths", "aws:resourceorgpaths",
	"aws:sourceorgpaths", "aws:principalservicenameslist", "s3:requestobjecttagkeys",
}

// encryptionContextPrefix begins the keys of the members of an encryption
// context, in lower case.
const encryptionContextPrefix = "kms:encryptioncontext:"

// readContext reads condition keys as KEY=VALUE. It returns the encryption
// context that is among them with its names as they were written, nil when there
// is none.
func readContext(given []string) (givenKeys, map[string]string, error) {
	keys := givenKeys{}
	var encryption map[string]string
	for _, pair := range given {
		key, value, ok := strings.Cut(pair, "=")
		vendor, rest, named := strings.Cut(key, ":")
		if !ok || !named || vendor == "" || rest == "" {
			return nil, nil, fmt.Errorf("context %q: want KEY=VALUE with a condition key, such as kms:EncryptionContext:tenant=t1 or aws:SourceIp=192.0.2.1", pair)
		}
		name := strings.ToLower(key)
		if strings.HasPrefix(name, encryptionContextPrefix) {
			member := key[len(encryptionContextPrefix):]
			if _, twice := keys[name]; twice {
				return nil, nil, fmt.Errorf("context %q: %s has one value", pair, key)
			}
			if encryption == nil {
				encryption = map[string]string{}
			}
			encryption[member] = value
		}
		v := keys[name]
		v.Strings = append(v.Strings, value)
		v.Multi = len(v.Strings) > 1 || slices.Contains(multivalued, name)
		keys[name] = v
	}
	return keys, encryption, nil
}

// names returns the keys' names, sorted.
func (g givenKeys) names() []string { return slices.Sorted(maps.Keys(g)) }

// first returns the only value of a key, "" without one.
func (g givenKeys) first(name string) string {
	if v := g[name]; len(v.Strings) > 0 {
		return v.Strings[0]
	}
	return ""
}
