package server

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

// Two accounts and two regions in one server, through the AWS SDK: each of the
// four has keys and aliases of its own, and nothing of one shows in another.
func TestAccountsAndRegions(t *testing.T) {
	t.Parallel()
	cfg := principalConfig(t, dataDirIn(t), principals)
	cfg.Regions = []string{"us-east-1", "eu-west-1"}
	cfg.Clock = time.Now // the SDK signs by it
	s, _ := start(t, cfg)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// place is one account in one region.
	type place struct {
		account, region string
		kms             *awskms.Client
		id, arn         string
		blob            []byte
	}
	var places []*place
	for _, account := range []struct{ id, key string }{{DefaultAccount, aliceKey}, {otherAccount, carolKey}} {
		for _, region := range cfg.Regions {
			p := &place{account: account.id, region: region, kms: clientFor(s.Endpoint(), account.key, sharedSecret, region, 1).kms}
			places = append(places, p)
			created, err := p.kms.CreateKey(ctx, &awskms.CreateKeyInput{
				Description: aws.String(p.account + " " + p.region), Tags: []types.Tag{{TagKey: aws.String("where"), TagValue: aws.String(p.account + p.region)}},
			})
			must(err)
			p.id, p.arn = *created.KeyMetadata.KeyId, *created.KeyMetadata.Arn
			if want := "arn:aws:kms:" + region + ":" + account.id + ":key/" + p.id; p.arn != want || *created.KeyMetadata.AWSAccountId != account.id {
				t.Errorf("the key is %s of %s, want %s", p.arn, *created.KeyMetadata.AWSAccountId, want)
			}
			_, err = p.kms.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: aws.String(p.id)})
			must(err)
			sealed, err := p.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: aws.String("alias/app"), Plaintext: []byte(p.arn)})
			must(err)
			if *sealed.KeyId != p.arn {
				t.Errorf("alias/app is %s in %s of %s, want %s", *sealed.KeyId, region, account.id, p.arn)
			}
			p.blob = sealed.CiphertextBlob
		}
	}
	// code is the code of an error, and its text.
	code := func(err error) (string, string) {
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			return e.ErrorCode(), e.ErrorMessage()
		}
		return "", ""
	}
	for _, p := range places {
		keys, err := p.kms.ListKeys(ctx, &awskms.ListKeysInput{})
		must(err)
		aliases, err := p.kms.ListAliases(ctx, &awskms.ListAliasesInput{})
		must(err)
		if len(keys.Keys) != 1 || *keys.Keys[0].KeyArn != p.arn || len(aliases.Aliases) != 1 || *aliases.Aliases[0].TargetKeyId != p.id ||
			*aliases.Aliases[0].AliasArn != "arn:aws:kms:"+p.region+":"+p.account+":alias/app" {
			t.Errorf("%s in %s sees %v and %v", p.account, p.region, keys.Keys, aliases.Aliases)
		}
		opened, err := p.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: p.blob})
		must(err)
		if string(opened.Plaintext) != p.arn {
			t.Errorf("the blob of %s opens to %q", p.arn, opened.Plaintext)
		}
		for _, q := range places {
			if p == q {
				continue
			}
			abroad, foreign := p.region != q.region, p.account != q.account
			// An id alone is one of the caller's own, where it calls.
			own := "Key 'arn:aws:kms:" + p.region + ":" + p.account + ":key/" + q.id + "' does not exist"
			arnCode, arnText := "NotFoundException", "Invalid arn "+q.region
			if !abroad && foreign {
				arnCode, arnText = "AccessDeniedException", "is not authorized to perform: "
			}
			calls := map[string]func(context.Context, string) error{
				"Encrypt": func(ctx context.Context, id string) error {
					_, err := p.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: &id, Plaintext: []byte("p")})
					return err
				},
				"DescribeKey": func(ctx context.Context, id string) error {
					_, err := p.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &id})
					return err
				},
				"DisableKey": func(ctx context.Context, id string) error {
					_, err := p.kms.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: &id})
					return err
				},
				"ScheduleKeyDeletion": func(ctx context.Context, id string) error {
					_, err := p.kms.ScheduleKeyDeletion(ctx, &awskms.ScheduleKeyDeletionInput{KeyId: &id})
					return err
				},
				"CancelKeyDeletion": func(ctx context.Context, id string) error {
					_, err := p.kms.CancelKeyDeletion(ctx, &awskms.CancelKeyDeletionInput{KeyId: &id})
					return err
				},
				"CreateAlias": func(ctx context.Context, id string) error {
					_, err := p.kms.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: aws.String("alias/stolen"), TargetKeyId: &id})
					return err
				},
				"UpdateAlias": func(ctx context.Context, id string) error {
					_, err := p.kms.UpdateAlias(ctx, &awskms.UpdateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &id})
					return err
				},
				"TagResource": func(ctx context.Context, id string) error {
					_, err := p.kms.TagResource(ctx, &awskms.TagResourceInput{KeyId: &id, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
					return err
				},
				"ListResourceTags": func(ctx context.Context, id string) error {
					_, err := p.kms.ListResourceTags(ctx, &awskms.ListResourceTagsInput{KeyId: &id})
					return err
				},
				"GetKeyPolicy": func(ctx context.Context, id string) error {
					_, err := p.kms.GetKeyPolicy(ctx, &awskms.GetKeyPolicyInput{KeyId: &id})
					return err
				},
				"ReEncrypt": func(ctx context.Context, id string) error {
					_, err := p.kms.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: p.blob, DestinationKeyId: &id})
					return err
				},
			}
			for op, call := range calls {
				if c, text := code(call(ctx, q.id)); c != "NotFoundException" || text != own {
					t.Errorf("%s of %s by id from %s %s: got %s %s, want %s", op, q.arn, p.account, p.region, c, text, own)
				}
				if c, text := code(call(ctx, q.arn)); c != arnCode || !strings.Contains(text, arnText) {
					t.Errorf("%s of %s from %s %s: got %s %s, want %s %s", op, q.arn, p.account, p.region, c, text, arnCode, arnText)
				}
			}
			for _, op := range []string{"Encrypt", "DescribeKey", "ReEncrypt"} { // which take aliases
				alias := "arn:aws:kms:" + q.region + ":" + q.account + ":alias/app"
				if c, text := code(calls[op](ctx, alias)); c != arnCode || !strings.Contains(text, arnText) {
					t.Errorf("%s of %s from %s %s: got %s %s, want %s %s", op, alias, p.account, p.region, c, text, arnCode, arnText)
				}
			}
			for op, err := range map[string]error{
				"Decrypt": func() error {
					_, err := p.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: q.blob})
					return err
				}(),
				"ReEncrypt": func() error {
					_, err := p.kms.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: q.blob, DestinationKeyId: aws.String("alias/app")})
					return err
				}(),
			} {
				const cannot = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
				if c, text := code(err); c != "AccessDeniedException" || text != cannot {
					t.Errorf("%s of a blob of %s from %s %s: got %s %s, want AccessDeniedException", op, q.arn, p.account, p.region, c, text)
				}
			}
		}
	}
	// Nothing of all that has changed anything, and an alias that goes in one
	// place stays in the others.
	_, err := places[0].kms.DeleteAlias(ctx, &awskms.DeleteAliasInput{AliasName: aws.String("alias/app")})
	must(err)
	for i, p := range places {
		d, err := p.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &p.id})
		must(err)
		if d.KeyMetadata.KeyState != types.KeyStateEnabled || *d.KeyMetadata.Description != p.account+" "+p.region {
			t.Errorf("%s is %s, %q", p.arn, d.KeyMetadata.KeyState, *d.KeyMetadata.Description)
		}
		tags, err := p.kms.ListResourceTags(ctx, &awskms.ListResourceTagsInput{KeyId: &p.id})
		must(err)
		if len(tags.Tags) != 1 || *tags.Tags[0].TagValue != p.account+p.region {
			t.Errorf("%s has the tags %v", p.arn, tags.Tags)
		}
		_, err = p.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: aws.String("alias/app")})
		if c, _ := code(err); (c == "NotFoundException") != (i == 0) {
			t.Errorf("alias/app of %s %s: %v", p.account, p.region, err)
		}
	}
}

