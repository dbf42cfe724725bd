package store

import (
	"context"
	"database/sql"
)

// TruncateLog moves what the database's log holds into the database and empties
// the log. A log keeps older copies of what has been overwritten or deleted
// since; after this no file of the database has them. The error is [ErrBusy]
// when readers stand in the way for longer than a moment: updates wait
// meanwhile, so it does not insist.
func (s *Store) TruncateLog(ctx context.Context) error {
	run := s.backend.Dialect.TruncateLog
	if run == nil {
		return nil
	}
	return s.writer.errand(ctx, run)
}

// errand is something that the writer does between two transactions.
type errand struct {
	run    func(*sql.Conn) error
	result chan error
}

// errand has the writer run fn. Ctx can end the wait for its turn.
func (w *writer) errand(ctx context.Context, fn func(*sql.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := &errand{run: fn, result: make(chan error, 1)}
	select {
	case w.errands <- e:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return ErrClosed
	}
	return <-e.result
}

// attend runs an errand, on a new connection if there is none.
func (w *writer) attend(e *errand) error {
	if err := w.connect(); err != nil {
		return err
	}
	return w.dialect.Wrap(e.run(w.conn))
}
