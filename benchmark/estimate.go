package benchmark

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// estimate fills the cells and comparisons of all parts. Each has random streams of its own, named after what it
// is, so that neither order nor the number of cores matters.
func (s *Summary) estimate(g *grouped) error {
	type job struct{ part, controller int }
	var jobs []job
	opponent, reference := g.controller(s.Opponent), g.controller(ReferencePolicy)
	n := len(g.plan.Controllers)
	compares := make([][][]Comparison, len(s.Parts))
	verdicts := make([][][]Verdict, len(s.Parts))
	for p := range s.Parts {
		s.Parts[p].Cells = make([]Cell, n)
		compares[p], verdicts[p] = make([][]Comparison, n), make([][]Verdict, n)
		for c := range n {
			jobs = append(jobs, job{p, c})
		}
	}
	errs := make([]error, len(jobs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		wg.Go(func() {
			for j := range next {
				p, c := jobs[j].part, jobs[j].controller
				part := &s.Parts[p]
				part.Cells[c], errs[j] = g.cell(part, c, reference)
				if errs[j] == nil && opponent >= 0 && c != opponent {
					compares[p][c], errs[j] = g.compare(part, c, opponent)
				}
				if errs[j] == nil && opponent >= 0 && c != opponent {
					verdicts[p][c], errs[j] = g.sensitivity(part, c, opponent)
				}
			}
		})
	}
	for j := range jobs {
		next <- j
	}
	close(next)
	wg.Wait()
	for j, err := range errs {
		if err != nil {
			return fmt.Errorf("summary of %s on %s: %w", g.plan.Controllers[jobs[j].controller].Name, s.Parts[jobs[j].part].Name, err)
		}
	}
	for p := range compares {
		for c := range compares[p] {
			s.Parts[p].Comparisons = append(s.Parts[p].Comparisons, compares[p][c]...)
			s.Parts[p].Sensitivity = append(s.Parts[p].Sensitivity, verdicts[p][c]...)
			s.Parts[p].Profiles = append(s.Parts[p].Profiles, g.profiles(&s.Parts[p], c)...)
		}
	}
	s.correct()
	return nil
}

// stream names the random numbers of one interval. What is printed does not depend on the seeds of the plan.
func stream(part *Part, c *ControllerSpec, what ...any) *rng.Stream {
	return rng.New(0, append([]any{"bootstrap", part.Name, c.Name}, what...)...)
}

func (g *grouped) cell(part *Part, c, reference int) (Cell, error) {
	spec := &g.plan.Controllers[c]
	cell := Cell{Controller: spec, Estimates: make([]Estimate, len(Columns)), Relative: Estimate{Value: math.NaN(), IQM: math.NaN()}}
	tasks := g.tasks(c, part.Scenarios)
	g.pooled(part, &cell, tasks)
	for i := range Columns {
		col := &Columns[i]
		if _, ok := pooledColumns[col.Key]; ok {
			continue
		}
		e, err := g.mean(scores(tasks, col), part, spec, col.Key)
		if err != nil {
			return cell, fmt.Errorf("%s: %w", col.Key, err)
		}
		col.clip(&e.Interval)
		col.clip(&e.IQMRange)
		e.Worst = worstRun(tasks, col)
		cell.Estimates[i] = e
	}
	for _, runs := range tasks {
		for _, row := range runs {
			cell.OpenLags = cell.OpenLags || row.LagOpen > 0
		}
	}
	if reference >= 0 {
		cell.Relative = g.ratioOfMeans(scores(tasks, ColumnByKey("caf")), scores(g.tasks(reference, part.Scenarios), ColumnByKey("caf")), part, spec, "relative")
	}
	return cell, nil
}

// worstRun is the run with the highest value of a metric, of the reward with the lowest, the first of equals.
func worstRun(tasks [][]*Row, col *Column) Extreme {
	worst := Extreme{Value: math.NaN()}
	for _, runs := range tasks {
		for _, row := range runs {
			v := col.Of(&row.Metrics)
			if math.IsNaN(v) || worst.Scenario != "" && col.sign()*(v-worst.Value) <= 0 {
				continue
			}
			worst = Extreme{v, row.Scenario, row.Seed}
		}
	}
	return worst
}

// mean is the mean over tasks with its interval, and the interquartile mean with its own.
func (g *grouped) mean(tasks [][]float64, part *Part, c *ControllerSpec, what string) (Estimate, error) {
	if len(tasks) == 0 {
		return Estimate{Value: math.NaN(), IQM: math.NaN()}, nil
	}
	e := Estimate{Value: MeanOfTasks(tasks), IQM: IQM()(tasks)}
	for _, runs := range tasks {
		e.Runs += len(runs)
	}
	var err error
	if e.Interval, err = Studentized(tasks, MeasureMean, g.reps, stream(part, c, what, "mean")); err != nil {
		return e, err
	}
	e.IQMRange, err = Studentized(tasks, MeasureIQM(), g.reps, stream(part, c, what, "iqm"))
	return e, err
}

// ratioOfMeans is mean(a)/mean(b) with an interval from redrawing seeds for both alike.
func (g *grouped) ratioOfMeans(a, b [][]float64, part *Part, c *ControllerSpec, what string) Estimate {
	e := Estimate{IQM: math.NaN()}
	e.Value, e.Interval, e.Runs = ratio(a, b, g.reps, stream(part, c, what))
	e.Interval.Low = max(e.Interval.Low, 0)
	return e
}

// pooled fills the percentile columns.
func (g *grouped) pooled(part *Part, cell *Cell, tasks [][]*Row) {
	var keys []string
	var ps []float64
	for i := range Columns {
		if p, ok := pooledColumns[Columns[i].Key]; ok {
			keys, ps = append(keys, Columns[i].Key), append(ps, p)
		}
	}
	dists := make([][]*Distribution, len(tasks))
	runs := 0
	for t := range tasks {
		for _, row := range tasks[t] {
			dists[t] = append(dists[t], &row.Latency)
			runs++
		}
	}
	pool := newPool(dists)
	values := make([]float64, len(ps))
	pool.percentiles(ps, values, pool.all())
	intervals := pool.bootstrap(ps, min(g.reps, poolReps), stream(part, cell.Controller, "percentiles"))
	for k, key := range keys {
		*cell.Of(key) = Estimate{Value: values[k], Interval: intervals[k], IQM: math.NaN(), Runs: runs}
	}
}

// compare sets controller c against the opponent.
func (g *grouped) compare(part *Part, c, opponent int) ([]Comparison, error) {
	spec := &g.plan.Controllers[c]
	var out []Comparison
	for _, key := range compared {
		col := ColumnByKey(key)
		a, b := scores(g.tasks(c, part.Scenarios), col), scores(g.tasks(opponent, part.Scenarios), col)
		diff, err := PairedDifferences(a, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		e, err := g.mean(diff, part, spec, "difference "+key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		x := Comparison{Controller: spec, Key: key, Difference: e, Delta: CliffsDeltaOfTasks(a, b), DeltaRange: deltaInterval(a, b), P: math.NaN(), PHolm: math.NaN()}
		x.Ratio = Estimate{Value: math.NaN(), IQM: math.NaN()}
		if col.sign() > 0 {
			x.Ratio = g.ratioOfMeans(a, b, part, spec, "ratio "+key)
		}
		x.Improvement, x.ImprovementRange = improvement(x.Delta, x.DeltaRange, col.sign())
		if len(g.plan.Seeds) >= leastClaimSeeds && len(diff) > 0 {
			x.P = SignFlip(diff, stream(part, spec, "signs "+key))
		}
		out = append(out, x)
	}
	return out, nil
}

// improvement turns Cliff's delta into the probability of improvement; sign is 1 where less is better.
func improvement(delta float64, iv Interval, sign float64) (float64, Interval) {
	low, high := (1-sign*iv.High)/2, (1-sign*iv.Low)/2
	if sign < 0 {
		low, high = high, low
	}
	if !iv.Valid {
		low, high = 0, 0
	}
	return (1 - sign*delta) / 2, Interval{low, high, iv.Valid}
}

// correct fills PHolm: a controller and metric is one family of tests, a scenario one test. All scenarios together are a family of one.
func (s *Summary) correct() {
	var single []*Part
	for i := range s.Parts {
		if len(s.Parts[i].Scenarios) == 1 {
			single = append(single, &s.Parts[i])
		} else {
			for k := range s.Parts[i].Comparisons {
				s.Parts[i].Comparisons[k].PHolm = s.Parts[i].Comparisons[k].P
			}
		}
	}
	if len(single) == 0 {
		return
	}
	p := make([]float64, len(single))
	for k := range single[0].Comparisons {
		for i := range single {
			p[i] = single[i].Comparisons[k].P
		}
		for i, v := range Holm(p) {
			single[i].Comparisons[k].PHolm = v
		}
	}
}
