package gate

import (
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
)

// accountRoot is how policies name the account and not only its root user.
var accountRoot = identity.RootARN(account)

// delegates is AWS's default key policy.
var delegates = is(allow("kms:*").to(accountRoot))

func TestKeyPolicies(t *testing.T) {
	play(t, []scene{
		{name: "the default key policy leaves it to identity policies", source: defaultPage,
			who: alice, key: delegates, iam: is(allow("kms:Decrypt").on(keyARN)), want: allowed},
		{name: "the default key policy alone gives a user nothing", source: defaultPage,
			who: alice, key: delegates, want: noIdentity},
		{name: "the account named by its number delegates as well", source: principalPage,
			who: alice, key: is(allow("kms:*").to(account)), iam: everything, want: allowed},
		{name: "an identity policy is ineffective where the key policy does not delegate", source: defaultPage,
			who: alice, key: is(allow("kms:*").to("arn:aws:iam::111122223333:user/keyadmin")), iam: everything, want: noResource},
		{name: "delegation of one action is no delegation of another", source: keyPage,
			who: alice, key: is(allow("kms:Encrypt").to(accountRoot)), iam: everything, want: noResource},
		{name: "a user whom the key policy names needs no identity policy", source: keyPage,
			who: alice, key: is(allow("kms:Decrypt").to(alice.ARN)), want: allowed},
		{name: "a key policy that names a user does not speak of another", source: keyPage,
			who: alice, key: is(allow("kms:Decrypt").to("arn:aws:iam::111122223333:user/bob")), want: noResource},
		{name: "a role whom the key policy names needs no identity policy", source: keyPage,
			who: job, key: is(allow("kms:Decrypt").to(appRole(account))), want: allowed},
		{name: "a session whom the key policy names needs no identity policy", source: principalPage,
			who: job, key: is(allow("kms:Decrypt").to(job.ARN)), want: allowed},
		{name: "another session of the role is not named", source: principalPage,
			who: session(account, "other"), key: is(allow("kms:Decrypt").to(job.ARN)), want: noResource},
		{name: "everyone includes the users of the account, without identity policies", source: keyPage,
			who: alice, key: is(allow("kms:Decrypt").to("*")), want: allowed},
		{name: "everyone with aws:PrincipalArn is that principal", source: principalPage,
			who: job, key: is(allow("kms:Decrypt").to("*").when("ArnEquals", "aws:PrincipalArn", appRole(account))), want: allowed},
		{name: "everyone with the aws:PrincipalArn of another is not", source: principalPage,
			who: alice, key: is(allow("kms:Decrypt").to("*").when("ArnEquals", "aws:PrincipalArn", appRole(account))), want: noResource},
		{name: "aws:PrincipalArn of a session is that of its role", source: globalPage,
			who: job, key: is(allow("kms:Decrypt").to("*").when("ArnEquals", "aws:PrincipalArn", job.ARN)), want: noResource},

		{name: "everyone does not include who has not signed", source: keyPage,
			who: nobodyElse, key: is(allow("kms:Decrypt").to("*")), want: noResource},

		{name: "root passes by the statement that names its account", source: defaultPage,
			who: owner, key: delegates, want: allowed},
		{name: "root is refused by a key policy without such a statement", source: defaultPage,
			who: owner, key: is(allow("kms:*").to(alice.ARN)), want: noResource},
		{name: "root is everyone too", source: principalPage,
			who: owner, key: is(allow("kms:*").to("*")), want: allowed},
		{name: "a Deny in the key policy binds root", source: denyPage,
			who: owner, key: is(delegates[0], deny("kms:Decrypt").to(accountRoot)), want: byResource},
		{name: "a Deny to the account binds its users", source: principalPage,
			who: alice, key: is(allow("kms:*").to("*"), deny("kms:Decrypt").to(accountRoot)), want: byResource},
		{name: "a Deny to a role binds its sessions", source: principalPage,
			who: job, key: is(allow("kms:*").to("*"), deny("kms:Decrypt").to(appRole(account))), want: byResource},
		{name: "a Deny to another role does not", source: principalPage,
			who: job, key: is(allow("kms:*").to("*"), deny("kms:Decrypt").to("arn:aws:iam::111122223333:role/app")), want: allowed},
		{name: "a Deny in the identity policy beats the key policy", source: kmsOrderPage,
			who: alice, key: is(allow("kms:Decrypt").to(alice.ARN)), iam: is(deny("kms:*")), want: byIdentity},
		{name: "a Deny in the identity policy counts where its Allow would not", source: kmsIAMPage,
			who: alice, key: is(allow("kms:Decrypt").to("*")), iam: is(allow("*"), deny("kms:Decrypt").on(keyARN)), want: byIdentity},
		{name: "a Deny of another key does not", source: denyPage,
			who: alice, key: delegates, iam: is(allow("*"), deny("kms:Decrypt").on("arn:aws:kms:us-east-1:111122223333:key/other")), want: allowed},

		{name: "NotPrincipal with Deny spares who is listed with its account", source: exceptPage,
			who: alice, key: is(delegates[0], deny("kms:Decrypt").toAllBut(alice.ARN, accountRoot)), iam: everything, want: allowed},
		{name: "NotPrincipal with Deny hits the others of that account", source: exceptPage,
			who: user(account, "bob"), key: is(delegates[0], deny("kms:Decrypt").toAllBut(alice.ARN, accountRoot)), iam: everything, want: byResource},
		{name: "NotPrincipal with Deny hits a user listed without its account", source: exceptPage,
			who: alice, key: is(delegates[0], deny("kms:Decrypt").toAllBut(alice.ARN)), iam: everything, want: byResource},
		{name: "NotPrincipal with Deny spares a session listed with role and account", source: exceptPage,
			who: job, key: is(delegates[0], deny("kms:Decrypt").toAllBut(job.ARN, appRole(account), accountRoot)), iam: everything, want: allowed},
		{name: "NotPrincipal with Deny hits a session listed without its role", source: exceptPage,
			who: job, key: is(delegates[0], deny("kms:Decrypt").toAllBut(job.ARN, accountRoot)), iam: everything, want: byResource},

		{name: "kms:ViaService in the key policy admits the service's calls", source: kmsKeysPage,
			who: alice.Via("s3"), key: is(allow("kms:Decrypt").to("*").when("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com")),
			context: keys{"kms:viaservice": "s3.us-east-1.amazonaws.com"}, want: allowed},
		{name: "kms:ViaService in the key policy refuses a direct call", source: kmsKeysPage,
			who: alice, key: is(allow("kms:Decrypt").to("*").when("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com")), iam: everything, want: noResource},
		{name: "kms:CallerAccount keeps everyone to the account", source: kmsKeysPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*").when("StringEquals", "kms:CallerAccount", account)), iam: everything,
			context: keys{"kms:calleraccount": foreign}, want: noResource},
		{name: "an encryption context that is asked for and given", source: kmsKeysPage,
			who: alice, key: is(allow("kms:Decrypt").to(alice.ARN).when("StringEquals", "kms:EncryptionContext:AppName", "ExampleApp")),
			context: keys{"kms:encryptioncontext:appname": "ExampleApp"}, want: allowed},
		{name: "an encryption context that is asked for and missing", source: kmsKeysPage,
			who: alice, key: is(allow("kms:Decrypt").to(alice.ARN).when("StringEquals", "kms:EncryptionContext:AppName", "ExampleApp")), want: noResource},

		{name: "a service whom the key policy names", source: principalPage,
			who: s3itself, key: is(allow("kms:Decrypt").toService("s3.amazonaws.com")), want: allowed},
		{name: "the account's statement does not include services", source: principalPage,
			who: s3itself, key: delegates, want: noResource},
		{name: "a Deny to everyone includes services", source: principalPage,
			who: s3itself, key: is(allow("kms:Decrypt").toService("s3.amazonaws.com"), deny("kms:*").to("*")), want: byResource},
		{name: "a Deny to everyone that is no service does not", source: globalPage,
			who: s3itself, key: is(allow("kms:Decrypt").toService("s3.amazonaws.com"),
				deny("kms:*").to("*").when("Bool", "aws:PrincipalIsAWSService", "false")), want: allowed},
		{name: "an operation without a resource is the identity policies' affair", source: kmsIAMPage,
			who: alice, plain: true, iam: is(allow("kms:ListKeys")), want: allowed},
		{name: "an operation without a resource and nothing that allows it", source: messagePage,
			who: alice, plain: true, iam: is(allow("kms:ListAliases")), want: noIdentity},
		{name: "root needs no policy for an operation without a resource", source: singlePage,
			who: owner, plain: true, want: allowed},
	})
}
