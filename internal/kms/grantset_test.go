package kms

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"pgregory.net/rapid"
)

type pairs = map[string]string

const (
	decrypt  = kmsapi.GrantOperationDecrypt
	encrypt  = kmsapi.GrantOperationEncrypt
	describe = kmsapi.GrantOperationDescribeKey
	delegate = kmsapi.GrantOperationCreateGrant
)

func granted(id, constraint string, context pairs, ops ...kmsapi.GrantOperation) kmsdb.Grant {
	return kmsdb.Grant{ID: id, Operations: ops, Constraint: constraint, Context: context}
}

func setOf(grants ...kmsdb.Grant) *grantSet {
	set := newGrantSet()
	for i := range grants {
		set.add(&grants[i])
	}
	return set
}

// KMS Developer Guide, "Using grant constraints".
func TestGrantConstraints(t *testing.T) {
	ab := pairs{"a": "1", "b": "2"}
	for _, tt := range []struct {
		name  string
		grant kmsdb.Grant
		op    kmsapi.GrantOperation
		with  pairs
		want  bool
	}{
		{"no constraint", granted("g", "", nil, decrypt), decrypt, ab, true},
		{"no constraint, no context", granted("g", "", nil, decrypt), decrypt, nil, true},
		{"another operation", granted("g", "", nil, decrypt), encrypt, nil, false},
		{"equal", granted("g", kmsdb.ContextEquals, ab, decrypt), decrypt, pairs{"b": "2", "a": "1"}, true},
		{"equal wants all", granted("g", kmsdb.ContextEquals, ab, decrypt), decrypt, pairs{"a": "1"}, false},
		{"equal wants no more", granted("g", kmsdb.ContextEquals, ab, decrypt), decrypt, pairs{"a": "1", "b": "2", "c": "3"}, false},
		{"equal, no context", granted("g", kmsdb.ContextEquals, ab, decrypt), decrypt, nil, false},
		{"equal, name of another case", granted("g", kmsdb.ContextEquals, pairs{"a": "1"}, decrypt), decrypt, pairs{"A": "1"}, false},
		{"equal, value of another case", granted("g", kmsdb.ContextEquals, pairs{"a": "x"}, decrypt), decrypt, pairs{"a": "X"}, false},
		{"subset, the same", granted("g", kmsdb.ContextSubset, ab, decrypt), decrypt, ab, true},
		{"subset takes more", granted("g", kmsdb.ContextSubset, ab, decrypt), decrypt, pairs{"a": "1", "b": "2", "c": "3"}, true},
		{"subset wants all", granted("g", kmsdb.ContextSubset, ab, decrypt), decrypt, pairs{"b": "2", "c": "3"}, false},
		{"subset, another value", granted("g", kmsdb.ContextSubset, ab, decrypt), decrypt, pairs{"a": "1", "b": "3"}, false},
		{"subset, no context", granted("g", kmsdb.ContextSubset, ab, decrypt), decrypt, nil, false},
		{"pairs that run together", granted("g", kmsdb.ContextEquals, pairs{"a": "1", "b": "2"}, decrypt), decrypt, pairs{"a": "11:b1:2"}, false},
		{"DescribeKey has no context", granted("g", kmsdb.ContextEquals, ab, decrypt, describe), describe, nil, true},
		{"DescribeKey is not granted", granted("g", kmsdb.ContextEquals, ab, decrypt), describe, nil, false},
		{"an operation of a newer version", granted("g", "", nil, "FutureOperation"), decrypt, nil, false},
		{"a constraint of a newer version", granted("g", "FutureConstraint", ab, decrypt), decrypt, ab, false},
		{"a subset of nothing", granted("g", kmsdb.ContextSubset, pairs{}, decrypt), decrypt, ab, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if id, ok := setOf(tt.grant).allows(opsOf(tt.op), tt.with); ok != tt.want || ok != (id == "g") {
				t.Errorf("got %q, %t, want %t", id, ok, tt.want)
			}
		})
	}
	if _, ok := setOf(granted("g", "", nil, decrypt)).allows(opOf("kms:PutKeyPolicy"), nil); ok {
		t.Error("an action that no grant can give is allowed")
	}
}

