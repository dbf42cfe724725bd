package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
)

// trailRecord is what is read of a CloudTrail record to explain a refusal.
type trailRecord struct {
	EventTime    time.Time `json:"eventTime"`
	EventSource  string    `json:"eventSource"`
	EventName    string    `json:"eventName"`
	ErrorCode    string    `json:"errorCode"`
	ErrorMessage string    `json:"errorMessage"`
	RequestID    string    `json:"requestID"`

	record []byte // whole
}

// denied is the errorCode of a refusal in the trail.
const denied = "AccessDenied"

// refusedCalls returns the records of a request that was refused, in the order they
// were written: the services that one request passes leave a record each. The
// error says so when the trail has none, or when the request was not refused.
func refusedCalls(ctx context.Context, dataDir, requestID string) ([]trailRecord, error) {
	if err := HasAudit(dataDir); err != nil {
		return nil, err
	}
	var found []trailRecord
	var first, last []byte
	wanted := []byte(`"` + requestID + `"`)
	err := eachRecord(ctx, dataDir, func(record []byte) error {
		if first == nil {
			first = record
		}
		last = record
		if !bytes.Contains(record, wanted) {
			return nil
		}
		var r trailRecord
		if err := json.Unmarshal(record, &r); err != nil {
			return fmt.Errorf("a record of request %s in the trail: %w", requestID, err)
		}
		if r.RequestID == requestID {
			r.record = record
			found = append(found, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the trail has no request %s%s; requests that were refused before they were authenticated are not in it (the server's log has those)", requestID, span(first, last))
	}
	var denials []trailRecord
	for _, r := range found {
		if r.ErrorCode == denied {
			denials = append(denials, r)
		}
	}
	if len(denials) == 0 {
		r := found[len(found)-1]
		if r.ErrorCode == "" {
			return nil, fmt.Errorf("request %s was not refused: %s of %s succeeded", requestID, r.EventName, r.EventTime.Format(time.RFC3339))
		}
		return nil, fmt.Errorf("request %s was not refused: %s of %s ended with %s (%s), which no policy decides", requestID, r.EventName, r.EventTime.Format(time.RFC3339), r.ErrorCode, r.ErrorMessage)
	}
	return denials, nil
}

// eachRecord gives every record of a trail to visit, oldest first.
func eachRecord(ctx context.Context, dataDir string, visit func(record []byte) error) error {
	for e, err := range audit.Entries(AuditDir(dataDir)) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = visit(e.Record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// span says from when to when the records go.
func span(first, last []byte) string {
	var a, b trailRecord
	if json.Unmarshal(first, &a) != nil || json.Unmarshal(last, &b) != nil {
		return "" // an empty trail
	}
	return fmt.Sprintf(", which goes from %s to %s", a.EventTime.Format(time.RFC3339), b.EventTime.Format(time.RFC3339))
}
