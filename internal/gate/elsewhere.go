package gate

import (
	"encoding/json"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/uuid"
)

// RecordIn returns the JSON of the record of what the call made its service do
// in another region: op, with the same caller, time and request id, and an event
// id of its own. It says that the service called itself (KMS Developer Guide,
// "UpdatePrimaryRegion": the second record of the call). It is for the
// transaction that has the call's own record. The caller owns the bytes.
func (c *Call) RecordIn(region string, op Operation, parameters, response json.RawMessage, resources ...audit.Resource) []byte {
	r := c.record(nil)
	r.EventID, r.EventName, r.APIVersion, r.ReadOnly, r.AWSRegion = uuid.New(), op.Name, op.APIVersion, op.ReadOnly, region
	r.RequestParameters, r.ResponseElements, r.AdditionalEventData, r.Resources = parameters, response, nil, resources
	r.UserAgent, r.TLSDetails, r.VPCEndpointID = audit.Internal, nil, ""
	if c.Caller.Type != identity.AWSService {
		r.UserIdentity.InvokedBy = c.Op.EventSource
	}
	return r.AppendJSON(make([]byte, 0, 1024))
}