// KMS Developer Guide, "Granting CreateGrant permission".
func TestDelegation(t *testing.T) {
	a, ab := pairs{"a": "1"}, pairs{"a": "1", "b": "2"}
	ops := []kmsapi.GrantOperation{decrypt, encrypt, delegate}
	for _, tt := range []struct {
		name       string
		parent     kmsdb.Grant
		constraint string
		context    pairs
		ops        []kmsapi.GrantOperation
		want       bool
	}{
		{"fewer operations", granted("p", "", nil, ops...), "", nil, []kmsapi.GrantOperation{decrypt}, true},
		{"the same operations", granted("p", "", nil, ops...), "", nil, ops, true},
		{"more operations", granted("p", "", nil, ops...), "", nil, []kmsapi.GrantOperation{decrypt, describe}, false},
		{"no CreateGrant in the parent", granted("p", "", nil, decrypt, encrypt), "", nil, []kmsapi.GrantOperation{decrypt}, false},
		{"a constraint is added", granted("p", "", nil, ops...), kmsdb.ContextSubset, a, []kmsapi.GrantOperation{decrypt}, true},
		{"a constraint is dropped", granted("p", kmsdb.ContextSubset, a, ops...), "", nil, []kmsapi.GrantOperation{decrypt}, false},
		{"subset with another pair", granted("p", kmsdb.ContextSubset, a, ops...), kmsdb.ContextSubset, ab, []kmsapi.GrantOperation{decrypt}, true},
		{"subset without a pair", granted("p", kmsdb.ContextSubset, ab, ops...), kmsdb.ContextSubset, a, []kmsapi.GrantOperation{decrypt}, false},
		{"subset becomes equal", granted("p", kmsdb.ContextSubset, a, ops...), kmsdb.ContextEquals, ab, []kmsapi.GrantOperation{decrypt}, true},
		{"subset becomes equal to less", granted("p", kmsdb.ContextSubset, ab, ops...), kmsdb.ContextEquals, a, []kmsapi.GrantOperation{decrypt}, false},
		{"equal stays", granted("p", kmsdb.ContextEquals, ab, ops...), kmsdb.ContextEquals, ab, []kmsapi.GrantOperation{decrypt}, true},
		{"equal to more", granted("p", kmsdb.ContextEquals, a, ops...), kmsdb.ContextEquals, ab, []kmsapi.GrantOperation{decrypt}, false},
		{"equal becomes subset", granted("p", kmsdb.ContextEquals, ab, ops...), kmsdb.ContextSubset, ab, []kmsapi.GrantOperation{decrypt}, false},
		{"DescribeKey does not lift a constraint", granted("p", kmsdb.ContextEquals, ab, describe, delegate), "", nil, []kmsapi.GrantOperation{describe}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := opsOf(tt.ops...) | opsOf(delegate)
			if _, ok := setOf(tt.parent).delegates(want, tt.constraint, tt.context); ok != tt.want {
				t.Errorf("got %t, want %t", ok, tt.want)
			}
		})
	}
}

// What one grant allows does not depend on what others there are, and a child
// allows nothing that its parent does not.
func TestGrantSetProperties(t *testing.T) {
	contexts := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom([]string{"1", "2"}), 0, 3)
	grants := rapid.Custom(func(t *rapid.T) kmsdb.Grant {
		g := kmsdb.Grant{ID: rapid.StringMatching(`[0-9a-f]{4}`).Draw(t, "id")}
		g.Operations = rapid.SliceOfNDistinct(rapid.SampledFrom([]kmsapi.GrantOperation{decrypt, encrypt, describe, delegate}), 1, 4, rapid.ID).Draw(t, "operations")
		g.Context = contexts.Draw(t, "context")
		if len(g.Context) > 0 {
			g.Constraint = rapid.SampledFrom([]string{kmsdb.ContextEquals, kmsdb.ContextSubset}).Draw(t, "constraint")
		}
		return g
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(grants, 0, 6).Draw(t, "grants")
		op := rapid.SampledFrom([]kmsapi.GrantOperation{decrypt, encrypt, describe}).Draw(t, "operation")
		with := contexts.Draw(t, "with")
		alone := false
		for _, g := range list {
			_, ok := setOf(g).allows(opsOf(op), with)
			if ok != allowsByHand(&g, op, with) {
				t.Fatalf("%+v allows %s with %v: got %t", g, op, with, ok)
			}
			alone = alone || ok
		}
		if _, ok := setOf(list...).allows(opsOf(op), with); ok != alone {
			t.Fatalf("together they allow %t, one by one %t", ok, alone)
		}
		child := grants.Draw(t, "child")
		if _, ok := setOf(list...).delegates(opsOf(child.Operations...)|opsOf(delegate), child.Constraint, child.Context); ok &&
			allowsByHand(&child, op, with) && !alone {
			t.Fatalf("the child %+v allows %s with %v, and no parent does", child, op, with)
		}
	})
}

// allowsByHand is the rule as the documentation states it.
func allowsByHand(g *kmsdb.Grant, op kmsapi.GrantOperation, with pairs) bool {
	has := false
	for _, o := range g.Operations {
		has = has || o == op
	}
	if !has || g.Constraint == "" || op == describe {
		return has
	}
	for name, value := range g.Context {
		if v, ok := with[name]; !ok || v != value {
			return false
		}
	}
	return g.Constraint == kmsdb.ContextSubset || len(with) == len(g.Context)
}
