package policy

import (
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/jsonstring"
)

// Stored returns the document as it is to be kept: users, roles and role
// sessions by their unique ids, so that whoever gets the name of one that was
// deleted inherits nothing. All else stays byte for byte. A principal or account
// that dir does not know is refused: the error is an *Error, InvalidPrincipal.
//
// Source: IAM User Guide, "AWS JSON policy elements: Principal": the ARN is
// transformed to the unique principal id when the policy is saved.
func (d *Document) Stored(dir Directory) (*Document, error) {
	var b []byte
	from := 0
	for _, n := range d.names {
		id, ok := storedName(n.value, dir)
		if !ok {
			f := fault{InvalidPrincipal, "Invalid principal in policy: \"AWS\":\"" + excerpt(n.value) + "\"", n.at}
			return nil, f.located(d.text)
		}
		if id != n.value {
			b = jsonstring.Append(append(b, d.text[from:n.at]...), id)
			from = n.end
		}
	}
	if from == 0 {
		return d, nil
	}
	return Parse(d.kind, append(b, d.text[from:]...))
}

// storedName returns what a principal of type AWS is kept as.
func storedName(s string, dir Directory) (string, bool) {
	kind, accountID := classify(s)
	switch kind {
	case anyone:
		return s, true
	case account, federateUser:
		return s, dir.HasAccount(accountID)
	case entity:
		return dir.UniqueID(s)
	case uniqueID:
		id, _, _ := strings.Cut(s, ":")
		_, ok := dir.ARN(id)
		return s, ok
	case session:
		role, name := s[:strings.LastIndexByte(s, '/')], s[strings.LastIndexByte(s, '/')+1:]
		id, ok := dir.UniqueID(role)
		return id + ":" + name, ok
	}
	return "", false
}

// Shown returns the text with unique ids turned back into ARNs where the
// principal still exists: what users are shown of a stored document. All else is
// byte for byte as it was stored.
func (d *Document) Shown(dir Directory) []byte {
	var b []byte
	from := 0
	for _, n := range d.names {
		if name := shownName(n.value, dir); name != n.value {
			b = jsonstring.Append(append(b, d.text[from:n.at]...), name)
			from = n.end
		}
	}
	return append(b, d.text[from:]...)
}

func shownName(s string, dir Directory) string {
	if !isUniqueID(s) {
		return s
	}
	id, sessionName, isSession := strings.Cut(s, ":")
	name, ok := dir.ARN(id)
	if !ok {
		return s
	}
	if !isSession {
		return name
	}
	role, _ := arn.Parse(name)
	roleName := role.Resource[strings.LastIndexByte(role.Resource, '/')+1:]
	return arn.New("sts", "", role.AccountID, "assumed-role/"+roleName+"/"+sessionName).String()
}
