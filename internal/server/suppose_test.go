package server

import (
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// TestSuppose: what is known stays; of the rest a generous reading lets every
// Allow through and no Deny, a strict one the other way round.
func TestSuppose(t *testing.T) {
	known := knownKeys{}.with("aws:PrincipalAccount", "aws:ResourceTag/", "aws:username")
	const open = `{"StringEquals":{"aws:SourceIp":"192.0.2.1"}}`
	both := `{"StringEquals":{"aws:SourceIp":"192.0.2.1","aws:principalaccount":"111122223333"}}`
	for _, tt := range []struct {
		name, effect, condition, resource string
		generous, strict                  bool // whether it applies
		open                              bool
	}{
		{"allow without condition", "Allow", "", "*", true, true, false},
		{"allow with a known one", "Allow", `{"StringEquals":{"aws:ResourceTag/Team":"shop"}}`, "*", true, true, false},
		{"allow with a known one that fails", "Allow", `{"StringEquals":{"aws:ResourceTag/team":"bakery"}}`, "*", false, false, false},
		{"allow with an unknown one", "Allow", open, "*", true, false, true},
		{"allow with both", "Allow", both, "*", true, false, true},
		{"deny with an unknown one", "Deny", open, "*", false, true, true},
		{"deny with a known one", "Deny", `{"StringEquals":{"aws:ResourceTag/Team":"shop"}}`, "*", true, true, false},
		{"a negated operator", "Deny", `{"StringNotEquals":{"aws:SourceIp":"192.0.2.1"}}`, "*", false, true, true},
		{"a known key against an unknown variable", "Allow", `{"StringEquals":{"aws:username":"${kms:EncryptionContext:user}"}}`, "*", true, false, true},
		{"a known variable", "Allow", "", "arn:aws:s3:::b/${aws:username}", true, true, false},
		{"an unknown variable", "Allow", "", "arn:aws:s3:::b/${aws:SourceIdentity}", true, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := `{"Version":"2012-10-17","Statement":{"Effect":"` + tt.effect + `","Action":"s3:GetObject","Resource":"` + tt.resource + `"`
			if tt.condition != "" {
				text += `,"Condition":` + tt.condition
			}
			text += "}}"
			for how, want := range map[supposition]bool{generous: tt.generous, strict: tt.strict} {
				got, err := suppose([]byte(text), how, known.has)
				if err != nil {
					t.Fatal(err)
				}
				d, err := policy.Parse(policy.Identity, got.text)
				if err != nil {
					t.Fatalf("%s: %v", got.text, err)
				}
				r := policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/alice", Context: givenKeys{
					"aws:principalaccount": {Strings: []string{"111122223333"}}, "aws:resourcetag/team": {Strings: []string{"shop"}}, "aws:username": {Strings: []string{"alice"}},
				}}
				out := d.Evaluate(&r)
				if applies := out.Allow != nil || out.Deny != nil; applies != want {
					t.Errorf("supposition %d of %s: applies is %v, want %v: %s", how, text, applies, want, got.text)
				}
				if (got.open[0] != "") != tt.open && !(tt.name == "an unknown variable" && how == strict) {
					t.Errorf("supposition %d of %s: got open %q, want some: %v", how, text, got.open[0], tt.open)
				}
			}
		})
	}
}

func TestReadContext(t *testing.T) {
	keys, encryption, err := readContext([]string{"kms:EncryptionContext:Tenant=a=b", "aws:TagKeys=x", "aws:SourceIp=192.0.2.1", "aws:PrincipalOrgPaths=o-1", "aws:PrincipalOrgPaths=o-2"})
	if err != nil {
		t.Fatal(err)
	}
	if encryption["Tenant"] != "a=b" || keys.first("kms:encryptioncontext:tenant") != "a=b" {
		t.Errorf("got %v and %v, want the encryption context", keys, encryption)
	}
	if v := keys["aws:tagkeys"]; !v.Multi || len(v.Strings) != 1 {
		t.Errorf("got %v for aws:TagKeys, want one value of several", v)
	}
	if v := keys["aws:principalorgpaths"]; len(v.Strings) != 2 {
		t.Errorf("got %v for aws:PrincipalOrgPaths, want two values", v)
	}
	for _, bad := range []string{"", "x", "x=1", ":x=1", "x:=1", "aws:SourceIp"} {
		if _, _, err := readContext([]string{bad}); err == nil {
			t.Errorf("%q: got no error, want one", bad)
		}
	}
	if _, _, err := readContext([]string{"kms:EncryptionContext:a=1", "kms:encryptioncontext:A=2"}); err == nil {
		t.Error("an encryption context with two values of one name: got no error, want one")
	}
}
