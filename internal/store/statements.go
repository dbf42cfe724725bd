package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
)

// statement names one SQL text: what it does, and to which table.
type statement struct {
	op    op
	table Table
}

type op uint8

// The operations. A list is opList and a combination of its flags, so the
// number of texts is finite and each is prepared once.
const (
	opBegin op = iota + 1
	opCommit
	opRollback
	opSavepoint
	opRelease
	opRollbackTo

	opGet
	opInsert
	opReplace
	opUpsert
	opDelete
	opDeleteAny
	opAddChange
	opChanges
	opLastSeq
	opTrim

	opList    op = 1 << 5
	listFrom  op = 1 << 0 // key >= ?, else key > ?
	listBelow op = 1 << 1 // AND key < ?
	listRef   op = 1 << 2 // ref = ? AND
)

// text returns the SQL of a statement, with question marks.
func (s statement) text(d Dialect) string {
	t := string(s.table)
	switch s.op {
	case opBegin:
		return d.Begin
	case opCommit:
		return `COMMIT`
	case opRollback:
		return `ROLLBACK`
	case opSavepoint:
		return `SAVEPOINT one_update`
	case opRelease:
		return `RELEASE SAVEPOINT one_update`
	case opRollbackTo:
		return `ROLLBACK TO SAVEPOINT one_update`
	case opGet:
		return `SELECT rev, doc, mac, ref, sum FROM ` + t + ` WHERE key = ?`
	case opInsert:
		return `INSERT INTO ` + t + ` (key, rev, doc, mac, ref, sum) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`
	case opReplace:
		return `UPDATE ` + t + ` SET rev = ?, doc = ?, mac = ?, ref = ?, sum = ? WHERE key = ? AND rev = ?`
	case opUpsert:
		return `INSERT INTO ` + t + ` (key, rev, doc, mac, ref, sum) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE ` +
			`SET rev = excluded.rev, doc = excluded.doc, mac = excluded.mac, ref = excluded.ref, sum = excluded.sum`
	case opDelete:
		return `DELETE FROM ` + t + ` WHERE key = ? AND rev = ?`
	case opDeleteAny:
		return `DELETE FROM ` + t + ` WHERE key = ?`
	case opAddChange:
		return `INSERT INTO changes (time, tbl, key, rev, record, sum) VALUES (?, ?, ?, ?, ?, ?) RETURNING seq`
	case opChanges:
		return `SELECT seq, time, tbl, key, rev, record, sum FROM changes WHERE seq > ? ORDER BY seq LIMIT ?`
	case opLastSeq:
		return `SELECT seq FROM changes ORDER BY seq DESC LIMIT 1`
	case opTrim:
		return `DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE seq <= ? AND seq < (SELECT MAX(seq) FROM changes) ORDER BY seq LIMIT ?)`
	}
	return s.listText()
}

// listText takes its parameters in the order: reference, lower bound, upper
// bound, limit.
func (s statement) listText() string {
	var b strings.Builder
	b.WriteString(`SELECT key, rev, doc, mac, ref, sum FROM ` + string(s.table) + ` WHERE `)
	if s.op&listRef != 0 {
		b.WriteString(`ref = ? AND `)
	}
	if s.op&listFrom != 0 {
		b.WriteString(`key >= ?`)
	} else {
		b.WriteString(`key > ?`)
	}
	if s.op&listBelow != 0 {
		b.WriteString(` AND key < ?`)
	}
	b.WriteString(` ORDER BY key LIMIT ?`)
	return b.String()
}

// preparer is a *sql.DB or a *sql.Conn.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// statements are prepared at first use and kept. Safe for concurrent use.
type statements struct {
	db      preparer
	dialect Dialect

	mu   sync.RWMutex // guards kept
	kept map[statement]*sql.Stmt
}

func newStatements(db preparer, d Dialect) *statements {
	return &statements{db: db, dialect: d, kept: make(map[statement]*sql.Stmt)}
}

func (s *statements) get(ctx context.Context, key statement) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.kept[key]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.kept[key]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PrepareContext(ctx, s.dialect.bind(key.text(s.dialect)))
	if err != nil {
		return nil, s.dialect.Wrap(fmt.Errorf("preparing a statement on table %q: %w", key.table, err))
	}
	s.kept[key] = stmt
	return stmt, nil
}

// close gives the statements back. Their errors say nothing that closing the
// database does not.
func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.kept {
		_ = stmt.Close()
	}
	clear(s.kept)
}
