package iam

import (
	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/uuid"
)

// event is what the record of a change says: an operation of the IAM API that
// would have made the change, and the change itself.
type event struct {
	name    string
	details map[string]any
}

// record is the audit record of a principal that the server puts in place
// itself, from its flags or its bootstrap file.
func (s *Service) record(account string, e event) ([]byte, error) {
	r, err := audit.Own{
		Source: "iam.amazonaws.com", Name: e.name, Account: account,
		Region: "us-east-1", // where CloudTrail records global services
		Time:   s.cfg.Clock(), EventID: uuid.New(),
	}.With(e.details)
	return r.AppendJSON(nil), err
}
