package gate

import "github.com/strongroom/strongroom/internal/policy"

// notes collects the condition keys that documents asked for.
type notes struct {
	values  map[string]policy.Value // of those the request has
	missing map[string]bool
}

func (n *notes) add(name string, v policy.Value, ok bool) {
	if ok {
		n.values[name] = v
	} else {
		n.missing[name] = true
	}
}
