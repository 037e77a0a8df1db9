package trace

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// month is 30 days of eleven services every 30 s, as a monitoring system would export them: 950,400 rows.
func month() *Recording {
	rng := rand.New(rand.NewPCG(1, 2))
	rec := &Recording{Meta: Meta{Application: appOnlineBoutique, Interval: 30 * time.Second}}
	names := ServiceNames()[:11]
	for k := range 30 * 24 * 120 {
		for _, s := range names {
			p := round(5+10*rng.Float64(), 3)
			rec.Services = append(rec.Services, ServiceRow{
				At: time.Duration(k) * 30 * time.Second, Service: s.Name, Replicas: 3, Ready: 2, CPUMillis: round(300*rng.Float64(), 2),
				MemMiB: round(200*rng.Float64(), 2), RPS: round(90*rng.Float64(), 3), P50Ms: p, P95Ms: 4 * p, P99Ms: 9 * p,
				ErrorRate: 0, RxKbps: NoValue(), TxKbps: NoValue(), Throttled: round(rng.Float64(), 4), MeanMs: 1.5 * p,
			})
		}
	}
	return rec
}

func BenchmarkReadTable(b *testing.B) {
	rec := month()
	var plain, zipped bytes.Buffer
	rows := rowsOf(rec, &servicesTable)
	if err := writeTable(&plain, &servicesTable, rows); err != nil {
		b.Fatal(err)
	}
	if err := writeZipped(&zipped, &servicesTable, rows); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d rows, %d bytes, %d gzipped", rows.len(), plain.Len(), zipped.Len())
	read := func(b *testing.B, data []byte, keep bool) {
		b.SetBytes(int64(plain.Len()))
		for b.Loop() {
			l := newFindings(0)
			ck := newChecker(&servicesTable, "services.csv", &rec.Meta, &ReadOptions{}, l)
			r, err := unzip(bytes.NewReader(data), bytes.Equal(data, zipped.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			var got Recording
			var each func(*cells)
			if keep {
				each = rowsOf(&got, &servicesTable).add
			}
			readTable(r, ck, each)
			if l.err() != nil || ck.rows != len(rec.Services) {
				b.Fatal(l.err(), ck.rows)
			}
		}
		b.ReportMetric(float64(rows.len())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	}
	b.Run("validate/csv", func(b *testing.B) { read(b, plain.Bytes(), false) })
	b.Run("read/csv", func(b *testing.B) { read(b, plain.Bytes(), true) })
	b.Run("read/gzip", func(b *testing.B) { read(b, zipped.Bytes(), true) })
}

func BenchmarkWriteTable(b *testing.B) {
	rec := month()
	rows := rowsOf(rec, &servicesTable)
	for b.Loop() {
		var w strings.Builder
		if err := writeTable(&w, &servicesTable, rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows.len())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
