package gate

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/strongroom/strongroom/internal/policy"
)

// maxDecision bounds what the record of a denial holds of its decision, in
// bytes of JSON; maxContext is what of it may be condition keys.
const (
	maxDecision = 16 << 10
	maxContext  = 12 << 10
)

// decision is additionalEventData.decision of a denied call: what was asked of
// the gate, so that it can be asked again. It holds no secret: a request gives
// none to its condition keys. CloudTrail has no such member; it is ours.
type decision struct {
	Action   string `json:"action"`
	Resource string `json:"resource,omitempty"`
	// ResourceAccount is left out, with the condition keys that tell of it, where
	// the resource is another account's and its ARN does not say so.
	ResourceAccount string `json:"resourceAccount,omitempty"`
	Kind            string `json:"kind,omitempty"` // of resource: key, bucket, role; empty: one without a policy
	CrossAccount    bool   `json:"crossAccount,omitempty"`
	ViaService      string `json:"viaService,omitempty"` // as the condition key kms:ViaService has it
	// Undisclosed says that the caller must not learn what the resource is, and
	// whoever reads the caller's trail neither: there is no more than the action.
	Undisclosed bool `json:"undisclosed,omitempty"`
	// Context has the condition keys that documents asked for and the request
	// has, in lower case: a string, or an array for keys with several values.
	Context map[string]json.RawMessage `json:"context,omitempty"`
	// Hidden are those that the policy of the resource did not get.
	Hidden []string `json:"hidden,omitempty"`
	// Truncated says that not all keys found room.
	Truncated bool `json:"truncated,omitempty"`
}

// kindNames are the names of the kinds of resource in records.
var kindNames = map[policy.Kind]string{policy.Key: "key", policy.Bucket: "bucket", policy.Trust: "role"}

// recorded returns the decision that e refused, for the record: at most
// maxDecision bytes. All documents are asked again, but for the policy of another account
// that does not let the caller in, so that the keys are there that an
// explanation asks for.
func (e *evaluation) recorded() json.RawMessage {
	r := &e.request
	d := decision{Action: r.Action, ViaService: e.caller.ViaService}
	if r.Undisclosed && !e.admitted {
		d.Undisclosed = true
		return d.marshal()
	}
	d.Resource, d.Kind, d.CrossAccount = r.Resource, kindNames[r.Kind], r.CrossAccount
	untold := e.account != e.caller.AccountID && !namesAccount(r.Resource, e.account)
	if !untold {
		d.ResourceAccount = e.account
	}
	// The record is for the caller's account. Which keys a policy of another
	// account asks for tells what is in it, and that the resource is there: only
	// whom that policy lets in may know.
	e.discreet = e.account != e.caller.AccountID && !e.admitted
	_, _ = e.traces()
	e.discreet = false
	noted := e.noted
	e.noted = nil
	d.Context = map[string]json.RawMessage{}
	room := maxContext
	for _, name := range slices.Sorted(maps.Keys(noted.values)) {
		if untold && tellsOwner(name) {
			continue
		}
		v := noted.values[name]
		var text []byte
		var err error
		if v.Multi || len(v.Strings) != 1 {
			text, err = json.Marshal(v.Strings)
		} else {
			text, err = json.Marshal(v.Strings[0])
		}
		// A name with quotes and brackets in it is longer in JSON, by six at most.
		if room -= 6*len(name) + len(text) + len(`"":,`); err != nil || room < 0 {
			d.Truncated = true
			break
		}
		d.Context[name] = text
		if noted.hidden[name] {
			d.Hidden = append(d.Hidden, name)
		}
	}
	return d.marshal()
}

// tellsOwner reports whether the value of a condition key, in lower case, says
// whose the resource is.
func tellsOwner(name string) bool {
	switch globalNamed(name) {
	case resourceAccount, resourceOrgID, resourceOrgPaths:
		return true
	}
	return name == "s3:resourceaccount"
}

// marshal prints d; when it is too long, without what makes it so.
func (d *decision) marshal() json.RawMessage {
	text, err := json.Marshal(d)
	if err != nil || len(text) > maxDecision {
		text, err = json.Marshal(decision{Action: d.Action[:min(len(d.Action), 128)], Truncated: true})
		if err != nil {
			return nil
		}
	}
	return text
}

// withDecision adds the decision to what the service says, an object or nil.
func withDecision(data, decision json.RawMessage) json.RawMessage {
	head := []byte("{")
	if body, ok := bytes.CutSuffix(bytes.TrimSpace(data), []byte("}")); ok && len(bytes.TrimSpace(body)) > 1 {
		head = append(slices.Clone(body), ',')
	}
	return slices.Concat(head, []byte(`"decision":`), decision, []byte("}"))
}
