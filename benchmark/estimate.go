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
	best, reference := g.controller(s.Best), g.controller(ReferencePolicy)
	n := len(g.plan.Controllers)
	compares := make([][][]Comparison, len(s.Parts))
	for p := range s.Parts {
		s.Parts[p].Cells = make([]Cell, n)
		compares[p] = make([][]Comparison, n)
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
				if errs[j] == nil && best >= 0 && c != best {
					compares[p][c], errs[j] = g.compare(part, c, best)
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
		for _, c := range compares[p] {
			s.Parts[p].Comparisons = append(s.Parts[p].Comparisons, c...)
		}
	}
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
		cell.Estimates[i] = e
	}
	for _, runs := range tasks {
		for _, row := range runs {
			cell.OpenLags = cell.OpenLags || row.LagOpen > 0
		}
	}
	if reference >= 0 {
		cell.Relative = g.ratioOfMeans(scores(tasks, ColumnByKey("caf")), scores(g.tasks(reference, part.Scenarios), ColumnByKey("caf")), part, spec)
	}
	return cell, nil
}

// mean is the mean over tasks with its interval, and the interquartile mean with its own.
func (g *grouped) mean(tasks [][]float64, part *Part, c *ControllerSpec, what string) (Estimate, error) {
	if len(tasks) == 0 {
		return Estimate{Value: math.NaN(), IQM: math.NaN()}, nil
	}
	iqm := IQM()
	e := Estimate{Value: MeanOfTasks(tasks), IQM: iqm(tasks)}
	for _, runs := range tasks {
		e.Runs += len(runs)
	}
	var err error
	if e.Interval, err = Bootstrap(tasks, MeanOfTasks, g.reps, stream(part, c, what, "mean")); err != nil {
		return e, err
	}
	e.IQMRange, err = Bootstrap(tasks, iqm, g.reps, stream(part, c, what, "iqm"))
	return e, err
}

// ratioOfMeans is mean(a)/mean(b) with an interval from redrawing seeds for both alike.
func (g *grouped) ratioOfMeans(a, b [][]float64, part *Part, c *ControllerSpec) Estimate {
	e := Estimate{Value: math.NaN(), IQM: math.NaN()}
	counts := make([]int, len(a))
	for t := range a {
		if len(a) != len(b) || len(a[t]) != len(b[t]) {
			return e // not the same runs: nothing to pair
		}
		counts[t] = len(a[t])
		e.Runs += len(a[t])
	}
	if len(a) == 0 || MeanOfTasks(b) <= 0 {
		return e
	}
	e.Value = MeanOfTasks(a) / MeanOfTasks(b)
	e.Interval = resample(counts, g.reps, stream(part, c, "relative"), func(draw [][]int) float64 {
		x, y := 0.0, 0.0
		for t := range draw {
			for _, k := range draw[t] {
				x += a[t][k] / float64(len(draw[t]))
				y += b[t][k] / float64(len(draw[t]))
			}
		}
		return x / y
	})
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

// compare sets controller c against the best autoscaler.
func (g *grouped) compare(part *Part, c, best int) ([]Comparison, error) {
	spec := &g.plan.Controllers[c]
	var out []Comparison
	for _, key := range compared {
		col := ColumnByKey(key)
		a, b := scores(g.tasks(c, part.Scenarios), col), scores(g.tasks(best, part.Scenarios), col)
		diff, err := PairedDifferences(a, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		e, err := g.mean(diff, part, spec, "difference "+key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out = append(out, Comparison{Controller: spec, Key: key, Difference: e, Delta: CliffsDeltaOfTasks(a, b)})
	}
	return out, nil
}
