package iam

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/store"
)

// The forms of names, from the IAM API model (userNameType, roleNameType,
// groupNameType, policyNameType, pathType, policyPathType, accessKeyIdType,
// tagKeyType, tagValueType, roleDescriptionType).
var (
	accountForm      = regexp.MustCompile(`^[0-9]{12}$`)
	shortNameForm    = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)  // of users and roles
	longNameForm     = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`) // of groups and policies
	pathForm         = regexp.MustCompile(`^/([!-~]+/)?$`)
	policyPathForm   = regexp.MustCompile(`^(/[A-Za-z0-9.,+@=_-]+)*/$`)
	accessKeyForm    = regexp.MustCompile(`^[\w]{16,128}$`)
	tagKeyForm       = sized{tagForm, 1, 128}
	tagValueForm     = sized{tagForm, 0, 256}
	descriptionForm  = sized{regexp.MustCompile(`^[\x09\x0A\x0D\x20-\x7E\x{A1}-\x{FF}]*$`), 0, 1000}
	organizationForm = regexp.MustCompile(`^o-[a-z0-9]{10,32}(/r-[a-z0-9]{4,32}/(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}/){0,5})?$`) // OrganizationId, RootId and OrganizationalUnitId of the Organizations API model
)

var tagForm = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// sized is a form with a length in characters. A regular expression that counts
// holds its class once for every character: of tags and descriptions, with the
// letters of all scripts, that is 16 MB.
type sized struct {
	chars       *regexp.Regexp
	least, most int
}

// MatchString reports whether s has the form and the length.
func (f sized) MatchString(s string) bool {
	n := utf8.RuneCountInString(s)
	return f.least <= n && n <= f.most && f.chars.MatchString(s)
}

// kind is a kind of entity that has a name in an account.
type kind struct {
	noun   string // in errors, and in ARNs: user, role, group, policy
	title  string // in event names: User, Role, Group, Policy
	table  store.Table
	prefix string // of unique ids
	name   *regexp.Regexp
	path   *regexp.Regexp
	most   int // characters of a name
	inline int // characters of all inline policies together, white space aside; 0: it has none
}

// Sources: IAM User Guide, "IAM identifiers" (unique id prefixes) and "IAM and
// AWS STS quotas" (sizes).
var (
	aUser   = kind{"user", "User", store.Users, "AIDA", shortNameForm, pathForm, 64, 2048}
	aRole   = kind{"role", "Role", store.Roles, "AROA", shortNameForm, pathForm, 64, 10_240}
	aGroup  = kind{"group", "Group", store.Groups, "AGPA", longNameForm, pathForm, 128, 5120}
	aPolicy = kind{"policy", "Policy", store.Policies, "ANPA", longNameForm, policyPathForm, 128, 0}
)

// newID makes a unique id: the prefix and 17 letters or digits, as IAM's.
func (k kind) newID() string { return k.prefix + rand.Text()[:17] }

// arn is that of an entity; no path is "/".
func (k kind) arn(account, path, name string) string {
	if path == "" {
		path = "/"
	}
	return arn.New("iam", "", account, k.noun+path+name).String()
}

// rowKey is the key of an entity's row.
func rowKey(account, name string) string { return account + "/" + name }

// check refuses what cannot be an entity's name, account and path.
func (k kind) check(account, path, name string) error {
	if !accountForm.MatchString(account) {
		return fmt.Errorf("account %q: an account id has 12 digits", account)
	}
	if !k.name.MatchString(name) {
		return fmt.Errorf("%s %q: a %s name has 1 to %d of the characters A-Z a-z 0-9 _ + = , . @ -", k.noun, name, k.noun, k.most)
	}
	if path != "" && (len(path) > 512 || !k.path.MatchString(path)) {
		return fmt.Errorf("%s %q: path %q: a path has up to 512 characters, and begins and ends with a slash", k.noun, name, path)
	}
	return nil
}

// storedPath is how a path is stored: "/", which most have, as nothing.
func storedPath(path string) string {
	if path == "/" {
		return ""
	}
	return path
}

// named is an ARN taken apart: of which kind, and the key of the row. A role is
// found under the ARN of its sessions as well, without their name.
func named(s string) (k kind, key string, ok bool) {
	a, ok := arn.Parse(s)
	if !ok || a.Partition != arn.Partition || a.Region != "" {
		return k, "", false
	}
	if name, is := strings.CutPrefix(a.Resource, "assumed-role/"); a.Service == "sts" && is {
		return aRole, rowKey(a.AccountID, name), true
	}
	if a.Service != "iam" {
		return k, "", false
	}
	noun, rest, _ := strings.Cut(a.Resource, "/")
	for _, k := range []kind{aUser, aRole, aGroup, aPolicy} {
		if k.noun == noun {
			return k, rowKey(a.AccountID, rest[strings.LastIndexByte(rest, '/')+1:]), true
		}
	}
	return k, "", false
}

// maxTags is how many tags an entity has at most (IAM quotas).
const maxTags = 50

// checkTags refuses tags as TagUser and its likes do.
func checkTags(what string, tags map[string]string) error {
	if len(tags) > maxTags {
		return fmt.Errorf("%s has %d tags; there may be %d", what, len(tags), maxTags)
	}
	seen := map[string]string{}
	for key, value := range tags {
		folded := strings.ToLower(key)
		switch other, twice := seen[folded]; {
		case !tagKeyForm.MatchString(key):
			return fmt.Errorf("%s: tag key %q: a tag key has 1 to 128 letters, digits, spaces or _ . : / = + - @", what, key)
		case strings.HasPrefix(folded, "aws:"):
			return fmt.Errorf("%s: tag key %q: keys that begin with aws: are AWS's own", what, key)
		case !tagValueForm.MatchString(value):
			return fmt.Errorf("%s: the value of tag %q: it has up to 256 letters, digits, spaces or _ . : / = + - @", what, key)
		case twice: // "Tag keys are case-insensitive" (IAM User Guide, "Rules for tagging in IAM")
			return fmt.Errorf("%s has the tags %q and %q, which differ in case alone", what, min(key, other), max(key, other))
		}
		seen[folded] = key
	}
	return nil
}

// checkDescription refuses a description as CreateRole and CreatePolicy do.
func checkDescription(what, description string) error {
	if !descriptionForm.MatchString(description) {
		return fmt.Errorf("%s: its description: up to 1000 printable characters of Latin-1", what)
	}
	return nil
}

// sessionsARN is the ARN that the sessions of a role have, without their name.
func sessionsARN(account, role string) string {
	return arn.New("sts", "", account, "assumed-role/"+role).String()
}
