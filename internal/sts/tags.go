package sts

import (
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// tags are those of a new session.
type tags struct {
	all        map[string]string // requested and inherited
	transitive []string          // keys, as in all, of those that go on along a chain
}

// sessionTags makes the tags of a new session: the requested ones, and the
// transitive ones of the caller's own session, which cannot be overridden. Keys
// are compared without regard to case. Source of the texts: observed, AWS STS.
func sessionTags(caller *identity.Session, req *stsapi.AssumeRoleRequest) (tags, error) {
	var t tags
	inherited := transitiveTags(caller)
	seen := map[string]bool{} // keys in lower case
	for _, tag := range req.Tags {
		key := strings.ToLower(*tag.Key)
		switch {
		case strings.HasPrefix(key, "aws:"):
			return tags{}, awserr.New(stsapi.InvalidParameterValue, "Tag keys starting with 'aws:' are reserved for system use")
		case seen[key]:
			return tags{}, awserr.New(stsapi.InvalidParameterValue, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
	}
	for key := range inherited {
		if seen[strings.ToLower(key)] {
			return tags{}, awserr.New(stsapi.InvalidParameterValue, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	if n := len(req.Tags) + len(inherited); n > 0 {
		t.all = make(map[string]string, n)
	}
	for _, tag := range req.Tags {
		t.all[*tag.Key] = *tag.Value
	}
	for _, key := range req.TransitiveTagKeys {
		folded := strings.ToLower(key)
		i := slices.IndexFunc(req.Tags, func(tag stsapi.Tag) bool { return strings.ToLower(*tag.Key) == folded })
		if i < 0 {
			return tags{}, awserr.New(stsapi.InvalidParameterValue, "The specified transitive tag key must be included in the requested tags.")
		}
		t.transitive = append(t.transitive, *req.Tags[i].Key)
	}
	for key, value := range inherited {
		t.all[key] = value
		t.transitive = append(t.transitive, key)
	}
	slices.Sort(t.transitive)
	t.transitive = slices.Compact(t.transitive)
	return t, nil
}

// transitiveTags returns the tags of a session that go on along a chain.
func transitiveTags(s *identity.Session) map[string]string {
	if s == nil || len(s.TransitiveTagKeys) == 0 {
		return nil
	}
	out := make(map[string]string, len(s.TransitiveTagKeys))
	for _, key := range s.TransitiveTagKeys {
		out[key] = s.Tags[key]
	}
	return out
}
