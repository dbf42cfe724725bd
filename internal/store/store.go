// Package store keeps the metadata: documents in tables, a revision on each,
// and one feed of all changes with the audit records inside. It is SQL through
// database/sql; what a database has of its own is a [Dialect] (see store/sqlite).
//
// Reads go to a pool and see what is committed. Writes are functions run one
// after another on one connection; up to 64 of them share a commit and so one
// fsync. The schema is drawn in docs/formats/store.md.
package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// Table names a table of documents. Only the constants below exist.
type Table string

// The tables. Who writes one decides the form of its keys and documents.
const (
	Meta         Table = "meta"           // single documents of the server itself
	DomainKeys   Table = "domain_keys"    // wrapped domain keys
	InternalKeys Table = "internal_keys"  // wrapped keys of the server's own use
	Accounts     Table = "accounts"       // accounts
	Users        Table = "users"          // IAM users
	AccessKeys   Table = "access_keys"    // access keys
	KMSKeys      Table = "kms_keys"       // KMS keys
	KMSKeyTokens Table = "kms_key_tokens" // wrapped key material of KMS keys
	KMSAliases   Table = "kms_aliases"    // aliases; the reference is the target key
	Buckets      Table = "buckets"        // S3 buckets
	Objects      Table = "objects"        // S3 objects
	Uploads      Table = "uploads"        // multipart uploads under way
	Parts        Table = "parts"          // their parts
	Blobs        Table = "blobs"          // files of sealed bytes

	AccessKeyTokens Table = "access_key_tokens" // wrapped secrets of access keys

	Groups           Table = "groups"             // IAM groups
	Roles            Table = "roles"              // IAM roles
	Policies         Table = "policies"           // managed policies
	BucketPolicies   Table = "bucket_policies"    // policies of S3 buckets
	KMSGrants        Table = "kms_grants"         // grants; the reference is key and grantee
	KMSGrantRetirers Table = "kms_grant_retirers" // grants once more, under who may retire them

	KMSKeyStores      Table = "kms_key_stores"       // custom key stores
	KMSKeyStoreTokens Table = "kms_key_store_tokens" // their wrapped credentials
	KMSKeyUsage       Table = "kms_key_usage"        // what each KMS key was last used for
)

// Tables returns every table.
func Tables() []Table {
	return []Table{
		Meta, DomainKeys, InternalKeys, Accounts, Users, AccessKeys, KMSKeys,
		KMSKeyTokens, KMSAliases, Buckets, Objects, Uploads, Parts, Blobs, AccessKeyTokens,
		Groups, Roles, Policies, BucketPolicies, KMSGrants, KMSGrantRetirers,
		KMSKeyStores, KMSKeyStoreTokens, KMSKeyUsage,
	}
}

// Row is one document of a table. What a read returns belongs to the caller.
type Row struct {
	// Key is the row's name in its table: UTF-8 without NUL, 1 to 4096
	// bytes. Keys are in bytewise order.
	Key string
	// Rev is the revision as read: 1 when new, one more with every
	// [Tx.Put], 0 for a row that is not there.
	Rev int64
	// Doc is the document and MAC what seals it (see [Seal]). Nil and empty
	// are the same, and read as nil.
	Doc, MAC []byte
	// Ref is what the row refers to, for [Query.Ref]: same form as Key, or
	// empty.
	Ref string
	// Damaged is not nil, and wraps [ErrDamaged], in a row that is not what
	// was written. Only a list with [Query.KeepDamaged] has such rows. Every
	// other field is then what was found, and may be anything.
	Damaged error
}

// Query selects rows of one table, in key order.
type Query struct {
	Prefix string // only keys that begin with it
	After  string // only keys greater than it; empty: from the start
	From   string // only keys not less than it; empty: from the start
	Ref    string // only rows with this reference; empty: all
	Limit  int    // at most so many rows; required, at least 1

	// KeepDamaged lets the list go on past rows that are not what was
	// written, and marks them: see [Row.Damaged]. Without it they fail the
	// list. A damage that stops the database itself fails it in any case.
	KeepDamaged bool
}

// Change says that a row was put or deleted.
type Change struct {
	Seq   int64     // position in the feed: 1, 2, 3, … in commit order
	Time  time.Time // UTC, whole microseconds: when the writer took the change
	Table Table
	Key   string
	Rev   int64 // the row's revision since; 0 after a delete
	// Record is the audit record (JSON) of the transaction. Its first change
	// carries it, and is there again for each further record that the transaction
	// has; it is nil elsewhere.
	Record []byte
}

