package tune

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// Options say how to search. All but the last two change the result.
type Options struct {
	Trials     int // candidates to evaluate
	Objective  Objective
	PerService bool // settings of their own for each service; else the same for all
	Seed       uint64

	// Around, if not nil, puts every candidate into what it meets besides: somebody who writes replicas too, another autoscaler.
	Around func(sim.Controller) sim.Controller

	Run  benchmark.Options // workers and the store that makes a search resumable
	Tell func(done int, best *Candidate)
}

// generation is how many candidates are evaluated before the next ones are drawn. It does not depend on the number of
// workers, and neither does the result.
const generation = 20

// startTargets are the CPU targets that people start from.
var startTargets = []int32{20, 40, 50, 60, 70, 80, 90}

// MostTrials bounds what a search keeps in memory.
const MostTrials = 100_000

// Result is what a search found, candidates in the order of evaluation.
type Result struct {
	All   []Candidate
	Front []Candidate
	Best  Candidate
}

// Search tries HPAs on the plan's loads and seeds; the plan's controllers are not used. It fails where a load needs nothing,
// since cost has nothing to be compared with then.
func Search(ctx context.Context, plan benchmark.Plan, o Options) (*Result, error) {
	if o.Trials < 1 || o.Trials > MostTrials {
		return nil, fmt.Errorf("tune: %d trials: must be from 1 to %d", o.Trials, MostTrials)
	}
	s := search{plan: plan, o: o, random: rng.New(o.Seed, "tune-hpa"), seen: map[string]bool{}}
	s.plan.StepSeeds = []uint64{}
	for i := range plan.App.Services {
		b := boundsOf(&plan.App.Services[i])
		s.bounds = append(s.bounds, b)
		s.widest.mostPercent = max(s.widest.mostPercent, b.mostPercent)
		s.widest.maxReplicas = max(s.widest.maxReplicas, b.maxReplicas)
		s.widest.minReplicas = max(s.widest.minReplicas, b.minReplicas)
	}
	for len(s.all) < o.Trials {
		if err := s.evaluate(ctx, s.next(min(generation, o.Trials-len(s.all)))); err != nil {
			return nil, err
		}
		if o.Tell != nil {
			best := o.Objective.Best(s.all)
			o.Tell(len(s.all), &best)
		}
	}
	return &Result{All: s.all, Front: Front(s.all), Best: o.Objective.Best(s.all)}, nil
}

type search struct {
	plan   benchmark.Plan
	o      Options
	random *rng.Stream
	bounds []bounds
	widest bounds // over all services, for settings that all share
	all    []Candidate
	seen   map[string]bool
}

// next draws the candidates of a generation: starting points, random ones until there are two generations, then children.
func (s *search) next(n int) []Candidate {
	var out []Candidate
	if len(s.all) == 0 {
		for _, percent := range startTargets {
			out = s.add(out, n, s.shared(func(b *bounds) Params { return b.defaults(percent) }))
		}
	}
	for try := 0; len(out) < n; try++ {
		c := s.draw()
		if len(s.all) >= 2*generation {
			c = s.child()
		}
		if try > 20*n { // the space is exhausted, or nearly: what was there before does no harm
			s.seen[c.key()] = false
		}
		out = s.add(out, n, c)
	}
	return out
}

// add appends a candidate unless it was there before or there are enough.
func (s *search) add(out []Candidate, n int, c Candidate) []Candidate {
	if k := c.key(); len(out) < n && !s.seen[k] {
		s.seen[k] = true
		out = append(out, c)
	}
	return out
}

// shared gives all services the settings that draw gives for the widest bounds, within their own.
func (s *search) shared(draw func(*bounds) Params) Candidate {
	p := draw(&s.widest)
	c := Candidate{shared: &p}
	for i := range s.bounds {
		b := &s.bounds[i]
		own := p
		own.CPUPercent = min(p.CPUPercent, b.mostPercent)
		own.MinReplicas = min(max(p.MinReplicas, b.minReplicas), b.maxReplicas)
		c.Params = append(c.Params, own)
	}
	return c
}

