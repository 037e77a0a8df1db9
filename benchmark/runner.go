package benchmark

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// Options says how a plan is run. None of it changes the rows.
type Options struct {
	Workers  int      // trials at once; 0 means one for each core that Go may use
	Only     []int    // indices of the trials to run; nil means all
	Store    *Store   // keeps finished trials and gives them back; nil for neither
	Progress Progress // nil for nobody
	// Known are rows of the same trials by another plan. Where the plan keeps the steps of a span of them alone, they are run again only
	// up to its end, and have the known metrics.
	Known []Row
}

// Progress is told how a run of a plan goes on, from one goroutine.
type Progress interface {
	// Begin comes once: so many trials, of which so many were found finished.
	Begin(trials, reused int)
	// Done comes after each trial that was run, in the order of finishing.
	Done(t Trial)
}

// Results are the rows of a plan that are finished, in plan order.
type Results struct {
	Plan *Plan
	Rows []Row
	// Asked is the number of trials that were to be there: all, or those of Options.Only.
	Asked int
}

// Run runs the trials of a plan that the store does not have, over so many workers, and returns the rows in plan
// order.
//
// When ctx ends, or a trial fails, it starts no more trials, and returns what is finished together with the error:
// that of ctx, or that of the failed trial with the lowest index. Finished trials are in the store by then.
func Run(ctx context.Context, p *Plan, o Options) (*Results, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	wanted := o.Only
	if wanted == nil {
		wanted = make([]int, p.Len())
		for i := range wanted {
			wanted[i] = i
		}
	}
	rows := make([]*Row, p.Len())
	todo, reused, err := o.reuse(p, wanted, rows)
	if err != nil {
		return nil, err
	}
	if o.Progress != nil {
		o.Progress.Begin(reused+len(todo), reused)
	}
	res := &Results{Plan: p, Asked: reused + len(todo)}
	err = o.runAll(ctx, p, todo, rows)
	for _, row := range rows {
		if row != nil {
			res.Rows = append(res.Rows, *row)
		}
	}
	return res, err
}

// reuse fills rows with the trials that the store has and returns the indices of the others.
func (o *Options) reuse(p *Plan, wanted []int, rows []*Row) (todo []int, reused int, err error) {
	asked := make([]bool, p.Len())
	for _, i := range wanted {
		if i < 0 || i >= p.Len() {
			return nil, 0, fmt.Errorf("benchmark plan: there is no trial %d; indices go from 0 to %d", i, p.Len()-1)
		}
		if asked[i] {
			continue
		}
		asked[i] = true
		if o.Store != nil {
			t := p.Trial(i)
			row, ok, err := o.Store.load(p.key(i), t, p.App.Pools, p.keepsSteps(t.Seed))
			if err != nil {
				return nil, 0, err
			}
			if ok {
				rows[i] = &row
				reused++
				continue
			}
		}
		todo = append(todo, i)
	}
	return todo, reused, nil
}

// outcome is what a worker hands in. An error that belongs to no trial has index -1.
type outcome struct {
	index int
	row   *Row
	err   error
}

// runAll shares todo out to workers and collects their rows.
func (o *Options) runAll(ctx context.Context, p *Plan, todo []int, rows []*Row) error {
	if len(todo) == 0 {
		return nil
	}
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, len(todo))
	inner, stop := context.WithCancel(ctx)
	defer stop()
	jobs, outcomes := make(chan int), make(chan outcome)
	episodes := newEpisodes(p, todo)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { newWorker(p, episodes, o.Known).work(inner, jobs, outcomes) })
	}
	go func() {
		defer close(jobs)
		for _, i := range todo {
			select {
			case jobs <- i:
			case <-inner.Done():
				return
			}
		}
	}()
	go func() {
		wg.Wait()
		close(outcomes)
	}()
	return o.collect(ctx, inner, stop, p, outcomes, rows, len(todo))
}

// collect takes rows in as trials finish, and stops the others at the first failure.
func (o *Options) collect(ctx, inner context.Context, stop func(), p *Plan, outcomes <-chan outcome, rows []*Row, left int) error {
	var failed *outcome
	var closing error
	for out := range outcomes {
		if out.index < 0 {
			closing = errors.Join(closing, out.err)
			continue
		}
		if out.err == nil && o.Store != nil {
			out.err = o.Store.save(p.key(out.index), out.row)
		}
		if out.err != nil {
			// What ended because of ctx, or because another failed, is no failure of its own.
			if inner.Err() == nil || !errors.Is(out.err, inner.Err()) {
				if failed == nil || out.index < failed.index {
					failed = &out
				}
				stop()
			}
			continue
		}
		rows[out.index] = out.row
		left--
		if o.Progress != nil {
			o.Progress.Done(out.row.Trial)
		}
	}
	switch {
	case failed != nil:
		return fmt.Errorf("%v: %w", p.Trial(failed.index), failed.err)
	case left > 0:
		return fmt.Errorf("benchmark stopped with %d trials to go: %w", left, ctx.Err())
	}
	return closing
}

// worker runs trials one after another, with one engine and one controller of each kind.
type worker struct {
	plan        *Plan
	episodes    *episodes
	known       []Row
	engine      sim.Engine
	controllers map[int]sim.Controller
}

func newWorker(p *Plan, e *episodes, known []Row) *worker {
	return &worker{plan: p, episodes: e, known: known, controllers: map[int]sim.Controller{}}
}

