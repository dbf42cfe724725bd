package sts

import (
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// roleContext answers for the condition keys of AssumeRole and of the further
// actions that are decided with it. Source: Service Authorization Reference,
// "Condition keys for AWS Security Token Service".
type roleContext struct {
	req      *stsapi.AssumeRoleRequest
	roleTags map[string]string
}

// Lookup implements [policy.Context].
func (c *roleContext) Lookup(name string) (policy.Value, bool) {
	switch name {
	case "sts:externalid":
		return optional(c.req.ExternalId)
	case "sts:rolesessionname":
		return optional(c.req.RoleSessionName)
	case "sts:sourceidentity":
		return optional(c.req.SourceIdentity)
	case "sts:durationseconds":
		if c.req.DurationSeconds == nil {
			return policy.Value{}, false
		}
		return policy.Value{Strings: []string{strconv.Itoa(int(*c.req.DurationSeconds))}}, true
	case "sts:transitivetagkeys":
		return policy.Value{Strings: c.req.TransitiveTagKeys, Multi: true}, len(c.req.TransitiveTagKeys) > 0
	case "aws:tagkeys":
		keys := make([]string, len(c.req.Tags))
		for i, t := range c.req.Tags {
			keys[i] = *t.Key
		}
		return policy.Value{Strings: keys, Multi: true}, len(keys) > 0
	}
	if key, ok := strings.CutPrefix(name, "aws:requesttag/"); ok {
		for _, t := range c.req.Tags {
			if strings.ToLower(*t.Key) == key {
				return optional(t.Value)
			}
		}
		return policy.Value{}, false
	}
	key, ok := strings.CutPrefix(name, "aws:resourcetag/")
	if !ok {
		key, ok = strings.CutPrefix(name, "iam:resourcetag/")
	}
	if ok {
		for k, v := range c.roleTags {
			if strings.ToLower(k) == key {
				return optional(&v)
			}
		}
	}
	return policy.Value{}, false
}

func optional(s *string) (policy.Value, bool) {
	if s == nil {
		return policy.Value{}, false
	}
	return policy.Value{Strings: []string{*s}}, true
}
