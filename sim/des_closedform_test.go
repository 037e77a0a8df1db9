package sim_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

const closedFormSeed = 1964

// TestDESClosedForms holds the request-level engine to the closed forms of queueing theory. Each case draws a system and counts as one
// interval: its claims take turns to be the one that is judged. At least 98.5 % of the 99 % intervals must hold their closed
// form; of 400 right ones 6 may miss, and more than that do so for one choice of seeds in 9. Beyond that all claims of a form that say
// the same kind of thing are pooled: the sum of their z over the root of their number is standard normal, so that a bias too
// small for any single interval shows; beyond 4.5 it is one of them in 150 000.
//
// The seeds are fixed, so the test passes or fails always. Where a change of random streams makes it fail, see whether other
// values of closedFormSeed do as well.
func TestDESClosedForms(t *testing.T) {
	every, minVisits := 1, 10_000.0
	if raceEnabled || testing.Short() {
		every, minVisits = 16, 1000
	}
	type job struct {
		form, index int
		outcomes    []outcome
		params      string
	}
	var jobs []*job
	for f := range forms {
		for i := range forms[f].cases {
			if i%every == 0 {
				jobs = append(jobs, &job{form: f, index: i})
			}
		}
	}
	next := make(chan *job)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for j := range next {
				seed := rng.Derive(closedFormSeed, forms[j.form].name, j.index)
				c := forms[j.form].draw(t, rng.New(seed, "parameters"), j.index)
				j.params, j.outcomes = c.params, c.run(t, seed, minVisits)
			}
		})
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	wg.Wait()

	var table strings.Builder
	held, total, worst := 0, 0, 0.0
	for f := range forms {
		n, ok := 0, 0
		sums, counts := map[string]float64{}, map[string]float64{}
		var kinds []string
		for _, j := range jobs {
			if j.form != f {
				continue
			}
			n++
			for k, o := range j.outcomes {
				what := o.claim.what
				if counts[what] == 0 {
					kinds = append(kinds, what)
				}
				sums[what] += o.z
				counts[what]++
				if k != j.index%len(j.outcomes) {
					continue
				}
				if o.holds {
					ok++
				} else {
					t.Logf("missed: %s %d (%s): %s is %.6g, the interval is %.6g to %.6g (z = %.2f)", forms[f].name, j.index, j.params, what, o.claim.value, o.low, o.high, o.z)
				}
			}
		}
		pooled := make([]string, len(kinds))
		for k, what := range kinds {
			z := sums[what] / math.Sqrt(counts[what])
			worst = max(worst, math.Abs(z))
			pooled[k] = fmt.Sprintf("%s %+.1f", what, z)
			if math.Abs(z) > 4.5 {
				t.Errorf("%s: %s is off in %v cases together, z = %.2f", forms[f].name, what, counts[what], z)
			}
		}
		fmt.Fprintf(&table, "%-28s %3d of %3d   pooled z: %s\n", forms[f].name, ok, n, strings.Join(pooled, ", "))
		held, total = held+ok, total+n
	}
	t.Logf("99 %% intervals that hold the closed form\n%s%-28s %3d of %3d, %.1f %%; largest pooled |z| %.1f", table.String(), "all", held, total, 100*float64(held)/float64(total), worst)
	if allowed := allowedMisses(total); total-held > allowed {
		t.Errorf("%d of %d intervals miss their closed form, at most %d may", total-held, total, allowed)
	}
}

// allowedMisses is 1.5 % of n. Where that is less than what chance makes of 1 % in one run of 20 (few cases, under the race detector), it is that.
func allowedMisses(n int) int {
	k, tail, term := 0, 1.0, math.Pow(0.99, float64(n))
	for tail -= term; tail > 0.05; tail -= term {
		k++
		term *= float64(n-k+1) / float64(k) * 0.01 / 0.99
	}
	if n >= 200 {
		return int(0.015 * float64(n))
	}
	return max(k, int(0.015*float64(n)))
}
