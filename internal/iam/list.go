package iam

import (
	"slices"

	"github.com/strongroom/strongroom/internal/identity"
)

// Principals returns the ARNs of everybody who can make requests, sorted: the
// root user of every account, all users, and all roles, for their sessions.
func (s *Service) Principals() []string {
	ix := s.index.Load()
	var arns []string
	for id := range ix.accounts.all {
		arns = append(arns, identity.RootARN(id))
	}
	for _, u := range ix.users.all {
		if u.err == nil {
			arns = append(arns, u.arn)
		}
	}
	for _, r := range ix.roles.all {
		if r.err == nil {
			arns = append(arns, r.arn)
		}
	}
	slices.Sort(arns)
	return arns
}
