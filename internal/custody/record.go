package custody

import (
	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/uuid"
)

// record puts the audit record of a rotation beside the changes of tx.
func (c *Custody) record(tx *store.Tx, event, domain string, details map[string]any) error {
	region := domain
	if region == Global {
		region = "us-east-1" // where CloudTrail records what belongs to no region
	}
	r, err := audit.Own{
		Source: "strongroom.internal", Name: event, Account: c.cfg.Account, Region: region,
		Time: c.cfg.Clock(), EventID: uuid.New(),
	}.With(details)
	if err != nil {
		return err
	}
	tx.SetRecord(r.AppendJSON(nil))
	return nil
}
