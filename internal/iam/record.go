package iam

import (
	"encoding/json"

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
// itself, from its flags or its bootstrap file. No caller made a request, so
// it has the form of an event that AWS makes on its own.
func (s *Service) record(account string, e event) ([]byte, error) {
	details, err := json.Marshal(e.details)
	if err != nil {
		return nil, err
	}
	r := audit.Record{
		UserIdentity:        audit.UserIdentity{AccountID: account, InvokedBy: audit.Internal},
		EventTime:           s.cfg.Clock(),
		EventSource:         "iam.amazonaws.com",
		EventName:           e.name,
		AWSRegion:           "us-east-1", // where CloudTrail records global services
		SourceIPAddress:     audit.Internal,
		UserAgent:           audit.Internal,
		ServiceEventDetails: details,
		EventID:             uuid.New(),
		EventType:           audit.ServiceEvent,
		RecipientAccountID:  account,
	}
	return r.AppendJSON(nil), nil
}
