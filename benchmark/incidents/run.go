package incidents

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

// Outcome is what a controller came to in an incident, the mean over the seeds; Peak is the largest.
type Outcome struct {
	Violation   float64 // share of the requests late or failed
	PodHours    float64 // of ready and starting pods
	MeanPods    float64
	Peak        float64       // wanted replicas at most
	PeakAt      time.Duration // when they were first wanted
	Changes     float64       // starts and stops per hour
	Recover     time.Duration // from the first to the end of the last interval in which more than RecoverShare of the requests violated
	WorstMinute float64       // largest share of requests that violated in a minute
	Measured    []float64     // one for each of Incident.Compare
}

// RecoverShare is the share of requests late or failed in a control interval above which a service has not recovered.
const RecoverShare = 0.05

// Options say how to run.
type Options struct {
	Seeds     []uint64
	Workers   int // runs at once; 0 means one for each core
	NewEngine func(*sim.App) (sim.Engine, error)
	Done      func() // told after each run, from one goroutine at a time; nil for nobody
}

// Run runs controllers on an incident, all with the same arrivals, and returns their outcomes in order.
func Run(ctx context.Context, x *Incident, controllers []Controller, o Options) ([]Outcome, error) {
	if len(o.Seeds) == 0 || o.NewEngine == nil {
		return nil, errors.New("incidents: no seeds or no engine")
	}
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	n := len(controllers) * len(o.Seeds)
	outcomes, errs := make([]Outcome, n), make([]error, n)
	jobs := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range min(workers, n) {
		wg.Go(func() {
			for i := range jobs {
				if errs[i] = ctx.Err(); errs[i] == nil {
					c := &controllers[i/len(o.Seeds)]
					if outcomes[i], errs[i] = one(x, c, o.Seeds[i%len(o.Seeds)], o.NewEngine); errs[i] != nil {
						errs[i] = fmt.Errorf("incident %s, %s: %w", x.Name, c.Name, errs[i])
					}
				}
				if o.Done != nil {
					mu.Lock()
					o.Done()
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	out := make([]Outcome, len(controllers))
	for c := range out {
		out[c] = mean(outcomes[c*len(o.Seeds) : (c+1)*len(o.Seeds)])
	}
	return out, nil
}

func mean(list []Outcome) Outcome {
	var m Outcome
	n := float64(len(list))
	at, recovery := 0.0, 0.0
	m.Measured = make([]float64, len(list[0].Measured))
	for _, x := range list {
		for i, v := range x.Measured {
			m.Measured[i] += v / n
		}
		m.Violation += x.Violation / n
		m.PodHours += x.PodHours / n
		m.MeanPods += x.MeanPods / n
		m.Changes += x.Changes / n
		m.WorstMinute += x.WorstMinute / n
		m.Peak = max(m.Peak, x.Peak)
		at += x.PeakAt.Seconds() / n
		recovery += x.Recover.Seconds() / n
	}
	m.PeakAt, m.Recover = time.Duration(at*float64(time.Second)), time.Duration(recovery*float64(time.Second))
	return m
}

func one(x *Incident, c *Controller, seed uint64, newEngine func(*sim.App) (sim.Engine, error)) (out Outcome, err error) {
	engine, err := newEngine(x.App)
	if err != nil {
		return Outcome{}, err
	}
	controller, err := c.New()
	if err != nil {
		return Outcome{}, err
	}
	if c, ok := controller.(io.Closer); ok { // a policy has memory that is not Go's
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	var ep sim.Episode
	if err := x.Source.Episode(seed, &ep); err != nil {
		return Outcome{}, err
	}
	r := &recorder{warmup: x.Warmup, firstBad: -1}
	if err := sim.RunController(x.App, engine, &ep, controller, seed, sim.DefaultMetricsConfig(), r); err != nil {
		return Outcome{}, err
	}
	out = r.outcome()
	out.Measured = r.measured(x.Compare, &out)
	return out, nil
}

// recorder takes in a run.
type recorder struct {
	warmup            time.Duration
	seconds, pods     float64
	offered, bad      float64
	changes           float64
	peak              int
	peakAt            time.Duration
	interval          sums
	minute            [4]sums // the last four intervals
	intervals         int
	worst             float64
	firstBad, lastBad time.Duration
	specs             []specAt
	requestMillis     float64 // CPU request of a pod of the first service, at present
}

type sums struct{ offered, bad float64 }

var _ sim.Recorder = (*recorder)(nil)

func (r *recorder) RecordDecision(d *sim.DecisionRecord) {
	if !d.Counted {
		return
	}
	for i := range d.Results {
		r.changes += float64(d.Results[i].Added + d.Results[i].Removed)
	}
}

func (r *recorder) RecordTick(t *sim.TickRecord) {
	if !t.Counted {
		return
	}
	r.seconds += sim.Tick.Seconds()
	spec := 0
	for s := range t.State.Services {
		v := &t.State.Services[s]
		r.pods += float64(v.Ready+v.Starting) * sim.Tick.Seconds()
		spec += v.Spec
	}
	r.note(t.At-sim.Tick-r.warmup, spec)
	r.requestMillis = t.State.Services[0].RequestMillis
	if spec > r.peak {
		r.peak, r.peakAt = spec, t.At-r.warmup
	}
	if t.State.Window == 0 {
		return
	}
	for e := range t.State.Endpoints {
		v := &t.State.Endpoints[e]
		r.interval.offered += v.Offered
		r.interval.bad += v.Late + v.Failed
	}
}

func (r *recorder) RecordInterval(i *sim.IntervalRecord) {
	if !i.Counted {
		return
	}
	x := r.interval
	r.interval = sums{}
	r.offered += x.offered
	r.bad += x.bad
	if x.bad > RecoverShare*x.offered {
		if r.firstBad < 0 {
			r.firstBad = i.From
		}
		r.lastBad = i.To
	}
	r.minute[r.intervals%len(r.minute)] = x
	r.intervals++
	var m sums
	for _, part := range r.minute {
		m.offered += part.offered
		m.bad += part.bad
	}
	if r.intervals >= len(r.minute) && m.offered > 0 {
		r.worst = max(r.worst, min(m.bad/m.offered, 1))
	}
}

func (r *recorder) outcome() Outcome {
	hours := r.seconds / 3600
	o := Outcome{PodHours: r.pods / 3600, MeanPods: r.pods / r.seconds, Peak: float64(r.peak), PeakAt: r.peakAt, Changes: r.changes / hours, WorstMinute: r.worst}
	if r.offered > 0 {
		o.Violation = min(r.bad/r.offered, 1)
	}
	if r.firstBad >= 0 {
		o.Recover = r.lastBad - r.firstBad
	}
	return o
}
