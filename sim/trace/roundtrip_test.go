package trace

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// genRecording draws sound recordings: values of all sizes, missing ones, gaps.
func genRecording() *rapid.Generator[*Recording] {
	return rapid.Custom(func(t *rapid.T) *Recording {
		interval := time.Duration(rapid.Int64Range(100_000, 10_000_000).Draw(t, "interval_us")) * time.Microsecond
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zé/]([a-z /-]{0,5}[a-z])?`), 1, 4, rapid.ID[string]).Draw(t, "names")
		number := func(most float64) float64 {
			if rapid.Bool().Draw(t, "missing") {
				return NoValue()
			}
			return rapid.Float64Range(0, most).Draw(t, "value")
		}
		rec := &Recording{Meta: Meta{
			Application: names[0], Interval: interval, Gaps: true, Contended: rapid.Bool().Draw(t, "contended"), Source: oneLine(rapid.StringMatching(`[ -~é\n]{0,40}`).Draw(t, "source")),
			Notes: lines(rapid.SliceOfN(rapid.StringMatching(`[ -~]{0,40}`), 0, 3).Draw(t, "notes")),
		}}
		steps := rapid.SliceOfNDistinct(rapid.Int64Range(0, 1000), 1, 6, rapid.ID[int64]).Draw(t, "steps")
		slices.Sort(steps)
		for _, k := range steps {
			at := time.Duration(k) * interval
			for i, n := range names {
				if rapid.Bool().Draw(t, "skip") && i > 0 {
					continue
				}
				p := []float64{number(1e8), number(1e8), number(1e8)}
				if Has(p[0] + p[1] + p[2]) {
					slices.Sort(p)
				} else {
					p[1], p[2] = NoValue(), NoValue()
				}
				rec.Endpoints = append(rec.Endpoints, EndpointRow{at, n, number(1e7), p[0], p[1], p[2], number(1), number(1e8)})
				count := math.Floor(number(1e6))
				rec.Services = append(rec.Services, ServiceRow{at, n, count, count, number(1e8), number(1e9), number(1e7), p[0], p[1], p[2],
					number(1), number(1e12), number(1e12), number(1), number(1e8)})
				rec.Edges = append(rec.Edges, EdgeRow{at, n, names[0], number(1e7), number(1e8), number(1)})
				rec.Nodes = append(rec.Nodes, NodeRow{at, n, names[len(names)-1], 1e8, number(1e9), number(1e8), number(1e9)})
			}
		}
		return rec
	})
}

func TestRoundTripProperty(t *testing.T) {
	parent := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		rec := genRecording().Draw(t, "recording")
		dir := filepath.Join(parent, "rec")
		if err := Write(dir, rec, WriteOptions{Replace: true, Plain: rapid.Bool().Draw(t, "plain")}); err != nil {
			t.Fatal(err)
		}
		got, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := sameRecording(rec, got); d != "" {
			t.Fatal(d)
		}
	})
}

// TestNumbersAreStrconvs checks the fast path for decimals against strconv, and the text of numbers against both.
func TestNumbersAreStrconvs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9]{0,9}(\.[0-9]{0,9})?`).Draw(t, "text")
		v, ok := plainDecimal([]byte(text))
		var want float64
		_, err := fmt.Sscanf(text, "%g", &want)
		digits := len(strings.ReplaceAll(text, ".", ""))
		if ok != (digits > 0 && digits <= 15) {
			t.Fatalf("%q: %v", text, ok)
		}
		if ok && (err != nil || v != want) {
			t.Fatalf("%q: %v, want %v (%v)", text, v, want, err)
		}
		x := rapid.Float64Range(0, 1e12).Draw(t, "x")
		l := newFindings(0)
		if got := parseCell(l, "", 0, "", appendValue(nil, x)); got != x || l.errors > 0 {
			t.Fatalf("%v became %q and that %v", x, appendValue(nil, x), got)
		}
	})
	if s := string(appendValue(nil, math.Copysign(0, -1))); s != "0" {
		t.Errorf("-0 is written as %q", s)
	}
	if s := string(appendValue(nil, NoValue())); s != "" {
		t.Errorf("a missing value is written as %q", s)
	}
	if v := parseCell(newFindings(0), "", 0, "", []byte("-0")); math.Signbit(v) {
		t.Error("-0 is read as -0")
	}
}
