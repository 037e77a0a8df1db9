package benchmark

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// AllServices stands in the service column of steps.csv for the application as a whole.
const AllServices = "*"

// stepsHeader is the first line of steps.csv. After the trial (controller, scenario, seed):
//
//	t_s                        end of the control interval, seconds from the start of the counted part
//	needed                     replicas of the demand curve, the most in the interval
//	spec .. terminating        pods at the end of the interval
//	request_m                  CPU requests of ready and starting pods at the end, millicores
//	quota_m                    CPU limit of one replica, millicores
//	cpu_used_m                 CPU used, mean over the interval
//	rps, failed_rps, late_rps  visits of a service, requests of the application; only requests can be late
//	p95_ms                     of visits: the highest of the interval's windows (of about 5 s); of requests: exact
//	throttled                  share of 100 ms periods in which a replica used its quota up
//	reward                     of the interval
//
// The row "*" is the application: sums over its services, requests instead of visits.
const stepsHeader = "controller,scenario,seed,t_s,service,needed,spec,ready,starting,pending,terminating,request_m,quota_m," +
	"cpu_used_m,rps,failed_rps,late_rps,p95_ms,throttled,reward\n"

// stepRecorder writes the counted part of a run as rows of steps.csv: for each control interval one row for the
// application and one for each service.
type stepRecorder struct {
	app    *sim.App
	prefix string // controller,scenario,seed,
	span   Span
	out    bytes.Buffer

	start    float64 // seconds at which the counted part begins, -1 before
	services []stepSums
	hists    []sim.Histogram
	total    stepSums // requests
	windows  float64  // ticks of the windows that ended in the interval
	final    []sim.ServiceState
}

// stepSums are sums over the windows of an interval, weighted with their ticks.
type stepSums struct {
	needed                                  int
	used, rps, failed, late, throttled, p95 float64
}

var _ sim.Recorder = (*stepRecorder)(nil)

func newStepRecorder(app *sim.App, t Trial, span Span) *stepRecorder {
	return &stepRecorder{
		app: app, span: span, prefix: csvField(t.Controller) + "," + csvField(t.Scenario) + "," + strconv.FormatUint(t.Seed, 10) + ",",
		start: -1, services: make([]stepSums, len(app.Services)), hists: make([]sim.Histogram, len(app.Endpoints)),
		final: make([]sim.ServiceState, len(app.Services)),
	}
}

// RecordDecision does nothing: what decisions did shows in the pods.
func (r *stepRecorder) RecordDecision(*sim.DecisionRecord) {}

// RecordTick adds a tick to the interval.
func (r *stepRecorder) RecordTick(t *sim.TickRecord) {
	if !t.Counted {
		return
	}
	if r.start < 0 {
		r.start = (t.At - sim.Tick).Seconds()
	}
	interval := t.At - time.Duration(t.Tick%sim.TicksPerInterval+1)*sim.Tick // its beginning
	if !r.span.holds(interval.Seconds() - r.start) {
		return
	}
	for s := range r.services {
		r.services[s].needed = max(r.services[s].needed, t.Needed[s])
	}
	copy(r.final, t.State.Services)
	if t.State.Window == 0 {
		return
	}
	w := float64(t.State.Window)
	r.windows += w
	for s := range r.services {
		v, sum := &t.State.Services[s], &r.services[s]
		sum.used += w * v.CPUUsedMillis
		sum.rps += w * v.ArrivalRPS
		sum.failed += w * v.FailedRPS
		sum.throttled += w * v.Throttled
		sum.p95 = max(sum.p95, v.P95Ms)
	}
	for e := range t.State.Endpoints {
		v := &t.State.Endpoints[e]
		r.total.rps += v.Offered // counts over w ticks of 1 s
		r.total.failed += v.Failed
		r.total.late += v.Late
	}
	t.Engine.AddLatencies(r.hists)
}

// RecordInterval writes the rows of the interval.
func (r *stepRecorder) RecordInterval(i *sim.IntervalRecord) {
	if !i.Counted {
		return
	}
	if !r.span.holds(i.From.Seconds() - r.start) {
		return
	}
	defer r.next()
	at := formatFixed(i.To.Seconds()-r.start, 0)
	var all sim.ServiceState
	requests, used := 0.0, 0.0
	for s := range r.services {
		v := &r.final[s]
		all.Spec += v.Spec
		all.Ready += v.Ready
		all.Starting += v.Starting
		all.Pending += v.Pending
		all.Terminating += v.Terminating
		requests += float64(v.Ready+v.Starting) * v.RequestMillis
		used += r.services[s].used
		r.total.needed += r.services[s].needed
	}
	h := &r.hists[0]
	for e := 1; e < len(r.hists); e++ {
		h.Merge(&r.hists[e])
	}
	r.total.used, r.total.p95 = used, h.QuantileMs(0.95)
	r.row(at, AllServices, &r.total, &all, requests, "", formatFixed(r.total.late/max(r.windows, 1), 3), "", formatFixed(i.Reward, 6))
	for s := range r.services {
		v := &r.final[s]
		r.row(at, csvField(r.app.Services[s].Name), &r.services[s], v, float64(v.Ready+v.Starting)*v.RequestMillis,
			formatFixed(v.QuotaMillis, 1), "", formatFixed(r.services[s].throttled/max(r.windows, 1), 4), "")
	}
}

// next begins another interval.
func (r *stepRecorder) next() {
	clear(r.services)
	clear(r.hists)
	r.total, r.windows = stepSums{}, 0
}

func (r *stepRecorder) row(at, service string, sum *stepSums, v *sim.ServiceState, requests float64, quota, late, throttled, reward string) {
	n := max(r.windows, 1)
	r.out.WriteString(r.prefix)
	r.out.WriteString(at)
	for _, field := range [...]string{
		service, strconv.Itoa(sum.needed), strconv.Itoa(v.Spec), strconv.Itoa(v.Ready), strconv.Itoa(v.Starting), strconv.Itoa(v.Pending),
		strconv.Itoa(v.Terminating), formatFixed(requests, 1), quota, formatFixed(sum.used/n, 2), formatFixed(sum.rps/n, 3),
		formatFixed(sum.failed/n, 3), late, formatFixed(sum.p95, 2), throttled, reward,
	} {
		r.out.WriteByte(',')
		r.out.WriteString(field)
	}
	r.out.WriteByte('\n')
}

// recorders tells several recorders the same.
type recorders []sim.Recorder

var _ sim.Recorder = recorders(nil)

func (rs recorders) RecordDecision(d *sim.DecisionRecord) {
	for _, r := range rs {
		r.RecordDecision(d)
	}
}

// WithoutReasons is true if no one needs them.
func (rs recorders) WithoutReasons() bool {
	return !slices.ContainsFunc(rs, func(r sim.Recorder) bool {
		x, ok := r.(sim.Reasonless)
		return !ok || !x.WithoutReasons()
	})
}

func (rs recorders) RecordTick(t *sim.TickRecord) {
	for _, r := range rs {
		r.RecordTick(t)
	}
}

func (rs recorders) RecordInterval(i *sim.IntervalRecord) {
	for _, r := range rs {
		r.RecordInterval(i)
	}
}
