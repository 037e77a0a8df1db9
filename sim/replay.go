package sim

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// ReplaySource gives the load of a recording: all of it, or windows drawn at random for training.
type ReplaySource struct {
	name    string
	app     *App
	load    *trace.Load
	ticks   int // of the recording, whole control intervals
	window  int // ticks of one episode; 0 = the whole recording
	warmup  int
	first   []float64 // intensity during the warm-up
	mu      sync.Mutex
	planner *Planner
	mean    []float64
	plans   []windowPlan
	needed  [][]int // demand of each window of the recording, filled as it is asked
}

// windowPlan is the demand of windows that ask the same: many are of one row of the recording.
type windowPlan struct {
	rps []float64
	row []int
}

var _ LoadSource = (*ReplaySource)(nil)

// ReplayOptions change how a recording is replayed. The zero value replays all of it as it is.
type ReplayOptions struct {
	Scale  float64       // multiplies every rate; 0 = 1
	Window time.Duration // length of an episode, whose beginning the seed draws; 0 = the whole recording
	Warmup time.Duration // run at the first level before the counted part; 0 = DefaultWarmup, negative = none
}

// DefaultWarmup is the uncounted part before an episode: a fresh HPA does not scale down for 300 s, so a cold
// start would hide half of what it does.
const DefaultWarmup = 10 * time.Minute

// warmupLevel is how much of a recording's beginning is averaged for the level of the warm-up.
const warmupLevel = time.Minute

// NewReplaySource prepares the load of rec for app. name is what results are listed under.
func NewReplaySource(name string, rec *trace.Recording, app *App, opt ReplayOptions) (*ReplaySource, error) {
	weights := make([]float64, len(app.Endpoints))
	for e := range weights {
		weights[e] = app.Endpoints[e].Weight
	}
	load, err := trace.LoadFromRecording(rec, app.EndpointNames(), trace.LoadOptions{Step: Tick, Weights: weights, Scale: opt.Scale})
	if err != nil {
		return nil, fmt.Errorf("recording %q for application %s: %w", name, app.Name, err)
	}
	s := &ReplaySource{name: name, app: app, load: load, planner: NewPlanner(app), mean: make([]float64, len(weights)), first: make([]float64, len(weights))}
	s.ticks = load.Ticks() / TicksPerInterval * TicksPerInterval
	if s.ticks == 0 {
		return nil, fmt.Errorf("recording %q lasts %v; at least one control interval (%v) is needed", name, load.Duration(), ControlInterval)
	}
	if opt.Window > 0 {
		s.window = max(int(opt.Window/ControlInterval), 1) * TicksPerInterval
		if s.window >= s.ticks {
			s.window = 0
		}
	}
	switch {
	case opt.Warmup == 0:
		s.warmup = int(DefaultWarmup / Tick)
	case opt.Warmup > 0:
		s.warmup = int(opt.Warmup/ControlInterval) * TicksPerInterval
	}
	s.needed = make([][]int, (s.ticks+WindowTicks-1)/WindowTicks)
	return s, nil
}

// Name is the name under which results are listed.
func (s *ReplaySource) Name() string { return s.name }

// Duration is the length of the recording as it is replayed.
func (s *ReplaySource) Duration() time.Duration { return time.Duration(s.ticks) * Tick }

// Warnings are what results should show beside their numbers.
func (s *ReplaySource) Warnings() []string { return s.load.Warnings }

// Episode gives the whole recording, or the window that seed draws, with a warm-up at its first level (the mean
// of the first minute) before it.
func (s *ReplaySource) Episode(seed uint64, ep *Episode) error {
	nE, nS := len(s.app.Endpoints), len(s.app.Services)
	from, length := 0, s.ticks
	if s.window > 0 {
		length = s.window
		from = rng.New(seed, "recording-window").IntN((s.ticks-s.window)/TicksPerInterval+1) * TicksPerInterval
	}
	ep.Name, ep.Ticks, ep.WarmupTicks, ep.Events = s.name, s.warmup+length, s.warmup, nil
	ep.RPS = resize(ep.RPS, ep.Ticks*nE)
	ep.Needed = resize(ep.Needed, (ep.Ticks+WindowTicks-1)/WindowTicks*nS)
	ep.Initial = resize(ep.Initial, nS)
	ep.Faults = ep.Faults[:0]

	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.first)
	level := min(int(warmupLevel/Tick), length)
	for t := from; t < from+level; t++ {
		for e, r := range s.load.At(t) {
			s.first[e] += r / float64(level)
		}
	}
	s.planner.Needed(s.first, ep.Initial)
	for t := range s.warmup {
		copy(ep.RPS[t*nE:], s.first)
	}
	for w := range s.warmup / WindowTicks {
		copy(ep.Needed[w*nS:], ep.Initial)
	}
	copy(ep.RPS[s.warmup*nE:], s.load.RPS[from*nE:(from+length)*nE])
	windows := (length + WindowTicks - 1) / WindowTicks
	s.plan(from/WindowTicks, windows)
	for w := range windows {
		copy(ep.Needed[(s.warmup/WindowTicks+w)*nS:], s.needed[from/WindowTicks+w])
	}
	return nil
}

// plan fills the demand, at its mean intensity, of so many windows of the recording. The lock is held.
func (s *ReplaySource) plan(from, windows int) {
	s.plans = s.plans[:0]
	for w := from; w < from+windows; w++ {
		if s.needed[w] != nil {
			continue
		}
		clear(s.mean)
		first, end := w*WindowTicks, min((w+1)*WindowTicks, s.ticks)
		for t := first; t < end; t++ {
			for e, r := range s.load.At(t) {
				s.mean[e] += r / float64(end-first)
			}
		}
		if n := len(s.plans); n == 0 || !slices.Equal(s.mean, s.plans[n-1].rps) {
			s.plans = append(s.plans, windowPlan{slices.Clone(s.mean), make([]int, len(s.app.Services))})
		}
		s.needed[w] = s.plans[len(s.plans)-1].row
	}
	planAll(s.app, s.planner, s.plans)
	clear(s.plans)
}

// plansPerCore is how many plans are worth another core: a planner for it costs a few of them.
const plansPerCore = 32

// planAll fills the rows of plans on as many cores as are worth it: those of a month take seconds.
func planAll(app *App, planner *Planner, plans []windowPlan) {
	cores := max(1, min(runtime.GOMAXPROCS(0), len(plans)/plansPerCore))
	var next atomic.Int64
	work := func(p *Planner) {
		for i := int(next.Add(1)) - 1; i < len(plans); i = int(next.Add(1)) - 1 {
			p.Needed(plans[i].rps, plans[i].row)
		}
	}
	var wg sync.WaitGroup
	for range cores - 1 {
		wg.Go(func() { work(NewPlanner(app)) })
	}
	work(planner)
	wg.Wait()
}

// PickSource draws which of n load sources the episode of a seed is taken from.
func PickSource(seed uint64, n int) int { return rng.New(seed, "load-source").IntN(n) }
