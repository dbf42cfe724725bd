package sqlite

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// document is of the size of a KMS key's, with its key policy.
var document = make([]byte, 1024)

// BenchmarkUpdate measures durable updates: one document of 1 KiB with an audit
// record of 900 bytes. With several writers they share commits.
func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openTest(b, Config{Path: filepath.Join(b.TempDir(), "store.db")})
			record := make([]byte, 900)
			var commits, next atomic.Int64
			s.OnCommit(func([]store.Change) { commits.Add(1) })
			b.ResetTimer()
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						err := s.Update(b.Context(), func(tx *store.Tx) error {
							tx.SetRecord(record)
							_, err := tx.Put(store.KMSKeys, store.Row{Key: fmt.Sprintf("key-%09d", n), Doc: document, Ref: "account"})
							return err
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
			b.ReportMetric(float64(b.N)/float64(commits.Load()), "updates/commit")
		})
	}
}

// BenchmarkGet measures point reads of a table of 10,000 documents of 1 KiB.
func BenchmarkGet(b *testing.B) {
	s := openTest(b, Config{Path: filepath.Join(b.TempDir(), "store.db")})
	const rows = 10_000
	fill(b, s, rows)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			if _, err := s.Get(b.Context(), store.KMSKeys, fmt.Sprintf("key-%09d", n*7919%rows)); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkList measures a page of 1,000 documents of 1 KiB.
func BenchmarkList(b *testing.B) {
	s := openTest(b, Config{Path: filepath.Join(b.TempDir(), "store.db")})
	fill(b, s, 10_000)
	for b.Loop() {
		rows, err := s.List(b.Context(), store.KMSKeys, store.Query{Prefix: "key-", After: "key-000005000", Limit: 1000})
		if err != nil || len(rows) != 1000 {
			b.Fatal(len(rows), err)
		}
	}
}

func fill(tb testing.TB, s *store.Store, rows int) {
	tb.Helper()
	err := s.Update(tb.Context(), func(tx *store.Tx) error {
		for n := range rows {
			if err := tx.PutUnlogged(store.KMSKeys, store.Row{Key: fmt.Sprintf("key-%09d", n), Rev: 1, Doc: document}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func openTest(tb testing.TB, cfg Config) *store.Store {
	tb.Helper()
	s, err := Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("closing: %v", err)
		}
	})
	return s
}