// draw gives any candidate.
func (s *search) draw() Candidate {
	if !s.o.PerService || s.random.IntN(2) == 0 { // settings for all are a good start for each
		return s.shared(func(b *bounds) Params { return b.draw(s.random) })
	}
	var c Candidate
	for i := range s.bounds {
		c.Params = append(c.Params, s.bounds[i].draw(s.random))
	}
	return c
}

// child crosses two parents, of the best or of the front, and changes some of it.
func (s *search) child() Candidate {
	a, b := s.parent(), s.parent()
	if !s.o.PerService {
		p := *a.shared
		if s.random.IntN(2) == 0 {
			p.Up, p.Down = b.shared.Up, b.shared.Down
		}
		for range 1 + s.random.IntN(2) {
			p = s.widest.mutate(p, s.random)
		}
		return s.shared(func(*bounds) Params { return p })
	}
	c := Candidate{Params: slices.Clone(a.Params)}
	for i := range c.Params {
		if s.random.IntN(4) == 0 {
			c.Params[i] = b.Params[i]
		}
	}
	for range 1 + s.random.IntN(3) {
		i := s.random.IntN(len(c.Params))
		c.Params[i] = s.bounds[i].mutate(c.Params[i], s.random)
	}
	return c
}

// parent draws one of the best by the objective, or one of the front.
func (s *search) parent() *Candidate {
	if s.random.IntN(3) == 0 {
		front := Front(s.all)
		return &front[s.random.IntN(len(front))]
	}
	const best = 8
	order := slices.Clone(s.all)
	slices.SortStableFunc(order, func(a, b Candidate) int { return s.o.Objective.Compare(&a.Score, &b.Score) })
	return &order[s.random.IntN(min(best, len(order)))]
}

// evaluate runs candidates on all loads and seeds.
func (s *search) evaluate(ctx context.Context, list []Candidate) error {
	plan := s.plan
	plan.Controllers = nil
	for i := range list {
		spec := Controller(fmt.Sprintf("candidate %d", len(s.all)+i+1), &list[i])
		if around := s.o.Around; around != nil {
			alone := spec.New
			spec.New = func() (sim.Controller, error) {
				c, err := alone()
				if err != nil {
					return nil, err
				}
				return around(c), nil
			}
		}
		plan.Controllers = append(plan.Controllers, spec)
	}
	res, err := benchmark.Run(ctx, &plan, s.o.Run)
	if err != nil {
		return err
	}
	sources, seeds := float64(len(plan.Sources)), float64(len(plan.Seeds))
	for i := range res.Rows {
		row := &res.Rows[i]
		if math.IsNaN(row.Metrics.CAF) {
			return fmt.Errorf("tune: %s asks for nothing, so that no cost can be told apart; take another load", row.Scenario)
		}
		score := &list[row.Index%len(list)].Score
		weight := 1 / (sources * seeds)
		cost := row.Metrics.Cost
		if Free(s.plan.App) {
			cost = row.Metrics.CoreHours
		}
		score.SLOViolation += weight * row.Metrics.SLOViolation
		score.Cost += weight * cost
		score.CAF += weight * row.Metrics.CAF
		score.Replicas += weight * row.Metrics.Replicas
	}
	s.all = append(s.all, list...)
	return nil
}

// Free tells whether no pool has a price, so that cost is counted in core hours.
func Free(app *sim.App) bool {
	return !slices.ContainsFunc(app.Pools, func(p sim.Pool) bool { return p.PricePerCoreHour > 0 })
}

// Controller is a candidate as a controller of a plan.
func Controller(name string, c *Candidate) benchmark.ControllerSpec {
	params := slices.Clone(c.Params)
	return benchmark.ControllerSpec{Name: name, Kind: benchmark.KindAutoscaler, Hash: c.key(), New: func() (sim.Controller, error) {
		return sim.NewHPA(name, hpa.DefaultConfig(), func(app *sim.App, service int) *hpa.Spec {
			if service >= len(params) {
				return nil
			}
			svc := &app.Services[service]
			spec := params[service].Spec(svc.Name, svc.MaxReplicas)
			return &spec
		})
	}}
}
