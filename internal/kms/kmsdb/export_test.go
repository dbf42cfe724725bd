package kmsdb

import "context"

// ExamineGrants is the part of Examine that is about grants.
func (d *DB) ExamineGrants(ctx context.Context) error { return d.examineGrants(ctx) }
