package calibrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// Fit fits the numbers of an application to recordings. It ends early with the context's error.
func Fit(ctx context.Context, src Source, recs []validate.Named, opt Options) (*Result, error) {
	if err := opt.fill(); err != nil {
		return nil, err
	}
	m, err := readModel(src)
	if err != nil {
		return nil, err
	}
	if len(recs) == 0 {
		return nil, errors.New("calibration: no recording; give at least one")
	}
	var all []*observed
	for _, rec := range recs {
		o, err := m.observe(rec)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	usual := m.countBlockVisits(all)
	l, cur, err := m.iterate(ctx, all, &opt)
	if err != nil {
		return nil, err
	}
	return m.result(l, all, usual, cur)
}

// iterate simulates and fits in turn until the numbers no longer change: how often calls find a replica idle, and how long
// visits wait for CPU, depends on them.
func (m *model) iterate(ctx context.Context, all []*observed, opt *Options) (l *ledger, cur numbers, err error) {
	cur = m.numbers.clone()
	var sims []simulated
	for round := range opt.Rounds {
		if sims, err = m.probe(ctx, &cur, all, opt); err != nil {
			return nil, cur, err
		}
		before, last := cur, l
		cur = m.numbers.clone()
		l = &ledger{m: m}
		m.fitSteady(all, sims, &before, &cur, opt, l)
		if opt.Progress != nil {
			opt.Progress(round+1, opt.Rounds)
		}
		if last != nil && near(last, l) {
			break
		}
	}
	if opt.SpeedOnly {
		return l, cur, nil
	}
	for s := range m.app.Services {
		if opt.fits("startup-cpu") || opt.fits("startup-delay") {
			m.fitStartup(s, all, sims, &cur, opt, l)
		}
		if opt.fits("warmup") {
			m.fitWarmup(s, all, sims, &cur, opt, l)
		}
	}
	m.noteReplicas(all, l)
	return l, cur, nil
}

// fitSteady fits what intervals without starts and ends show.
func (m *model) fitSteady(all []*observed, sims []simulated, before, cur *numbers, opt *Options, l *ledger) {
	if opt.SpeedOnly {
		m.fitSpeed(all, sims, before, cur, opt, l)
		return
	}
	for s := range m.app.Services {
		if opt.fits("cpu") {
			m.fitCPU(s, all, sims, before, cur, opt, l)
		}
		if opt.fits("wait") {
			m.fitWait(s, all, sims, before, cur, opt, l)
		}
		if opt.fits("spread") {
			m.fitSpread(s, all, sims, cur, opt, l)
		}
	}
}

// noteReplicas says of which services no effect of replicas was seen.
func (m *model) noteReplicas(all []*observed, l *ledger) {
	for s := range m.app.Services {
		seen := map[float64]bool{}
		for _, o := range all {
			for k := range o.blocks {
				if v := &o.blocks[k].services[s]; v.steady {
					seen[v.replicas] = true
				}
			}
		}
		if len(seen) == 1 {
			n := 0.0
			for n = range seen {
			}
			l.keep(m.serviceKey(s, "balancing"), fmt.Sprintf("all intervals have %.0f replica(s), so what a change of replicas does, and whether idle CPU is by replica, was not seen", n),
				"record the same load with other numbers of replicas")
		}
	}
}

// probe runs the engine with the numbers, with all CPU per visit raised, and with cpu_ms raised alone.
func (m *model) probe(ctx context.Context, cur *numbers, all []*observed, opt *Options) ([]simulated, error) {
	dear, slow := cur.clone(), cur.clone()
	dear.speed /= 1 + probeStep
	for o := range slow.cpu {
		slow.cpu[o] *= 1 + probeStep
	}
	var runs [3][]simulated
	var first *sim.App
	for i, n := range []*numbers{cur, &dear, &slow} {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("calibration: %w", err)
		}
		app, err := m.with(n)
		if err != nil {
			return nil, fmt.Errorf("calibration: the application with the numbers fitted so far: %w", err)
		}
		if first == nil {
			first = app
		}
		if runs[i], err = m.simulate(app, all, opt); err != nil {
			return nil, err
		}
	}
	damp(first, all, runs[0], runs[1], runs[2])
	return runs[0], nil
}

// fill puts in defaults and checks.
func (o *Options) fill() error {
	if o.Engine == nil {
		return errors.New("calibration: no engine was given")
	}
	if o.MaxSE == 0 {
		o.MaxSE = DefaultMaxSE
	}
	if !(o.MaxSE > 0) || o.MaxSE > 1 {
		return fmt.Errorf("calibration: a bound of %v on standard errors is not above 0 and at most 1", o.MaxSE)
	}
	if o.Replications == 0 {
		o.Replications = DefaultReplications
	}
	if o.Rounds == 0 {
		o.Rounds = DefaultRounds
	}
	for _, g := range o.Fit {
		if !slices.Contains(Groups, g) {
			return fmt.Errorf("calibration: there is no group %q; use %s", g, strings.Join(Groups, ", "))
		}
	}
	return nil
}

// Another round is not worth it once no number changes by more than these: what remains is the scatter of the simulation.
const (
	nearEnough   = 0.005 // of the number
	nearEnoughSE = 0.25  // of its standard error
)

// near tells whether two rounds found the same.
func near(a, b *ledger) bool {
	if len(a.fitted) != len(b.fitted) {
		return false
	}
	for i := range a.fitted {
		x, y := &a.fitted[i], &b.fitted[i]
		if x.Key != y.Key || math.Abs(x.Value-y.Value) > math.Max(nearEnough*x.Value, nearEnoughSE*x.SE) {
			return false
		}
	}
	return true
}

// result writes the fitted numbers into the file.
func (m *model) result(l *ledger, all []*observed, usual []float64, cur numbers) (*Result, error) {
	r := &Result{Fitted: l.fitted, Kept: l.kept}
	var changes []change
	for i := range r.Fitted {
		f := &r.Fitted[i]
		f.Text, f.Wide = rounded(f.Value, f.SE)
		changes = append(changes, change{f.op, f.service, f.field, note{value: f.Text, se: f.Wide, was: plain(f.Was), tied: f.Tied}})
	}
	var err error
	if r.Text, err = m.write(changes); err != nil {
		return nil, err
	}
	if r.App, err = sim.DecodeApp(bytes.NewReader(r.Text), m.source.Name); err != nil {
		return nil, fmt.Errorf("calibration: the fitted application: %w", err)
	}
	for s, q := range usual {
		if math.Abs(q-1) > unusual {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s gets %.3g times the visits that the application's call counts give; CPU is fitted per visit of the application: check the mean counts of its calls", m.app.Services[s].Name, q))
		}
	}
	for _, o := range all {
		r.Warnings = append(r.Warnings, o.notes...)
	}
	return r, nil
}

// unusual is the difference of recorded visits from those of the call counts that is worth a warning.
const unusual = 0.05
