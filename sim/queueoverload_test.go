package sim_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
	"github.com/grlscaler/grlscaler/sim/theory"
)

// drawOverload offers more than a service can do: from empty, M/M/1 whose mean number is known to the last customer;
// growth of the backlog of any service between two times at which it is never idle, limited by its cores, its replicas
// or its quota, in order of arrival or with processor sharing; and the time that a backlog takes to drain.
func drawOverload(tb testing.TB, r *rng.Stream, i int) *queueCase {
	ms, replicas := 5+15*r.Float64(), 1
	shared := i%8 == 5 || i%8 == 6
	dists := general
	if shared {
		dists = []sim.Dist{sim.Exponential, sim.Gamma, sim.Deterministic}
	}
	keys, time := duration(r, "cpu_", ms, dists...)
	q := simtest.Queue{Workers: 1}
	perReplica := 1 / time.Mean
	switch i % 4 {
	case 0: // exponential below
		keys, time = duration(r, "cpu_", ms, general[0])
	case 1:
		replicas = 2 + r.IntN(3)
		q.Replicas = replicas
	case 2: // a quota: the share of a core that it comes to
		q.LimitM = math.Round(between(r, 200, 800))
		perReplica *= q.LimitM / 1000
	}
	if shared {
		q.Workers = 0
	}
	q.Ops = []string{"{name: get, " + keys + "}"}
	o := theory.Overload{Mu: perReplica * float64(replicas)}
	o.Lambda = o.Mu * between(r, 1.3, 2)
	c := node(tb, q, 1, o.Lambda)
	c.params = fmt.Sprintf("%s, %d workers, %d replicas, limit %v m, λ/μ %.3f", keys, q.Workers, replicas, q.LimitM, o.Lambda/o.Mu)
	warm, grow := windows(10), windows(30)
	what, growth := "growth", o.Growth()
	if shared {
		each := theory.SharedOverload{Lambda: o.Lambda / float64(replicas), Mean: 1 / perReplica, CV: math.Sqrt(time.Variance()) / time.Mean}
		what, growth = "growth of those that share", each.Growth()*float64(replicas)
	}
	switch i % 4 {
	case 0:
		seconds := float64(grow) * windowS
		c.claims = []claim{{"number from empty", o.MeanNumberMM1(seconds), func(t *totals) (float64, float64) { return t.transient.change, 1 }}}
		c.drive = func(d *driver) *totals {
			d.window(grow)
			return &totals{transient: transient{d.present(), seconds}}
		}
	case 3:
		drain := theory.Overload{Lambda: o.Mu * between(r, 0.2, 0.8), Mu: o.Mu}
		c.params += fmt.Sprintf(", then %.3f", drain.Lambda/o.Mu)
		// The number of customers plus (μ - λ)t keeps its mean as long as the server is busy, so also at the end of
		// the first window in which the backlog falls below a third (optional stopping): a window later it is still
		// far from gone.
		c.claims = []claim{{"time to drain", drain.DrainTime(1), func(t *totals) (float64, float64) { return t.transient.seconds, -t.transient.change }}}
		c.drive = func(d *driver) *totals {
			d.window(grow)
			from := d.present()
			d.rps = []float64{drain.Lambda}
			x := transient{}
			for from+x.change > from/3 {
				d.window(1)
				x.seconds += windowS
				x.change = d.present() - from
			}
			return &totals{transient: x}
		}
	default:
		c.claims = []claim{{what, growth, func(t *totals) (float64, float64) { return t.transient.change, t.transient.seconds }}}
		c.drive = func(d *driver) *totals {
			d.window(warm)
			from := d.present()
			d.window(grow)
			return &totals{transient: transient{d.present() - from, float64(grow) * windowS}}
		}
	}
	return c
}

// drawSaturated keeps all workers of a replica busy: each waits and works in turn, which is a closed network whatever the
// distributions, but for waits and work that are both always the same: those would keep their rhythm for ever.
func drawSaturated(tb testing.TB, r *rng.Stream, _ int) *queueCase {
	workers, n := 1+r.IntN(10), 1+r.IntN(3)
	cpu, work := duration(r, "cpu_", service(r), general...)
	wait, think := duration(r, "wait_", math.Round(1000*work.Mean*between(r, 0.3, 4*float64(workers)/float64(n))*10)/10, sim.Exponential, sim.Gamma, sim.LogNormal)
	q := theory.Closed{Customers: workers, Think: think.Mean, Mean: work.Mean, Cores: n}
	lambda := 2 * q.Throughput()
	c := node(tb, simtest.Queue{Workers: workers, Cores: n, Ops: []string{"{name: get, " + cpu + ", " + wait + "}"}}, 1, lambda)
	c.params = fmt.Sprintf("%d workers, %d cores, %s, %s", workers, n, cpu, wait)
	c.relax = (think.Mean + work.Mean) * (1 + think.Second/think.Mean/think.Mean)
	c.visits = q.Throughput()
	c.claims = []claim{
		{"throughput", q.Throughput(), func(t *totals) (float64, float64) { return t.services[0].served, t.seconds }},
		cores(0, q.Throughput()*work.Mean),
	}
	return c
}