// The operations of a key's daily life through the AWS SDK and its paginators.
func TestDailyOperationsBySDK(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	c := client(t, s.Endpoint(), dir, 1).kms
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for range 5 {
		created, err := c.CreateKey(ctx, &awskms.CreateKeyInput{})
		must(err)
		ids = append(ids, *created.KeyMetadata.KeyId)
	}
	a, b := &ids[0], &ids[1]
	random, err := c.GenerateRandom(ctx, &awskms.GenerateRandomInput{NumberOfBytes: aws.Int32(1024)})
	must(err)
	if len(random.Plaintext) != 1024 || bytes.Count(random.Plaintext, []byte{0}) > 100 {
		t.Errorf("got %d random bytes", len(random.Plaintext))
	}
	sealed, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: a, Plaintext: []byte("hello"), EncryptionContext: map[string]string{"a": "1"}})
	must(err)
	again, err := c.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, SourceEncryptionContext: map[string]string{"a": "1"}, DestinationKeyId: b})
	must(err)
	opened, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: again.CiphertextBlob, KeyId: b})
	must(err)
	if string(opened.Plaintext) != "hello" || *opened.KeyMaterialId != *again.DestinationKeyMaterialId || len(*again.SourceKeyMaterialId) != 64 {
		t.Errorf("the blob opens to %q with %s", opened.Plaintext, *opened.KeyMaterialId)
	}
	for _, name := range []string{"alias/1", "alias/2", "alias/3"} {
		_, err = c.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: &name, TargetKeyId: a})
		must(err)
	}
	_, err = c.UpdateAlias(ctx, &awskms.UpdateAliasInput{AliasName: aws.String("alias/2"), TargetKeyId: b})
	must(err)
	_, err = c.DeleteAlias(ctx, &awskms.DeleteAliasInput{AliasName: aws.String("alias/3")})
	must(err)
	var names []string
	for p := awskms.NewListAliasesPaginator(c, &awskms.ListAliasesInput{Limit: aws.Int32(1)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		must(err)
		for _, e := range page.Aliases {
			names = append(names, *e.AliasName+" "+*e.TargetKeyId)
		}
	}
	if want := []string{"alias/1 " + *a, "alias/2 " + *b}; !slices.Equal(names, want) {
		t.Errorf("the aliases are %q, want %q", names, want)
	}
	var listed []string
	for p := awskms.NewListKeysPaginator(c, &awskms.ListKeysInput{Limit: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		must(err)
		for _, e := range page.Keys {
			listed = append(listed, *e.KeyId)
		}
	}
	if slices.Sort(ids[2:]); len(listed) != 5 || !slices.IsSorted(listed) {
		t.Errorf("the keys are %q", listed)
	}
	_, err = c.TagResource(ctx, &awskms.TagResourceInput{KeyId: a, Tags: []types.Tag{{TagKey: aws.String("z"), TagValue: aws.String("")}, {TagKey: aws.String("y"), TagValue: aws.String("1")}, {TagKey: aws.String("x"), TagValue: aws.String("2")}}})
	must(err)
	_, err = c.UntagResource(ctx, &awskms.UntagResourceInput{KeyId: a, TagKeys: []string{"y"}})
	must(err)
	var tags []string
	for p := awskms.NewListResourceTagsPaginator(c, &awskms.ListResourceTagsInput{KeyId: a, Limit: aws.Int32(1)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		must(err)
		for _, e := range page.Tags {
			tags = append(tags, *e.TagKey+"="+*e.TagValue)
		}
	}
	if want := []string{"x=2", "z="}; !slices.Equal(tags, want) {
		t.Errorf("the tags are %q, want %q", tags, want)
	}
	_, err = c.UpdateKeyDescription(ctx, &awskms.UpdateKeyDescriptionInput{KeyId: a, Description: aws.String("daily")})
	must(err)
	policy, err := c.GetKeyPolicy(ctx, &awskms.GetKeyPolicyInput{KeyId: a})
	must(err)
	_, err = c.PutKeyPolicy(ctx, &awskms.PutKeyPolicyInput{KeyId: a, Policy: policy.Policy, BypassPolicyLockoutSafetyCheck: true})
	must(err)
	for p := awskms.NewListKeyPoliciesPaginator(c, &awskms.ListKeyPoliciesInput{KeyId: a}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		must(err)
		if !slices.Equal(page.PolicyNames, []string{"default"}) {
			t.Errorf("the policies are %q", page.PolicyNames)
		}
	}
	scheduled, err := c.ScheduleKeyDeletion(ctx, &awskms.ScheduleKeyDeletionInput{KeyId: a, PendingWindowInDays: aws.Int32(7)})
	must(err)
	d, err := c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: a})
	must(err)
	if m := d.KeyMetadata; m.KeyState != types.KeyStatePendingDeletion || !m.DeletionDate.Equal(*scheduled.DeletionDate) || *m.Description != "daily" ||
		time.Until(*scheduled.DeletionDate).Round(time.Hour) != 7*24*time.Hour {
		t.Errorf("the key is %s until %v, answered %v", m.KeyState, m.DeletionDate, scheduled.DeletionDate)
	}
	cancelled, err := c.CancelKeyDeletion(ctx, &awskms.CancelKeyDeletionInput{KeyId: a})
	must(err)
	if *cancelled.KeyId != *d.KeyMetadata.Arn {
		t.Errorf("the key is %s, want %s", *cancelled.KeyId, *d.KeyMetadata.Arn)
	}
	if d, err = c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: a}); err != nil || d.KeyMetadata.KeyState != types.KeyStateDisabled || d.KeyMetadata.DeletionDate != nil {
		t.Errorf("the key is %v, %v; want it disabled", d, err)
	}
}
