package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// maxBatch is how many updates share a commit. One fsync for 64 of them costs
// each next to nothing, and bounds how long the first waits for the last.
const maxBatch = 64

// errUnwound stands for the error of a function that did not return.
var errUnwound = errors.New("the update's function did not return")

// update is one function on its way through the writer.
//
//	caller                      writer
//	send itself  ───updates──►  begin, if first; savepoint
//	run fn       ◄─────tx─────
//	             ─────ran────►  feed, release (or roll back to the savepoint);
//	                            … the next ones …; commit; OnCommit functions
//	return       ◄───result───
//
// The function runs in the caller's goroutine, so that a panic in it, or the
// end of a test, takes the caller down and not the writer.
type update struct {
	tx     chan *Tx   // closed when there will be none
	ran    chan error // what fn returned
	result chan error // buffered: after a panic nobody waits for it
	err    error      // fn's own
}

// writer is the only one that writes. Everything but the channels belongs to
// its goroutine, and after stop to who stopped it.
type writer struct {
	updates chan *update  // unbuffered: an update that is sent has started
	errands chan *errand  // unbuffered too
	closing chan struct{} // closed by stop
	stopped chan struct{} // closed at the end of run

	db      *sql.DB
	dialect Dialect
	now     func() time.Time
	at      func(point string)
	hooks   []func([]Change)                // set before the first update
	guards  map[Table]func(*Tx, *Row) error // the same

	conn  *sql.Conn // nil until needed, and after a failure
	stmts *statements
}

func newWriter(b Backend) *writer {
	return &writer{
		updates: make(chan *update),
		errands: make(chan *errand),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
		db:      b.Write,
		dialect: b.Dialect,
		now:     b.Now,
		at:      b.At,
		guards:  make(map[Table]func(*Tx, *Row) error),
	}
}

// update is [Store.Update].
func (w *writer) update(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u := &update{tx: make(chan *Tx), ran: make(chan error), result: make(chan error, 1)}
	select {
	case w.updates <- u:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return ErrClosed
	}
	if tx := <-u.tx; tx != nil {
		u.run(tx, fn)
	}
	return <-u.result
}

func (u *update) run(tx *Tx, fn func(*Tx) error) {
	err := errUnwound
	defer func() { u.ran <- err }()
	err = fn(tx)
}

// stop returns when the writer has finished what it was doing.
func (w *writer) stop() {
	close(w.closing)
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	for {
		select {
		case u := <-w.updates:
			w.batch(u)
		case e := <-w.errands:
			e.result <- w.attend(e)
		case <-w.closing:
			return
		}
	}
}

// batch runs first, and whatever else is waiting by then, in one transaction.
// They share its fate: one that read what another wrote must not return, with
// success or with an error of its own, before that is durable.
func (w *writer) batch(first *update) {
	if err := w.begin(); err != nil {
		w.refuse(first, err)
		return
	}
	var ran []*update
	var changes []Change
	for u := first; u != nil; u = w.next(len(ran)) {
		c, err := w.one(u)
		ran = append(ran, u)
		if err != nil {
			w.abort(ran, err)
			return
		}
		changes = append(changes, c...)
	}
	w.at(beforeCommit)
	if err := w.exec(opCommit); err != nil {
		w.abort(ran, err)
		return
	}
	w.at(afterCommit)
	if len(changes) > 0 {
		for _, hook := range w.hooks {
			hook(changes)
		}
	}
	w.at(beforeAnswer)
	for _, u := range ran {
		u.result <- u.err
	}
}

// next returns an update that waits, or nil.
func (w *writer) next(n int) *update {
	if n == maxBatch {
		return nil
	}
	select {
	case u := <-w.updates:
		return u
	default:
		return nil
	}
}

// one runs one update under a savepoint and leaves what became of it in u.err.
// An error means that the transaction is lost, with all that ran in it.
func (w *writer) one(u *update) ([]Change, error) {
	if err := w.exec(opSavepoint); err != nil {
		close(u.tx)
		return nil, err
	}
	tx := &Tx{stmts: w.stmts, guards: w.guards, now: w.now().UTC().Truncate(time.Microsecond)}
	u.tx <- tx
	u.err = <-u.ran
	if u.err == nil || tx.err != nil {
		u.err = tx.finish()
	}
	lost := tx.err
	tx.err = ErrTxDone
	if u.err == nil {
		return tx.changes, w.exec(opRelease)
	}
	if err := w.exec(opRollbackTo); err != nil {
		// The database has undone the transaction by itself. The error that
		// made it do so says more than that there is no savepoint.
		return nil, cmp.Or(lost, err)
	}
	return nil, w.exec(opRelease)
}

// refuse answers an update whose function has not run.
func (w *writer) refuse(u *update, err error) {
	close(u.tx)
	u.result <- err
}

// abort undoes the transaction and answers every update in it with err.
func (w *writer) abort(ran []*update, err error) {
	if w.exec(opRollback) != nil {
		w.drop()
	}
	for _, u := range ran {
		u.result <- fmt.Errorf("update undone: %w", err)
	}
}

// begin starts a transaction, on a new connection if there is none.
func (w *writer) begin() error {
	if err := w.connect(); err != nil {
		return err
	}
	err := w.exec(opBegin)
	if err != nil {
		w.drop()
	}
	return err
}

func (w *writer) connect() error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(context.Background())
	if err != nil {
		return w.dialect.Wrap(err)
	}
	w.conn, w.stmts = conn, newStatements(conn, w.dialect)
	return nil
}

func (w *writer) exec(o op) error {
	stmt, err := w.stmts.get(context.Background(), statement{op: o})
	if err != nil {
		return err
	}
	_, err = stmt.Exec()
	return w.dialect.Wrap(err)
}

// drop closes the connection for good: after an error nobody knows what state
// it is in.
func (w *writer) drop() {
	if w.conn == nil {
		return
	}
	w.stmts.close()
	// ErrBadConn is how database/sql is told not to keep the connection.
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = w.conn.Close()
	w.conn, w.stmts = nil, nil
}
