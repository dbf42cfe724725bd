package kms

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// grantOperations gives every operation that a grant can allow its bit.
func grantOperations() []kmsapi.GrantOperation {
	return []kmsapi.GrantOperation{
		kmsapi.GrantOperationDecrypt, kmsapi.GrantOperationEncrypt,
		kmsapi.GrantOperationGenerateDataKey, kmsapi.GrantOperationGenerateDataKeyWithoutPlaintext,
		kmsapi.GrantOperationGenerateDataKeyPair, kmsapi.GrantOperationGenerateDataKeyPairWithoutPlaintext,
		kmsapi.GrantOperationReEncryptFrom, kmsapi.GrantOperationReEncryptTo,
		kmsapi.GrantOperationSign, kmsapi.GrantOperationVerify, kmsapi.GrantOperationGetPublicKey,
		kmsapi.GrantOperationGenerateMac, kmsapi.GrantOperationVerifyMac, kmsapi.GrantOperationDeriveSharedSecret,
		kmsapi.GrantOperationCreateGrant, kmsapi.GrantOperationRetireGrant, kmsapi.GrantOperationDescribeKey,
	}
}

// grantOps is a set of grant operations.
type grantOps uint32

// opsOf returns the set of ops. One that is not known, of a newer version, is
// left out and so allows nothing.
func opsOf(ops ...kmsapi.GrantOperation) (set grantOps) {
	all := grantOperations()
	for _, o := range ops {
		if i := slices.Index(all, o); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

// opOf returns the grant operation that an IAM action is, 0 for any other.
func opOf(action string) grantOps {
	name, _ := strings.CutPrefix(action, "kms:")
	return opsOf(kmsapi.GrantOperation(name))
}

// unconstrained are the operations that a grant's constraint does not concern:
// they have no encryption context (KMS Developer Guide, "Using grant
// constraints"). For CreateGrant see [grantSet.delegates].
func (o grantOps) unconstrained() bool {
	return o&opsOf(kmsapi.GrantOperationDescribeKey, kmsapi.GrantOperationRetireGrant) != 0
}

// authority is what a grant allows: its operations, while the constraint that it
// is filed under holds.
type authority struct {
	id  string // of the grant; of several that allow the same, the first
	ops grantOps
}

// grantSet is what one principal is granted on one key. It is immutable. It is
// searched by what a request has, not grant by grant: a principal with a grant
// for each of thousands of encryption contexts is no slower than one with one.
type grantSet struct {
	plain  []authority
	equals map[string][]authority // by the whole encryption context, printed
	subset map[pair][]subsetGrant // by the first of its pairs
	any    map[grantOps]string    // one id for each set of operations that there is
	bad    error                  // the first row that was refused
	bytes  int                    // about what the set takes

	seen map[string]bool // constraints of subset with their operations, while the set is made
}

type pair struct{ name, value string }

type subsetGrant struct {
	authority
	rest []pair
}

const (
	grantSetSize  = 256 // what an empty set takes, about
	authoritySize = 160
)

func newGrantSet() *grantSet {
	return &grantSet{equals: map[string][]authority{}, subset: map[pair][]subsetGrant{}, any: map[grantOps]string{}, bytes: grantSetSize, seen: map[string]bool{}}
}

func (g *grantSet) size() int { return g.bytes }

// add puts a grant into the set, while that is being made.
func (g *grantSet) add(r *kmsdb.Grant) {
	a := authority{r.ID, opsOf(r.Operations...)}
	if _, ok := g.any[a.ops]; !ok {
		g.any[a.ops] = a.id
	}
	switch r.Constraint {
	case "":
		g.plain = g.with(g.plain, a)
	case kmsdb.ContextEquals:
		name := printContext(r.Context)
		g.equals[name] = g.with(g.equals[name], a)
		g.bytes += len(name)
	case kmsdb.ContextSubset:
		pairs := sortedPairs(r.Context)
		if len(pairs) == 0 {
			return // none is made so; it must not come to mean that all holds
		}
		name := strconv.Itoa(int(a.ops)) + " " + printContext(r.Context)
		if g.seen[name] {
			return
		}
		g.seen[name] = true
		g.subset[pairs[0]] = append(g.subset[pairs[0]], subsetGrant{a, pairs[1:]})
		g.bytes += authoritySize + len(name)
	}
}

// with appends a unless there is one that allows the same.
func (g *grantSet) with(list []authority, a authority) []authority {
	if slices.ContainsFunc(list, func(o authority) bool { return o.ops == a.ops }) {
		return list
	}
	g.bytes += authoritySize
	return append(list, a)
}

// allows returns the id of a grant that allows ops, all of them, with an
// encryption context.
func (g *grantSet) allows(ops grantOps, context map[string]string) (id string, ok bool) {
	if ops == 0 {
		return "", false
	}
	if ops.unconstrained() {
		return g.whatever(ops)
	}
	return g.delegates(ops, kmsdb.ContextEquals, context)
}

// whatever returns the id of a grant that has all of ops, whatever its constraint.
func (g *grantSet) whatever(ops grantOps) (id string, ok bool) {
	for have, first := range g.any {
		if have&ops == ops && (id == "" || first < id) {
			id = first
		}
	}
	return id, id != ""
}

// delegates returns the id of a grant that has all of ops under a constraint
// which holds wherever the given one does: that of a grant that is to be made
// through it must be at least as strict (KMS Developer Guide, "Granting
// CreateGrant permission"). EncryptionContextEquals holds for one context alone,
// so what is allowed with that context is allowed under it.
func (g *grantSet) delegates(ops grantOps, constraint string, context map[string]string) (id string, ok bool) {
	for _, a := range g.plain {
		if a.ops&ops == ops {
			return a.id, true
		}
	}
	if constraint == "" {
		return "", false
	}
	if constraint == kmsdb.ContextEquals && len(g.equals) > 0 {
		for _, a := range g.equals[printContext(context)] {
			if a.ops&ops == ops {
				return a.id, true
			}
		}
	}
	if len(g.subset) == 0 {
		return "", false
	}
	for name, value := range context {
		for _, s := range g.subset[pair{name, value}] {
			if s.ops&ops == ops && !slices.ContainsFunc(s.rest, func(p pair) bool { v, ok := context[p.name]; return !ok || v != p.value }) {
				return s.id, true
			}
		}
	}
	return "", false
}

func sortedPairs(context map[string]string) []pair {
	pairs := make([]pair, 0, len(context))
	for name, value := range context {
		pairs = append(pairs, pair{name, value})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	return pairs
}

// printContext prints an encryption context so that two are the same when and
// only when their prints are.
func printContext(context map[string]string) string {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, text := range [...]string{name, context[name]} {
			b = append(append(strconv.AppendInt(b, int64(len(text)), 10), ':'), text...)
		}
	}
	return string(b)
}
