package kms

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/policy"
)

// conditions answers for the condition keys of KMS in one decision: those of a
// key as its record has it, and those of the request as the operation fills
// them in. What an operation leaves at its zero value the request does not
// have. Nothing is computed before a policy asks for it. It belongs to one
// goroutine.
//
// Source: KMS Developer Guide, "AWS KMS condition keys" and "ABAC for AWS KMS";
// Service Authorization Reference, "AWS Key Management Service".
type conditions struct {
	keyID             string                           // as the request names the key, where it may be by an alias: kms:RequestAlias
	encryptionContext map[string]string                // kms:EncryptionContext:name, kms:EncryptionContextKeys; grants go by it too
	algorithm         kmsapi.EncryptionAlgorithmSpec   // kms:EncryptionAlgorithm
	signingAlgorithm  kmsapi.SigningAlgorithmSpec      // kms:SigningAlgorithm
	messageType       kmsapi.MessageType               // kms:MessageType
	macAlgorithm      kmsapi.MacAlgorithmSpec          // kms:MacAlgorithm
	agreement         kmsapi.KeyAgreementAlgorithmSpec // kms:KeyAgreementAlgorithm
	dataKeyPairSpec   kmsapi.DataKeyPairSpec           // kms:DataKeyPairSpec
	sameKey           *bool                            // kms:ReEncryptOnSameKey
	bypassLockout     *bool                            // kms:BypassPolicyLockoutSafetyCheck
	pendingWindow     int32                            // kms:ScheduleKeyDeletionPendingWindowInDays, in days
	replicaRegion     string                           // kms:ReplicaRegion
	primaryRegion     string                           // kms:PrimaryRegion
	rotationPeriod    int32                            // kms:RotationPeriodInDays, in days
	wrappingAlgorithm string                           // kms:WrappingAlgorithm
	wrappingKeySpec   string                           // kms:WrappingKeySpec
	expirationModel   string                           // kms:ExpirationModel
	validTo           time.Time                        // kms:ValidTo
	tags              []kmsapi.Tag                     // aws:RequestTag/name, and aws:TagKeys
	tagKeys           []string                         // aws:TagKeys of a request that gives no values
	create            *kmsdb.Key                       // what CreateKey or ReplicateKey is to make: kms:KeySpec and the like
	grant             *grantConditions                 // of the operations on grants

	grantTokens []string // no policy asks for them
	// through says what grants allow the request, where the action and the
	// encryption context do not tell.
	through func(*grantSet) (grantID string, ok bool)

	// Set by the decision.
	ctx      context.Context // of the call: kms:ResourceAliases is read from the store
	service  *Service
	call     *gate.Call
	action   string        // kms:Decrypt
	key      *snapshot     // nil: the decision is not about a key
	alias    bool          // it is about an alias
	keyStore bool          // it is about custom key stores
	aliases  []kmsdb.Alias // of key, read when first asked for
	asked    bool          // whether they were
	failed   error         // a question that has no answer; whatever was decided does not hold
	unread   error         // grants that could not be read, or trusted; a denial does not hold
}

// grantConditions are the condition keys of the operations on grants. Empty
// fields are those that the request does not have.
type grantConditions struct {
	Operations        []string // kms:GrantOperations
	GranteePrincipal  string   // kms:GranteePrincipal, an ARN
	RetiringPrincipal string   // kms:RetiringPrincipal, an ARN
	ConstraintType    string   // kms:GrantConstraintType
	IsForAWSResource  *bool    // kms:GrantIsForAWSResource
}

