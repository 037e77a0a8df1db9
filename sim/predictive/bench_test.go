package predictive

import (
	"fmt"
	"testing"
	"time"
)

// day is an object with both models: 6 counts for the line, 4 seasons of m.
func day(m int) Spec {
	s := oneModel()
	s.Models = append(s.Models, ModelSpec{Type: HoltWintersModel, Name: "day", HoltWinters: hw(0.9, 0.1, 0.3, m)})
	s.Models[1].HoltWinters.StoredSeasons = 4
	return s
}

// warm syncs until every history has been full once.
func warm(tb testing.TB, spec Spec) (c *Controller, next func()) {
	tb.Helper()
	c, err := New(spec)
	if err != nil {
		tb.Fatal(err)
	}
	now, current, i := time.Duration(0), int32(3), 0
	next = func() {
		d := c.Sync(now, int32(3+i%5))
		current = c.Settle(now, current, d.Replicas).Desired
		now += c.spec.SyncPeriod
		i++
	}
	stored := 0
	for m := range c.spec.Models {
		stored = max(stored, c.spec.Models[m].mostStored())
	}
	for range stored + 100 {
		next()
	}
	return c, next
}

// TestSyncAllocatesNothing once warm, whatever the decision type.
func TestSyncAllocatesNothing(t *testing.T) {
	for _, of := range []DecisionType{DecideMaximum, DecideMinimum, DecideMean, DecideMedian} {
		spec := day(6)
		spec.DecisionType = of
		if _, next := warm(t, spec); testing.AllocsPerRun(200, next) != 0 {
			t.Errorf("%s: a sync allocates", of)
		}
	}
}

func BenchmarkSync(b *testing.B) {
	for _, m := range []int{6, 240} {
		b.Run(fmt.Sprintf("season=%d", m), func(b *testing.B) {
			_, next := warm(b, day(m))
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}
