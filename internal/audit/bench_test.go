package audit

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

func BenchmarkAppendJSON(b *testing.B) {
	r, buf := testRecord(), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = r.AppendJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

// cpu returns the processor time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend prints a record and appends it; cpu-ns/op is the processor
// time of all threads for one.
func BenchmarkAppend(b *testing.B) {
	for _, durable := range []bool{false, true} {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("durable=%v/callers=%d", durable, callers), func(b *testing.B) {
				l := openTest(b, Config{Dir: b.TempDir(), Durable: durable})
				r := testRecord()
				b.ReportAllocs()
				b.SetParallelism(callers)
				work := func(next func() bool) {
					var buf []byte
					for next() {
						buf = r.AppendJSON(buf[:0])
						if err := l.Append(buf); err != nil {
							b.Error(err)
							return
						}
					}
				}
				start := cpu()
				if callers == 1 {
					work(b.Loop)
				} else {
					b.RunParallel(func(pb *testing.PB) { work(pb.Next) })
				}
				b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
