package iam

import (
	"maps"
	"slices"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/uuid"
)

// event is what the record of a change says: an operation of the IAM API that
// would have made the change, and the change itself.
type event struct {
	name    string
	details map[string]any
	source  string // event source; empty: IAM's
}

// change is one of the changes of an entity: the operation of the IAM API that
// makes it, and the parameter that says what.
type change struct {
	name  string
	param string
	value any
}

// created is the event of a new entity. More is what the kind has beside its
// facets; what is empty is left out.
func (s *Service) created(k kind, name, id, path string, f facets, more map[string]any) event {
	d := map[string]any{k.noun + "Name": name, k.noun + "Id": id}
	if path != "" {
		d["path"] = path
	}
	if len(f.arns) > 0 {
		d["policyArns"] = f.arns
	}
	if len(f.inline) > 0 {
		d["inlinePolicies"] = f.inline
	}
	if len(f.groups) > 0 {
		d["groups"] = f.groups
	}
	if f.boundary != "" {
		d["permissionsBoundary"] = f.boundary
	}
	if len(f.tags) > 0 {
		d["tags"] = f.tags
	}
	for key, v := range more {
		if v != "" && v != nil {
			d[key] = v
		}
	}
	return event{name: "Create" + k.title, details: d}
}

// updated is the event of an entity that is changed. A single change has the
// name that it has in IAM; of several the record says each.
func (s *Service) updated(k kind, name string, changes []change) event {
	d := map[string]any{k.noun + "Name": name}
	if len(changes) == 1 {
		d[changes[0].param] = changes[0].value
		return event{name: changes[0].name, details: d}
	}
	var all []map[string]any
	for _, c := range changes {
		all = append(all, map[string]any{"eventName": c.name, c.param: c.value})
	}
	d["changes"] = all
	return event{name: "Update" + k.title, details: d}
}

// changes says what makes f of was, in the operations of the IAM API.
func (f facets) changes(k kind, was facets) (all []change) {
	for _, arn := range without(f.arns, was.arns) {
		all = append(all, change{"Attach" + k.title + "Policy", "policyArn", arn})
	}
	for _, arn := range without(was.arns, f.arns) {
		all = append(all, change{"Detach" + k.title + "Policy", "policyArn", arn})
	}
	for _, name := range slices.Sorted(maps.Keys(f.inline)) {
		if text, ok := was.inline[name]; !ok || text != f.inline[name] {
			all = append(all, change{"Put" + k.title + "Policy", "policy", map[string]string{"policyName": name, "policyDocument": f.inline[name]}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was.inline)) {
		if _, ok := f.inline[name]; !ok {
			all = append(all, change{"Delete" + k.title + "Policy", "policyName", name})
		}
	}
	for _, g := range without(f.groups, was.groups) {
		all = append(all, change{"AddUserToGroup", "groupName", g})
	}
	for _, g := range without(was.groups, f.groups) {
		all = append(all, change{"RemoveUserFromGroup", "groupName", g})
	}
	switch {
	case f.boundary == was.boundary:
	case f.boundary == "":
		all = append(all, change{"Delete" + k.title + "PermissionsBoundary", "permissionsBoundary", was.boundary})
	default:
		all = append(all, change{"Put" + k.title + "PermissionsBoundary", "permissionsBoundary", f.boundary})
	}
	tagged, untagged := map[string]string{}, []string(nil)
	for key, v := range f.tags {
		if old, ok := was.tags[key]; !ok || old != v {
			tagged[key] = v
		}
	}
	for _, key := range slices.Sorted(maps.Keys(was.tags)) {
		if _, ok := f.tags[key]; !ok {
			untagged = append(untagged, key)
		}
	}
	if len(tagged) > 0 {
		all = append(all, change{"Tag" + k.title, "tags", tagged})
	}
	if len(untagged) > 0 {
		all = append(all, change{"Untag" + k.title, "tagKeys", untagged})
	}
	return all
}

// without returns what list has and other has not.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// record is the audit record of a change that the server makes itself, from its
// flags or its bootstrap file.
func (s *Service) record(account string, e event) ([]byte, error) {
	source := e.source
	if source == "" {
		source = "iam.amazonaws.com"
	}
	r, err := audit.Own{
		Source: source, Name: e.name, Account: account,
		Region: "us-east-1", // where CloudTrail records global services
		Time:   s.cfg.Clock(), EventID: uuid.New(),
	}.With(e.details)
	return r.AppendJSON(nil), err
}