// Lookup implements policy.Context.
func (c *conditions) Lookup(name string) (policy.Value, bool) {
	if rest, ok := strings.CutPrefix(name, "kms:"); ok {
		if member, ok := strings.CutPrefix(rest, "encryptioncontext:"); ok {
			return c.pair(member)
		}
		switch rest {
		case "calleraccount":
			return text(c.call.Caller.AccountID, c.key != nil || c.alias || c.keyStore)
		case "viaservice":
			return text(c.call.Caller.ViaService, c.call.Caller.ViaService != "")
		case "encryptioncontextkeys":
			return several(len(c.encryptionContext), func(yield func(string) bool) {
				for name := range c.encryptionContext {
					if !yield(name) {
						return
					}
				}
			})
		case "encryptionalgorithm":
			return text(string(c.algorithm), c.algorithm != "")
		case "signingalgorithm":
			return text(string(c.signingAlgorithm), c.signingAlgorithm != "")
		case "messagetype":
			return text(string(c.messageType), c.messageType != "")
		case "macalgorithm":
			return text(string(c.macAlgorithm), c.macAlgorithm != "")
		case "keyagreementalgorithm":
			return text(string(c.agreement), c.agreement != "")
		case "datakeypairspec":
			return text(string(c.dataKeyPairSpec), c.dataKeyPairSpec != "")
		case "reencryptonsamekey":
			return boolean(c.sameKey)
		case "requestalias":
			return c.requestAlias()
		case "resourcealiases":
			return c.resourceAliases()
		case "bypasspolicylockoutsafetycheck":
			return boolean(c.bypassLockout)
		case "schedulekeydeletionpendingwindowindays":
			return text(strconv.Itoa(int(c.pendingWindow)), c.pendingWindow != 0)
		case "wrappingalgorithm":
			return text(c.wrappingAlgorithm, c.wrappingAlgorithm != "")
		case "wrappingkeyspec":
			return text(c.wrappingKeySpec, c.wrappingKeySpec != "")
		case "expirationmodel":
			return text(c.expirationModel, c.expirationModel != "")
		case "validto":
			return text(c.validTo.Format(time.RFC3339Nano), !c.validTo.IsZero())
		case "rotationperiodindays":
			return text(strconv.Itoa(int(c.rotationPeriod)), c.rotationPeriod != 0)
		case "replicaregion":
			return text(c.replicaRegion, c.replicaRegion != "")
		case "primaryregion":
			return text(c.primaryRegion, c.primaryRegion != "")
		}
		if v, ok := c.property(rest); ok {
			return v, true
		}
		return c.grant.lookup(rest)
	}
	if tag, ok := strings.CutPrefix(name, "aws:resourcetag/"); ok {
		return c.resourceTag(tag)
	}
	if tag, ok := strings.CutPrefix(name, "aws:requesttag/"); ok {
		return c.requestTag(tag)
	}
	if name == "aws:tagkeys" {
		return c.requestTagKeys()
	}
	return policy.Value{}, false
}

// policyConditions are the conditions that a key policy can ask about: there is
// one key for identity policies alone (KMS Developer Guide, "AWS KMS condition
// keys", kms:ResourceAliases).
type policyConditions conditions

// Lookup implements policy.Context.
func (c *policyConditions) Lookup(name string) (policy.Value, bool) {
	if name == "kms:resourcealiases" {
		return policy.Value{}, false
	}
	return (*conditions)(c).Lookup(name)
}

// property answers for what a key is: of the key that the decision is about, or
// of the one that is to be made.
func (c *conditions) property(name string) (policy.Value, bool) {
	k := c.create
	if c.key != nil {
		k = &c.key.key
	}
	if k == nil {
		return policy.Value{}, false
	}
	switch name {
	case "keyspec", "customermasterkeyspec": // the second of each is the old name
		return text(string(k.KeySpec), true)
	case "keyusage", "customermasterkeyusage":
		return text(string(k.KeyUsage), true)
	case "keyorigin":
		return text(string(k.Origin), true)
	case "multiregion":
		return boolean(&k.MultiRegion)
	case "multiregionkeytype":
		return text(string(multiRegionKeyType(k)), k.MultiRegion)
	}
	return policy.Value{}, false
}

// requestAlias is the name of the alias that the request names the key by, also
// when it gave an alias ARN.
func (c *conditions) requestAlias() (policy.Value, bool) {
	name := c.keyID
	if a, ok := arn.Parse(name); ok {
		name = a.Resource
	}
	return text(name, strings.HasPrefix(name, aliasPrefix))
}

// aliasPage is how many aliases of a key are read at a time.
const aliasPage = 50

// resourceAliases are the names of the aliases that stand for the key.
func (c *conditions) resourceAliases() (policy.Value, bool) {
	if c.key == nil || c.key.key.ID == "" {
		return policy.Value{}, false
	}
	k := &c.key.key
	if !c.asked {
		for after := ""; !c.asked; { // more than the quota, when it was lowered
			page, err := c.service.db.Aliases(c.ctx, k.Account, k.Region, k.Ref(), after, aliasPage)
			if err != nil {
				c.fail(err)
				return policy.Value{}, false
			}
			if c.aliases = append(c.aliases, page...); len(page) < aliasPage {
				c.asked = true
				break
			}
			after = page[len(page)-1].Name
		}
	}
	return several(len(c.aliases), func(yield func(string) bool) {
		for i := range c.aliases {
			if !yield(c.aliases[i].Name) {
				return
			}
		}
	})
}

