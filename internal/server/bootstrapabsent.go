package server

import "github.com/strongroom/strongroom/internal/store"

// removals removes users and roles.
func (p *plan) removals(a bootstrapAccount) error {
	for _, u := range a.Users {
		if err := p.once("user", a.ID.s, u.Name); err != nil {
			return err
		}
		if !u.Absent {
			continue
		}
		at := u.Name.or(a.ID)
		if u.Path.given() || u.Policies != nil || u.InlinePolicies != nil || u.Groups != nil || u.Boundary.given() || u.Tags != nil || u.AccessKeys != nil {
			return at.errorf("user %s is absent, so give nothing else of it", u.Name.s)
		}
		p.add(at, func(tx *store.Tx) error { return p.s.iam.DeleteUserIn(tx, a.ID.s, u.Name.s) })
	}
	for _, r := range a.Roles {
		if err := p.once("role", a.ID.s, r.Name); err != nil {
			return err
		}
		if !r.Absent {
			continue
		}
		at := r.Name.or(a.ID)
		if r.Path.given() || r.Description.given() || r.MaxSessionDuration != nil || r.TrustPolicy.given() || r.TrustPolicyFile.given() ||
			r.Policies != nil || r.InlinePolicies != nil || r.Boundary.given() || r.Tags != nil {
			return at.errorf("role %s is absent, so give nothing else of it", r.Name.s)
		}
		p.add(at, func(tx *store.Tx) error { return p.s.iam.DeleteRoleIn(tx, a.ID.s, r.Name.s) })
	}
	return nil
}

// lateRemovals removes groups and policies, which nobody may have any more.
func (p *plan) lateRemovals(a bootstrapAccount) error {
	for _, g := range a.Groups {
		at := g.Name.or(a.ID)
		if !g.Absent {
			continue
		}
		if g.Path.given() || g.Policies != nil || g.InlinePolicies != nil {
			return at.errorf("group %s is absent, so give nothing else of it", g.Name.s)
		}
		p.add(at, func(tx *store.Tx) error { return p.s.iam.DeleteGroupIn(tx, a.ID.s, g.Name.s) })
	}
	for _, m := range a.Policies {
		at := m.Name.or(a.ID)
		if !m.Absent {
			continue
		}
		if m.Path.given() || m.Description.given() || m.Tags != nil || m.Document.given() || m.DocumentFile.given() {
			return at.errorf("policy %s is absent, so give nothing else of it", m.Name.s)
		}
		p.add(at, func(tx *store.Tx) error { return p.s.iam.DeletePolicyIn(tx, a.ID.s, m.Name.s) })
	}
	return nil
}
