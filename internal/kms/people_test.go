package kms_test

import (
	"maps"
	"strings"

	"github.com/strongroom/strongroom/internal/identity"
)

// people are the users and roles there are: ids by ARN. It is what the service
// knows of IAM; a test changes it while nothing runs.
type people map[string]string

func everybody() people {
	return people{
		alice().ARN: alice().PrincipalID,
		bob().ARN:   bob().PrincipalID,
		carol().ARN: carol().PrincipalID,
		appRole:     roleID,
		"arn:aws:sts::" + account + ":assumed-role/App": roleID,
	}
}

// UniqueID implements policy.Directory.
func (p people) UniqueID(arn string) (string, bool) {
	id, ok := p[arn]
	return id, ok
}

// ARN implements policy.Directory.
func (p people) ARN(id string) (string, bool) {
	for arn := range maps.Keys(p) {
		if p[arn] == id && strings.HasPrefix(arn, "arn:aws:iam:") {
			return arn, true
		}
	}
	return "", false
}

// HasAccount implements policy.Directory.
func (people) HasAccount(id string) bool { return id == account || id == other }

const appRole = "arn:aws:iam::" + account + ":role/service/App"

// carol is a user of another account with no permission of her own.
func carol() identity.Caller {
	c := bob()
	c.AccountID, c.ARN, c.UserName, c.PrincipalID = other, "arn:aws:iam::"+other+":user/carol", "carol", carolID
	return c
}

// foreignAdmin is a user of that account who may do everything there.
func foreignAdmin() identity.Caller {
	c := carol()
	c.ARN, c.UserName, c.PrincipalID = "arn:aws:iam::"+other+":user/ada", "ada", "AIDAADAEXAMPLE0000001"
	return c
}

// session is a session of the role appRole.
func session(name string) identity.Caller {
	c := bob()
	c.Type, c.UserName = identity.AssumedRole, ""
	c.ARN, c.PrincipalID = "arn:aws:sts::"+account+":assumed-role/App/"+name, roleID+":"+name
	c.Session = &identity.Session{RoleARN: appRole, RoleID: roleID, Name: name}
	return c
}