// work runs trials until there are none. It keeps its OS thread: tensor libraries hold state there.
func (w *worker) work(ctx context.Context, jobs <-chan int, outcomes chan<- outcome) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range jobs {
		row, err := w.run(ctx, i)
		outcomes <- outcome{i, row, err}
	}
	for i, c := range w.controllers {
		if c, ok := c.(io.Closer); ok {
			if err := c.Close(); err != nil {
				outcomes <- outcome{-1, nil, fmt.Errorf("closing controller %s: %w", w.plan.Controllers[i].Name, err)}
			}
		}
	}
}

// run carries out trial i.
func (w *worker) run(ctx context.Context, i int) (*Row, error) {
	p := w.plan
	_, _, c := p.place(i)
	ep, release, err := w.episodes.take(i)
	if err != nil {
		return nil, err
	}
	defer release()
	if w.engine == nil {
		if w.engine, err = p.Engine.New(); err != nil {
			return nil, fmt.Errorf("engine %s: %w", p.Engine.Name, err)
		}
	}
	if w.controllers[c] == nil {
		made, err := p.Controllers[c].New()
		if err != nil {
			return nil, err
		}
		w.controllers[c] = made
	}
	trial := p.Trial(i)
	acc := NewAccumulator(p.App)
	rec := recorders{acc}
	until := time.Duration(0)
	known := w.knownRow(trial)
	if known != nil {
		rec, until = nil, time.Duration(ep.WarmupTicks)*sim.Tick+p.StepSpan.To
	}
	var steps *stepRecorder
	var decisions *decisionRecorder
	if p.keepsSteps(trial.Seed) {
		steps = newStepRecorder(p.App, trial, p.StepSpan)
		decisions = newDecisionRecorder(p.App, steps.prefix, p.StepSpan)
		rec = append(rec, steps, decisions)
	}
	if err := sim.RunController(p.App, w.engine, ep, interruptible{w.controllers[c], ctx, until}, trial.Seed, p.Metrics, rec); err != nil && !errors.Is(err, errSeenAll) {
		return nil, err
	}
	if known != nil {
		row := *known
		row.Trial, row.Steps, row.Decisions = trial, append([]byte{}, steps.out.Bytes()...), append([]byte{}, decisions.out.Bytes()...)
		return &row, row.check()
	}
	row := &Row{Trial: trial, Metrics: acc.Metrics(), Latency: NewDistribution(&acc.all), Worst: acc.span.worst, Pools: acc.Pools()}
	if steps != nil {
		row.Steps, row.Decisions = append([]byte{}, steps.out.Bytes()...), append([]byte{}, decisions.out.Bytes()...)
	}
	return row, row.check()
}

// knownRow is the row of a trial whose steps in a span are all that is to be found, if there is one.
func (w *worker) knownRow(t Trial) *Row {
	if w.plan.StepSpan == (Span{}) || !w.plan.keepsSteps(t.Seed) {
		return nil
	}
	for i := range w.known {
		if k := &w.known[i]; k.Controller == t.Controller && k.Scenario == t.Scenario && k.Seed == t.Seed {
			return k
		}
	}
	return nil
}

// errSeenAll ends a run of which the rest is known.
var errSeenAll = errors.New("the rest is known")

// interruptible ends a run at the next decision when ctx is done, and at a time from which on it is known, if that is
// not 0. It shows what a run asks a controller for beyond the interface: whether it watches pods, and whether it wants
// to know the episode.
type interruptible struct {
	sim.Controller
	ctx   context.Context
	until time.Duration
}

var (
	_ sim.PodWatcher   = interruptible{}
	_ sim.EpisodeAware = interruptible{}
	_ sim.Explainer    = interruptible{}
)

func (c interruptible) Decide(v *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	if c.until > 0 && v.At >= c.until {
		return nil, errSeenAll
	}
	return c.Controller.Decide(v, dst)
}

func (c interruptible) WatchesPods() bool {
	w, ok := c.Controller.(sim.PodWatcher)
	return ok && w.WatchesPods()
}

func (c interruptible) Reasons(dst []sim.Reason) []sim.Reason {
	if e, ok := c.Controller.(sim.Explainer); ok {
		return e.Reasons(dst)
	}
	return dst
}

func (c interruptible) SetEpisode(ep *sim.Episode) {
	if e, ok := c.Controller.(sim.EpisodeAware); ok {
		e.SetEpisode(ep)
	}
}

// episodes holds the load of the trials in progress: made once for all controllers of a source and seed, and let
// go when the last of them has ended. Runs only read it.
type episodes struct {
	plan *Plan
	mu   sync.Mutex
	by   map[int]*sharedEpisode // by trial index / number of controllers
}

type sharedEpisode struct {
	once sync.Once
	ep   sim.Episode
	err  error
	left int // trials that have not yet ended
}

func newEpisodes(p *Plan, todo []int) *episodes {
	e := &episodes{plan: p, by: map[int]*sharedEpisode{}}
	for _, i := range todo {
		g := i / len(p.Controllers)
		if e.by[g] == nil {
			e.by[g] = &sharedEpisode{}
		}
		e.by[g].left++
	}
	return e
}

// take returns the episode of trial i, to be released once.
func (e *episodes) take(i int) (*sim.Episode, func(), error) {
	g := i / len(e.plan.Controllers)
	e.mu.Lock()
	sh := e.by[g]
	e.mu.Unlock()
	source, seed, _ := e.plan.place(i)
	sh.once.Do(func() {
		sh.err = e.plan.Sources[source].Source.Episode(e.plan.Seeds[seed], &sh.ep)
		if sh.err == nil && sh.left > 1 {
			sh.ep.Arrivals = sim.DrawArrivals(e.plan.App, &sh.ep, e.plan.Seeds[seed])
		}
	})
	if sh.err != nil {
		return nil, nil, sh.err
	}
	return &sh.ep, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if sh.left--; sh.left == 0 {
			delete(e.by, g)
		}
	}, nil
}
