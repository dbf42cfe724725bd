package s3

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// maxPolicySize is how many bytes of JSON a bucket policy has at most, spaces
// aside (User Guide, "Adding a bucket policy"; the error text has the number).
const maxPolicySize = 20480

// parsePolicy reads the policy that is to be that of a bucket. Its principals,
// which dir must know, are unique ids in the result. The error is MalformedPolicy with AWS's text.
func parsePolicy(bucket string, text []byte, dir policy.Directory) (*policy.Document, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	d, err := policy.Parse(policy.Bucket, text)
	if err != nil {
		return nil, policyError(err, text)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil || compact.Len() > maxPolicySize {
		return nil, malformedPolicy("Normalized policy document exceeds the maximum allowed size of 20480 bytes")
	}
	statements, err := readStatements(text)
	if err != nil {
		return nil, malformedPolicy("Invalid policy syntax.")
	}
	for _, st := range statements {
		if err := st.check(bucket); err != nil {
			return nil, err
		}
	}
	stored, err := d.Stored(dir)
	if err != nil {
		return nil, policyError(err, text)
	}
	return stored, nil
}

func malformedPolicy(text string) error { return awserr.New(s3api.MalformedPolicy, "%s", text) }

// statementText is a statement as far as S3 has rules of its own for it. The
// document has been parsed by then: its form is known to be right.
type statementText struct {
	Effect                string
	Principal             json.RawMessage
	Action, NotAction     list
	Resource, NotResource list
	Condition             map[string]map[string]json.RawMessage
}

// list is one string, or several.
type list []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *list) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*l = make(list, 1)
		return json.Unmarshal(text, &(*l)[0])
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// readStatements reads the statements of a document that policy.Parse has taken.
func readStatements(text []byte) ([]statementText, error) {
	var d struct{ Statement json.RawMessage }
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if len(d.Statement) > 0 && d.Statement[0] == '{' {
		var one statementText
		err := json.Unmarshal(d.Statement, &one)
		return []statementText{one}, err
	}
	var all []statementText
	err := json.Unmarshal(d.Statement, &all)
	return all, err
}

// check holds the rules that S3 has for a statement of the policy of a bucket,
// in the order in which AWS finds them broken as far as that is known. Texts: as
// observed of AWS, in public reports of each.
func (st *statementText) check(bucket string) error {
	for _, element := range slices.Concat(st.Action, st.NotAction) {
		if actionsLike(element) == nil {
			return malformedPolicy("Policy has invalid action")
		}
	}
	covers := 0
	for _, resource := range slices.Concat(st.Resource, st.NotResource) {
		level := resourceLevel(resource, bucket)
		if level == 0 {
			return malformedPolicy("Policy has invalid resource")
		}
		covers |= level
	}
	if err := st.checkKeys(); err != nil {
		return err
	}
	if st.Resource == nil {
		return nil // NotResource: all but those
	}
	for _, element := range st.Action {
		fits := false
		for _, action := range actionsLike(element) {
			fits = fits || actionLevels[action]&covers != 0
		}
		if !fits {
			return malformedPolicy("Action does not apply to any resource(s) in statement")
		}
	}
	return nil
}

// resourceLevel says what a Resource element can mean: the bucket, objects in it,
// or both. It is 0 for what can be neither. Its first slash ends the part that is
// about the bucket; a star before it may stand for a slash as well.
func resourceLevel(resource, bucket string) int {
	rest, ok := strings.CutPrefix(resource, "arn:"+arn.Partition+":s3:::")
	if !ok {
		return 0
	}
	name, _, slash := strings.Cut(rest, "/")
	level := 0
	if !slash && wildcard(name, bucket) {
		level |= onBucket
	}
	if slash && wildcard(name, bucket) {
		level |= onObject
	}
	// "arn:aws:s3:::buck*" means objects too, as does "arn:aws:s3:::b*/x".
	if star := strings.IndexByte(name, '*'); star >= 0 && wildcard(name[:star+1], bucket) {
		level |= onObject
	}
	return level
}

// checkKeys refuses a condition on a key of S3 that there is not, or that none of
// the actions has: it could never hold, or always would.
func (st *statementText) checkKeys() error {
	for _, keys := range st.Condition {
		for key := range keys {
			name := strings.ToLower(key)
			name, ours := strings.CutPrefix(name, "s3:")
			if !ours {
				continue
			}
			applies := keyApplies(name)
			if applies == nil {
				return malformedPolicy("Policy has an invalid condition key")
			}
			for _, element := range st.Action { // of what NotAction leaves some always have it
				if !slices.ContainsFunc(actionsLike(element), applies) {
					return malformedPolicy("Conditions do not apply to combination of actions and resources in statement")
				}
			}
		}
	}
	return nil
}

// keyApplies returns what tells whether an action, in lower case and without the
// prefix, has a condition key of S3; nil for a key that there is not.
func keyApplies(name string) func(action string) bool {
	all := func(string) bool { return true }
	of := func(actions ...string) func(string) bool {
		return func(action string) bool { return slices.Contains(actions, action) }
	}
	object := func(action string) bool { return actionLevels[action]&onObject != 0 }
	if actions := headerKeys[name]; actions != nil {
		return func(action string) bool {
			return slices.ContainsFunc(actions, func(a string) bool { return strings.EqualFold(a, "s3:"+action) })
		}
	}
	name, _, _ = strings.Cut(name, "/")
	switch name {
	case "authtype", "resourceaccount", "signatureage", "signatureversion", "tlsversion", "x-amz-content-sha256",
		"accessgrantsinstancearn", "accesspointnetworkorigin", "accesspointtag", "dataaccesspointaccount", "dataaccesspointarn", "buckettag":
		return all
	case "prefix", "delimiter", "max-keys":
		return of("listbucket", "listbucketversions")
	case "versionid", "existingobjecttag", "object-lock-mode", "object-lock-retain-until-date", "object-lock-legal-hold",
		"object-lock-remaining-retention-days":
		return func(action string) bool { return object(action) || action == "putbucketobjectlockconfiguration" }
	case "requestobjecttag", "requestobjecttagkeys":
		return of("putobject", "putobjecttagging", "putobjectversiontagging", "replicatetags", "replicateobject")
	case "objectcreationoperation":
		return of("putobject")
	case "locationconstraint":
		return of("createbucket")
	case "inventoryaccessibleoptionalfields":
		return of("putinventoryconfiguration")
	}
	return nil
}
