package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/identity"
)

// departed is a user or a role that was deleted, as far as the trail tells.
type departed struct {
	kind string    // user, role
	id   string    // its unique id; empty: the trail does not know of it
	at   time.Time // when it was deleted; zero: the trail does not know
}

// String says what became of it.
func (d departed) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "there is no such %s", d.kind)
	switch {
	case d.id == "":
		b.WriteString("; names are exact, paths included")
	case d.at.IsZero():
		fmt.Fprintf(&b, " any more; its unique id was %s", d.id)
	default:
		fmt.Fprintf(&b, " any more: it was deleted at %s; its unique id was %s", d.at.UTC().Format(time.RFC3339), d.id)
	}
	if d.id != "" {
		b.WriteString(", and one that gets its name is another")
	}
	return b.String()
}

// absentError says that a user or role that was asked about is not there.
type absentError struct {
	what string // as it was asked: principal ARN
	kind string
	arn  string
}

// Error implements error.
func (e *absentError) Error() string {
	return fmt.Sprintf("%s: there is no such %s (any more); names are exact, paths included", e.what, e.kind)
}

// departedByARN looks in the trail for the last user or role with an ARN that was
// deleted, and reports whether there was one. The ARN of a role can also be the
// part of its sessions' that is the same for all.
func departedByARN(ctx context.Context, dataDir, kind, principal string) (departed, bool, error) {
	a, _ := arn.Parse(principal)
	return departure(ctx, dataDir, kind, a.AccountID, func(name, path, _ string) bool {
		if a.Service == "sts" {
			return a.Resource == "assumed-role/"+name
		}
		return a.Resource == kind+path+name
	})
}

// departedByID looks in the trail for the end of the principal of c, of which the
// trail has the unique id at least.
func departedByID(ctx context.Context, dataDir string, c identity.Caller) (departed, error) {
	kind, id := "user", c.PrincipalID
	if c.Session != nil && c.Type == identity.AssumedRole {
		kind, id = "role", c.Session.RoleID
	}
	d, ok, err := departure(ctx, dataDir, kind, c.AccountID, func(_, _, was string) bool { return was == id })
	if !ok {
		d = departed{kind: kind, id: id}
	}
	return d, err
}

// departure returns the last deletion of an account's user or role that is the
// one wanted.
func departure(ctx context.Context, dataDir, kind, account string, wanted func(name, path, id string) bool) (d departed, ok bool, err error) {
	title := strings.ToUpper(kind[:1]) + kind[1:]
	paths := map[string]string{} // by unique id
	err = eachRecord(ctx, dataDir, func(record []byte) error {
		if !bytes.Contains(record, []byte(`"iam.amazonaws.com"`)) {
			return nil
		}
		var r struct {
			EventName, RecipientAccountID string
			EventTime                     time.Time
			ServiceEventDetails           struct{ UserName, UserID, RoleName, RoleID, Path string }
		}
		if json.Unmarshal(record, &r) != nil || r.RecipientAccountID != account {
			return nil // of another form, which tells nothing of this
		}
		details := r.ServiceEventDetails
		name, id := details.UserName, details.UserID
		if kind == "role" {
			name, id = details.RoleName, details.RoleID
		}
		switch r.EventName {
		case "Create" + title:
			paths[id] = details.Path
		case "Delete" + title:
			path := paths[id]
			if path == "" {
				path = "/"
			}
			if wanted(name, path, id) {
				d, ok = departed{kind, id, r.EventTime}, true
			}
		}
		return nil
	})
	return d, ok, err
}

// withoutPrincipal makes e say that the principal is gone, which is why the request
// is refused whatever documents say.
func (e *Explanation) withoutPrincipal(d departed) {
	e.Message = fmt.Sprintf("the principal is gone (%s); its credentials are not valid any more", d.id)
	e.Layer = "principal"
	e.Layers = []ExplainedLayer{{Name: "principal", Says: d.String()}}
	e.Context, e.Missing = []ExplainedKey{}, []string{}
}