// Errors of reads and writes. They are wrapped with what was attempted and
// with the database's own error.
var (
	// ErrNotFound: no row has the key.
	ErrNotFound = errors.New("no such row")
	// ErrConflict: the row is not at the revision that was read. Read it
	// again and decide anew.
	ErrConflict = errors.New("the row has changed since it was read")
	// ErrInvalid: a key, reference, table or limit that cannot be.
	ErrInvalid = errors.New("invalid argument to the store")
	// ErrNoChange: a transaction has an audit record and no change that
	// could carry it.
	ErrNoChange = errors.New("an audit record needs a change in its transaction")
	// ErrTxDone: a [Tx] was used after its function returned.
	ErrTxDone = errors.New("transaction used after its function returned")
	// ErrBusy: readers of an earlier state of the database are in the way.
	// Try again when they are done.
	ErrBusy = errors.New("the database is being read")
)

// Errors of the whole store.
var (
	// ErrDamaged: the database does not hold what was written to it. The
	// error names the file and what is wrong. Restore it from a backup. When
	// it is about one row alone, a [Tx] that met it goes on, and can delete
	// or replace the row with the unlogged methods.
	ErrDamaged = errors.New("damaged database")
	// ErrDiskFull: there is no room. Nothing of the update was stored, reads
	// go on, and updates work again when there is room.
	ErrDiskFull = errors.New("disk full")
	// ErrNewerSchema: a later release has written this database.
	ErrNewerSchema = errors.New("the database was written by a newer release")
	// ErrOlderSchema: an earlier release has written this database, and it is
	// open only to be looked at.
	ErrOlderSchema = errors.New("the database was written by an earlier release")
	// ErrClosed: Update was called on a closed store.
	ErrClosed = errors.New("store closed")
)

// Store is an open metadata store. It is safe for concurrent use.
type Store struct {
	backend Backend
	read    *statements
	writer  *writer
	close   func() error // once
}

// Backend is a database for [New].
type Backend struct {
	// Write has the connection of the writer, at most one at a time.
	Write *sql.DB
	// Read has those of the readers. Its transactions must see whatever was
	// committed before they began.
	Read *sql.DB
	// Dialect is what the database has of its own.
	Dialect Dialect
	// Now is the clock of [Change.Time]; nil: [time.Now].
	Now func() time.Time
	// At, when not nil, is called by the writer at each of its Points, so that
	// a test can end the process there.
	At func(point string)
}

// Points are those of [Backend.At], in the order in which a commit passes them.
func Points() []string { return []string{beforeCommit, afterCommit, beforeAnswer} }

const (
	beforeCommit = "store.commit.before" // nothing is durable
	afterCommit  = "store.commit.after"  // all is, and nobody was told
	beforeAnswer = "store.answer"        // the OnCommit functions have run
)

// New makes a Store of a database that [Migrate] has brought to this release's
// schema. It refuses one that lacks a table with [ErrDamaged]. The Store owns
// the backend's connections; on error the caller keeps them.
func New(ctx context.Context, b Backend) (*Store, error) {
	if b.Now == nil {
		b.Now = time.Now
	}
	if b.At == nil {
		b.At = func(string) {}
	}
	s := &Store{backend: b, read: newStatements(b.Read, b.Dialect)}
	if err := s.probe(ctx); err != nil {
		s.read.close()
		return nil, err
	}
	s.writer = newWriter(b)
	s.close = sync.OnceValue(func() error {
		s.writer.stop()
		s.read.close()
		err := b.Read.Close()
		// The writer's connection last: SQLite's last one moves the log
		// into the database, and a read-only one could not.
		s.writer.drop()
		return errors.Join(err, b.Write.Close())
	})
	go s.writer.run()
	return s, nil
}

// Close waits for the update that runs, refuses those that wait with
// [ErrClosed], and closes the database. Closing again returns the same.
func (s *Store) Close() error { return s.close() }

// OnCommit registers fn to be told of every change: once per commit, in commit
// order, before the Update that made the change returns. It runs in the
// writer, which waits for it, and must not call Update. Register before the
// first Update.
func (s *Store) OnCommit(fn func([]Change)) { s.writer.hooks = append(s.writer.hooks, fn) }

// Guard registers fn to look at every row that is put into t, logged or not, in
// the transaction that puts it and before it is written. It may change the row's
// document and reference; its error fails the put and nothing else. It is for
// what must hold of a table whoever writes to it. Register before the first
// Update; one Guard to a table.
func (s *Store) Guard(t Table, fn func(tx *Tx, r *Row) error) { s.writer.guards[t] = fn }

// Update runs fn in a transaction and returns when what it did is durable and
// the OnCommit functions have run. When fn returns an error, or panics, nothing
// of what it did is kept, and Update returns that error.
//
// Updates run one at a time, in the order they came, each once: fn should be
// short, must not wait for other updates, and must not call Update. Ctx can end
// the wait for fn's turn; once fn has started it is no longer asked.
//
// With any other error than fn's, [ErrDiskFull] or those of ctx, it is open
// whether the update was stored: read before trying again.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return s.writer.update(ctx, fn)
}
