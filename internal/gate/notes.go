package gate

import (
	"slices"

	"github.com/strongroom/strongroom/internal/policy"
)

// notes collects the condition keys that documents asked for.
type notes struct {
	values  map[string]policy.Value // of those the request has
	missing map[string]bool         // those it has not
	hidden  map[string]bool         // those it has not for the policy of the resource
}

func (n *notes) add(name string, v policy.Value, ok, inPolicy bool) {
	switch {
	case ok:
		n.values[name] = policy.Value{Strings: slices.Clone(v.Strings), Multi: v.Multi}
	case inPolicy:
		n.hidden[name] = true
		n.missing[name] = true
	default:
		n.missing[name] = true
	}
}