// pair answers for kms:EncryptionContext:member. The names of condition keys
// have no case and those of an encryption context have, so that a request can
// have two that one condition means. Either might be the one that counts; such a
// request is refused when a policy asks.
func (c *conditions) pair(member string) (policy.Value, bool) {
	var value string
	found := 0
	for name, v := range c.encryptionContext {
		if sameName(name, member) {
			value, found = v, found+1
		}
	}
	if found > 1 {
		c.fail(awserr.New(kmsapi.ValidationException,
			"The encryption context has names that differ in nothing but case: %s. A policy has a condition on them.", member))
	}
	return text(value, found == 1)
}

// requestTag answers for aws:RequestTag/name, as pair does for the encryption
// context.
func (c *conditions) requestTag(name string) (policy.Value, bool) {
	var value string
	found := 0
	for _, t := range c.tags {
		if sameName(*t.TagKey, name) {
			value, found = *t.TagValue, found+1
		}
	}
	if found > 1 {
		c.fail(awserr.New(kmsapi.ValidationException,
			"The tags have keys that differ in nothing but case: %s. A policy has a condition on them.", name))
	}
	return text(value, found == 1)
}

// resourceTag answers for aws:ResourceTag/name. A condition means a tag of one
// spelling or of another, but not both (IAM User Guide, "AWS global condition
// context keys", aws:ResourceTag): of a key that has two of them, neither.
func (c *conditions) resourceTag(name string) (policy.Value, bool) {
	if c.key == nil {
		return policy.Value{}, false
	}
	var value string
	found := 0
	for i := range c.key.key.Tags {
		if t := &c.key.key.Tags[i]; sameName(t.Key, name) {
			value, found = t.Value, found+1
		}
	}
	return text(value, found == 1)
}

func (c *conditions) requestTagKeys() (policy.Value, bool) {
	return several(len(c.tags)+len(c.tagKeys), func(yield func(string) bool) {
		for _, t := range c.tags {
			if !yield(*t.TagKey) {
				return
			}
		}
		for _, key := range c.tagKeys {
			if !yield(key) {
				return
			}
		}
	})
}

// fail keeps the first reason why a question cannot be answered.
func (c *conditions) fail(err error) {
	if c.failed == nil {
		c.failed = err
	}
}

func (g *grantConditions) lookup(name string) (policy.Value, bool) {
	if g == nil {
		return policy.Value{}, false
	}
	switch name {
	case "grantoperations":
		return policy.Value{Strings: g.Operations, Multi: true}, len(g.Operations) > 0
	case "granteeprincipal":
		return text(g.GranteePrincipal, g.GranteePrincipal != "")
	case "retiringprincipal":
		return text(g.RetiringPrincipal, g.RetiringPrincipal != "")
	case "grantconstrainttype":
		return text(g.ConstraintType, g.ConstraintType != "")
	case "grantisforawsresource":
		return boolean(g.IsForAWSResource)
	}
	return policy.Value{}, false
}

// sameName reports whether a name of the request is the one that a condition
// key ends in, which is in lower case.
func sameName(name, lower string) bool {
	return len(name) == len(lower) && name == lower || strings.ToLower(name) == lower
}

// text is a value that the request has if has is true.
func text(value string, has bool) (policy.Value, bool) {
	if !has {
		return policy.Value{}, false
	}
	return policy.Value{Strings: []string{value}}, true
}

func boolean(b *bool) (policy.Value, bool) {
	if b == nil {
		return policy.Value{}, false
	}
	return text(strconv.FormatBool(*b), true)
}

// several is a multivalued key: n values, or missing without any.
func several(n int, values func(yield func(string) bool)) (policy.Value, bool) {
	if n == 0 {
		return policy.Value{}, false
	}
	v := policy.Value{Strings: make([]string, 0, n), Multi: true}
	for s := range values {
		v.Strings = append(v.Strings, s)
	}
	return v, true
}
