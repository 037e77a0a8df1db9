package sim

import (
	"fmt"
	"slices"
	"sync"
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
	last    []float64 // intensities that lastRow is needed at
	lastRow []int
	needed  [][]int // demand of each window of the recording, filled as it is asked
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
	for w := range (length + WindowTicks - 1) / WindowTicks {
		copy(ep.Needed[(s.warmup/WindowTicks+w)*nS:], s.neededAt(from/WindowTicks+w))
	}
	return nil
}

// neededAt is the demand at the mean intensity of window w of the recording. The lock is held.
func (s *ReplaySource) neededAt(w int) []int {
	if s.needed[w] != nil {
		return s.needed[w]
	}
	clear(s.mean)
	from, to := w*WindowTicks, min((w+1)*WindowTicks, s.ticks)
	for t := from; t < to; t++ {
		for e, r := range s.load.At(t) {
			s.mean[e] += r / float64(to-from)
		}
	}
	if s.lastRow == nil || !slices.Equal(s.mean, s.last) { // many windows are of one row of the recording
		s.lastRow = make([]int, len(s.app.Services))
		s.planner.Needed(s.mean, s.lastRow)
		s.last = append(s.last[:0], s.mean...)
	}
	s.needed[w] = s.lastRow
	return s.lastRow
}

// PickSource draws which of n load sources the episode of a seed is taken from.
func PickSource(seed uint64, n int) int { return rng.New(seed, "load-source").IntN(n) }
