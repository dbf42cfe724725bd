package store

import (
	"context"
	"database/sql"
	"strings"
)

// Dialect is all that differs from one database to another.
type Dialect struct {
	// Text, Blob and Serial complete the schema: the type of a string that
	// compares bytewise, the type of a byte string, and type and constraint
	// of a primary key that counts up by itself.
	Text, Blob, Serial string
	// Begin starts a transaction that may write.
	Begin string
	// Placeholder returns the n-th parameter of a statement, from 1.
	Placeholder func(n int) string
	// Wrap adds [ErrDamaged] or [ErrDiskFull] to an error of the database
	// that means it, and the name of the database to any. Nil stays nil.
	Wrap func(error) error
	// Check asks the database to examine its own structures. It returns what
	// is wrong with them, and an error when it cannot tell.
	Check func(ctx context.Context, db *sql.DB) (faults []string, err error)
	// TruncateLog does what [Store.TruncateLog] says, on the writer's
	// connection and outside of a transaction. Nil: the database keeps no log
	// of its own that a program could empty.
	TruncateLog func(conn *sql.Conn) error
}

// bind puts the dialect's parameters in the place of question marks. No
// statement of this package has one in a literal.
func (d Dialect) bind(text string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(d.Placeholder(n))
		text = after
	}
}
