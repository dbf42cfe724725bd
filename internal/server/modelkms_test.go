package server

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"pgregory.net/rapid"
)

var modelAlias = rapid.SampledFrom([]string{"a", "b", "c/d", "e_f"})

func (m *model) alias(rt *rapid.T) string {
	return fmt.Sprintf("alias/m%d-%s", m.sequence, modelAlias.Draw(rt, "alias"))
}

func (m *model) pickKey(rt *rapid.T) *modelKey {
	if len(m.keys) == 0 {
		rt.Skip("no key yet")
	}
	return rapid.SampledFrom(m.keys).Draw(rt, "key")
}

func (m *model) createKey(rt *rapid.T) {
	out, err := m.cl.kms.CreateKey(rt.Context(), &awskms.CreateKeyInput{})
	if m.want(rt, "CreateKey", err, "") {
		m.keys = append(m.keys, &modelKey{id: *out.KeyMetadata.KeyId, enabled: true})
	}
}

func (m *model) toggleKey(rt *rapid.T) {
	k := m.pickKey(rt)
	want := ""
	if k.deletion {
		want = k.state()
	}
	enable := rapid.Bool().Draw(rt, "enable")
	var err error
	if enable {
		_, err = m.cl.kms.EnableKey(rt.Context(), &awskms.EnableKeyInput{KeyId: &k.id})
	} else {
		_, err = m.cl.kms.DisableKey(rt.Context(), &awskms.DisableKeyInput{KeyId: &k.id})
	}
	if m.want(rt, "EnableKey or DisableKey", err, want) {
		k.enabled = enable
	}
}

func (m *model) deleteKey(rt *rapid.T) {
	k := m.pickKey(rt)
	if rapid.Bool().Draw(rt, "schedule") {
		want := ""
		if k.deletion {
			want = k.state()
		}
		_, err := m.cl.kms.ScheduleKeyDeletion(rt.Context(), &awskms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: aws.Int32(7)})
		if m.want(rt, "ScheduleKeyDeletion", err, want) {
			k.deletion = true
		}
		return
	}
	want := ""
	if !k.deletion {
		want = "KMSInvalidStateException"
	}
	_, err := m.cl.kms.CancelKeyDeletion(rt.Context(), &awskms.CancelKeyDeletionInput{KeyId: &k.id})
	if m.want(rt, "CancelKeyDeletion", err, want) {
		k.deletion, k.enabled = false, false
	}
}

func (m *model) createAlias(rt *rapid.T) {
	k, name := m.pickKey(rt), m.alias(rt)
	want := ""
	switch {
	case m.aliases[name] != nil:
		want = "AlreadyExistsException"
	case k.deletion:
		want = "KMSInvalidStateException"
	}
	_, err := m.cl.kms.CreateAlias(rt.Context(), &awskms.CreateAliasInput{AliasName: &name, TargetKeyId: &k.id})
	if k.deletion && m.aliases[name] != nil {
		if err == nil {
			rt.Fatal("CreateAlias: got no error")
		}
		return // which of the two is told first is not the matter here
	}
	if m.want(rt, "CreateAlias", err, want) {
		m.aliases[name] = k
	}
}

func (m *model) updateAlias(rt *rapid.T) {
	k, name := m.pickKey(rt), m.alias(rt)
	_, err := m.cl.kms.UpdateAlias(rt.Context(), &awskms.UpdateAliasInput{AliasName: &name, TargetKeyId: &k.id})
	switch {
	case k.deletion:
		if err == nil {
			rt.Fatal("UpdateAlias to a key that waits for its deletion: got no error")
		}
	case m.aliases[name] == nil:
		m.want(rt, "UpdateAlias", err, "NotFoundException")
	case m.want(rt, "UpdateAlias", err, ""):
		m.aliases[name] = k
	}
}

func (m *model) deleteAlias(rt *rapid.T) {
	name := m.alias(rt)
	want := ""
	if m.aliases[name] == nil {
		want = "NotFoundException"
	}
	_, err := m.cl.kms.DeleteAlias(rt.Context(), &awskms.DeleteAliasInput{AliasName: &name})
	if m.want(rt, "DeleteAlias", err, want) {
		delete(m.aliases, name)
	}
}

func (m *model) encrypt(rt *rapid.T) {
	k := m.pickKey(rt)
	id := k.id
	for name, target := range m.aliases {
		if target == k && rapid.Bool().Draw(rt, "by alias") {
			id = name
			break
		}
	}
	b := modelBlob{plaintext: rapid.StringN(1, 40, -1).Draw(rt, "plaintext"), context: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "context")}
	out, err := m.cl.kms.Encrypt(rt.Context(), &awskms.EncryptInput{KeyId: &id, Plaintext: []byte(b.plaintext), EncryptionContext: map[string]string{"c": b.context}})
	if m.want(rt, "Encrypt", err, k.state()) {
		b.blob = out.CiphertextBlob
		k.blobs = append(k.blobs, b)
	}
}

func (m *model) decrypt(rt *rapid.T) {
	k := m.pickKey(rt)
	if len(k.blobs) == 0 {
		rt.Skip("no ciphertext yet")
	}
	m.decryptOne(rt, k, rapid.SampledFrom(k.blobs).Draw(rt, "ciphertext"), rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "context"))
}

func (m *model) decryptOne(rt *rapid.T, k *modelKey, b modelBlob, context string) {
	want := k.state()
	if want == "" && context != b.context {
		want = "InvalidCiphertextException"
	}
	out, err := m.cl.kms.Decrypt(rt.Context(), &awskms.DecryptInput{CiphertextBlob: b.blob, EncryptionContext: map[string]string{"c": context}})
	if m.want(rt, "Decrypt", err, want) && string(out.Plaintext) != b.plaintext {
		rt.Fatalf("Decrypt: got %q, want %q", out.Plaintext, b.plaintext)
	}
}

// compareKMS compares every key, alias and ciphertext.
func (m *model) compareKMS(rt *rapid.T) {
	ctx := rt.Context()
	for _, k := range m.keys {
		out, err := m.cl.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &k.id})
		m.want(rt, "DescribeKey", err, "")
		want := "Enabled"
		switch {
		case k.deletion:
			want = "PendingDeletion"
		case !k.enabled:
			want = "Disabled"
		}
		if got := string(out.KeyMetadata.KeyState); got != want {
			rt.Fatalf("key %s: got state %s, want %s", k.id, got, want)
		}
		aliases, err := m.cl.kms.ListAliases(ctx, &awskms.ListAliasesInput{KeyId: &k.id})
		m.want(rt, "ListAliases", err, "")
		found := map[string]bool{}
		for _, a := range aliases.Aliases {
			found[*a.AliasName] = true
		}
		for name, target := range m.aliases {
			if found[name] != (target == k) {
				rt.Fatalf("alias %s of key %s: found %v, want %v", name, k.id, found[name], target == k)
			}
			delete(found, name)
		}
		if len(found) > 0 {
			rt.Fatalf("key %s has aliases %v that are not in the model", k.id, found)
		}
		for _, b := range k.blobs {
			m.decryptOne(rt, k, b, b.context)
		}
	}
}
