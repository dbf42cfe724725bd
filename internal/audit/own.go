package audit

import (
	"encoding/json"
	"time"
)

// Own is a change that the server makes on its own account, because of its
// flags, its bootstrap file or its clock, and not because somebody called.
type Own struct {
	Source, Name string // event source and event name
	Account      string
	Region       string
	Time         time.Time
	EventID      string // a UUID
}

// Bare is the record of the change, in the form of the events that AWS makes
// itself ("Non-API events captured by CloudTrail", AWS CloudTrail User Guide).
func (o Own) Bare() Record {
	return Record{
		UserIdentity:       UserIdentity{AccountID: o.Account, InvokedBy: Internal},
		EventTime:          o.Time,
		EventSource:        o.Source,
		EventName:          o.Name,
		AWSRegion:          o.Region,
		SourceIPAddress:    Internal,
		UserAgent:          Internal,
		EventID:            o.EventID,
		EventType:          ServiceEvent,
		RecipientAccountID: o.Account,
	}
}

// With is the record with details, which are marshalled into serviceEventDetails.
func (o Own) With(details any) (Record, error) {
	r := o.Bare()
	var err error
	r.ServiceEventDetails, err = json.Marshal(details)
	return r, err
}
