package benchmark

import (
	"fmt"
	"math"
)

// ReferencePolicy is the policy that CAF is printed relative to.
const ReferencePolicy = "mlp_ppo"

// Overall is the name of the part that takes all scenarios together.
const Overall = "overall"

// Headline lists the keys of the four metrics that controllers are judged by.
var Headline = []string{"slo_violate_pct", "slack_pct", "scaling_lag_s", "caf"}

// compared lists the metrics that are compared with the opponent.
var compared = []string{"slo_violate_pct", "slack_pct", "scaling_lag_s", "scaling_lag_p95_s", "caf", "cost", "reward"}

// TunedHPA is the name of the searched HPA, which everything is compared with where a plan has it.
const TunedHPA = "hpa:tuned"

// pooledColumns are percentiles of the latency: those of several runs are found from the runs' distributions
// together.
var pooledColumns = map[string]float64{"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}

// Estimate is a number over several runs, in printed units.
type Estimate struct {
	Value    float64 // the mean over the scenarios of the mean over the seeds; pooled for percentiles; NaN if not defined
	Interval         // 95 %, over the seeds, stratified by scenario: studentised bootstrap, Student's with few seeds (Studentized)
	IQM      float64 // interquartile mean over all runs; NaN for percentiles
	IQMRange Interval
	Runs     int
	Worst    Extreme // the run with the worst value; nothing for percentiles, differences and ratios
}

// Extreme is one run's value.
type Extreme struct {
	Value    float64
	Scenario string // "" for none
	Seed     uint64
}

// Cell is one controller on one part: a scenario, or all of them.
type Cell struct {
	Controller *ControllerSpec
	Estimates  []Estimate // like Columns
	// Relative is the mean CAF over that of ReferencePolicy, on common random numbers; NaN without that policy.
	Relative Estimate
	OpenLags bool // some of its scaling-lag episodes were still open at the end
}

// Of returns the estimate of the column with this key.
func (c *Cell) Of(key string) *Estimate {
	for i := range Columns {
		if Columns[i].Key == key {
			return &c.Estimates[i]
		}
	}
	panic("benchmark: no column " + key)
}

// Comparison sets a controller against the opponent, on common random numbers.
type Comparison struct {
	Controller *ControllerSpec
	Key        string
	Difference Estimate // controller minus opponent, run by run
	Ratio      Estimate // mean over the opponent's mean; NaN where that is 0, and for the reward, which is negative
	Delta      float64  // Cliff's delta within each scenario, averaged: -1 if every run is below every run of the opponent
	DeltaRange Interval
	// Improvement is the probability that a run of the controller is better than one of the opponent, half of that they are equal included
	// (Agarwal et al. 2021): (1 - Delta)/2, for the reward (1 + Delta)/2.
	Improvement      float64
	ImprovementRange Interval
	// P is the p-value of the difference (SignFlip), PHolm the same corrected for the number of scenarios. NaN with three seeds or fewer, from
	// which nothing is claimed. On all scenarios together there is one test, and both are the same.
	P, PHolm float64
}

// Part is a table: a scenario, or all of them.
type Part struct {
	Name        string
	Scenarios   []string
	Cells       []Cell       // in the plan's order of controllers
	Comparisons []Comparison // all keys of the first controller, then of the next; nil without an autoscaler
	Profiles    []Profile    // all profiled metrics of the first controller, then of the next
	Sensitivity []Verdict    // all variations of the first controller, then of the next; nil without an autoscaler
}

// Summary is what the rows of a plan come to.
type Summary struct {
	Results *Results
	Parts   []Part // the scenarios that have complete seeds, in plan order, then Overall if there are several
	// Best is the autoscaler of the lowest mean CAF over all scenarios, "" if the plan has none.
	Best string
	// Opponent is what controllers are compared with: the tuned HPA if the plan has one, else Best.
	Opponent string
	Warnings []string
}

// Summarise works out the tables. Only those seeds of a scenario enter that all controllers have finished, so that
// everything stands on common random numbers; what is missing is a warning.
func Summarise(res *Results) (*Summary, error) { return summariseWith(res, BootstrapReps) }

// summariseWith takes reps bootstrap samples for each interval.
func summariseWith(res *Results, reps int) (*Summary, error) {
	sum := &Summary{Results: res}
	g := groupRows(res)
	g.reps = reps
	for s := range res.Plan.Sources {
		if len(g.rows[s]) > 0 {
			sum.Parts = append(sum.Parts, Part{Name: res.Plan.Sources[s].Source.Name(), Scenarios: []string{res.Plan.Sources[s].Source.Name()}})
		}
	}
	if n := len(sum.Parts); n > 1 {
		all := Part{Name: Overall}
		for i := range n {
			all.Scenarios = append(all.Scenarios, sum.Parts[i].Scenarios...)
		}
		sum.Parts = append(sum.Parts, all)
	}
	if len(sum.Parts) > 0 {
		sum.Best = g.bestAutoscaler()
		sum.Opponent = sum.Best
		if g.controller(TunedHPA) >= 0 {
			sum.Opponent = TunedHPA
		}
	}
	if err := sum.estimate(g); err != nil {
		return nil, err
	}
	sum.warn(g)
	return sum, nil
}

// grouped holds the rows of complete groups.
type grouped struct {
	plan     *Plan
	rows     [][][]*Row // [source][complete seed][controller]
	complete int        // groups
	reps     int        // bootstrap samples
}

func groupRows(res *Results) *grouped {
	p := res.Plan
	byIndex := make([]*Row, p.Len())
	for i := range res.Rows {
		byIndex[res.Rows[i].Index] = &res.Rows[i]
	}
	g := &grouped{plan: p, rows: make([][][]*Row, len(p.Sources))}
	for first := 0; first < p.Len(); first += len(p.Controllers) {
		group := byIndex[first : first+len(p.Controllers)]
		whole := true
		for _, row := range group {
			whole = whole && row != nil
		}
		if whole {
			s, _, _ := p.place(first)
			g.rows[s] = append(g.rows[s], group)
			g.complete++
		}
	}
	return g
}

// tasks returns the rows of a controller, [scenario][seed], on the named scenarios.
func (g *grouped) tasks(controller int, scenarios []string) [][]*Row {
	var out [][]*Row
	for s := range g.rows {
		for _, name := range scenarios {
			if g.plan.Sources[s].Source.Name() != name || len(g.rows[s]) == 0 {
				continue
			}
			var runs []*Row
			for _, group := range g.rows[s] {
				runs = append(runs, group[controller])
			}
			out = append(out, runs)
		}
	}
	return out
}

// scores takes one metric from rows. Runs in which it is not defined (CAF when nothing was needed) are left out,
// and so are scenarios without a run.
func scores(tasks [][]*Row, c *Column) [][]float64 {
	var out [][]float64
	for _, runs := range tasks {
		var values []float64
		for _, row := range runs {
			if v := c.Of(&row.Metrics); !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		if values != nil {
			out = append(out, values)
		}
	}
	return out
}

func (g *grouped) scenarios() []string {
	var names []string
	for s := range g.rows {
		if len(g.rows[s]) > 0 {
			names = append(names, g.plan.Sources[s].Source.Name())
		}
	}
	return names
}

func (g *grouped) bestAutoscaler() string {
	best, lowest := "", math.Inf(1)
	for c := range g.plan.Controllers {
		if g.plan.Controllers[c].Kind != KindAutoscaler {
			continue
		}
		caf := scores(g.tasks(c, g.scenarios()), ColumnByKey("caf"))
		if m := MeanOfTasks(caf); best == "" || (len(caf) > 0 && m < lowest) {
			best, lowest = g.plan.Controllers[c].Name, m
		}
	}
	return best
}

func (g *grouped) controller(name string) int {
	for c := range g.plan.Controllers {
		if g.plan.Controllers[c].Name == name {
			return c
		}
	}
	return -1
}

// warn notes what a reader of the tables must know.
func (s *Summary) warn(g *grouped) {
	p := s.Results.Plan
	say := func(format string, args ...any) { s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...)) }
	if missing := p.Len() - len(s.Results.Rows); missing > 0 {
		say("%d of %d trials are missing; the tables hold the %d of %d pairs of scenario and seed that all controllers finished",
			missing, p.Len(), g.complete, len(p.Sources)*len(p.Seeds))
	}
	switch n := len(p.Seeds); {
	case n == 1:
		say("1 seed: there are no intervals, and nothing can be said about significance")
	case n < leastClaimSeeds:
		say("%d seeds: intervals are shown, no significance is claimed", n)
	}
	s.warnOverflow(say)
	open, undefined := false, false
	for i := range s.Parts {
		for c := range s.Parts[i].Cells {
			cell := &s.Parts[i].Cells[c]
			open = open || cell.OpenLags
			undefined = undefined || math.IsNaN(cell.Of("caf").Value)
		}
	}
	if open {
		say("* some scaling-lag episodes were still open at the end of a run and count with their length so far")
	}
	if undefined {
		say("CAF is not defined (-) where the demand curve needs no replica at all")
	}
}

// warnOverflow notes that an engine had to refuse visits to bound its memory, and where most.
func (s *Summary) warnOverflow(say func(format string, args ...any)) {
	refused, runs := 0.0, 0
	var most *Row
	for i := range s.Results.Rows {
		row := &s.Results.Rows[i]
		if row.Overflow <= 0 {
			continue
		}
		refused += row.Overflow
		runs++
		if most == nil || row.Overflow > most.Overflow {
			most = row
		}
	}
	if most != nil {
		say("%.0f requests (at inner services: visits) were refused to bound memory, in %s of %d, most under %s on %s with seed %d: these overloads are worse than the tables show",
			refused, plural(runs, "run"), len(s.Results.Rows), most.Controller, most.Scenario, most.Seed)
	}
}
