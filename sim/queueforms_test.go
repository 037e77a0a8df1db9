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

// The closed forms as cases: systems drawn at random, each with all that theory says of it.

// form is a family of cases.
type form struct {
	name  string
	cases int
	draw  func(tb testing.TB, r *rng.Stream, i int) *queueCase
}

var forms = []form{
	{"M/M/1", 24, drawMM1},
	{"M/M/c", 40, drawMMC},
	{"M/D/1", 24, drawMD1},
	{"M/G/1", 36, drawMG1},
	{"M/G/1-PS, M/G/c-PS", 40, drawPS},
	{"M/G/1-PS by size", 24, drawPSBySize},
	{"M/M/c/K", 36, drawLoss},
	{"tandem", 28, drawTandem},
	{"Jackson network", 32, drawJackson},
	{"PS network of nested calls", 24, drawNested},
	{"fork-join", 20, drawForkJoin},
	{"set-up time", 28, drawSetUp},
	{"replicas behind a balancer", 24, drawReplicas},
	{"lone visit under a quota", 20, drawQuotaVisit},
	{"overload and drain", 32, drawOverload},
	{"saturated workers", 20, drawSaturated},
}

// Draws of parameters.

func between(r *rng.Stream, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

func pick[T any](r *rng.Stream, choices ...T) T { return choices[r.IntN(len(choices))] }

// service draws a mean service time in ms: 2 to 20.
func service(r *rng.Stream) float64 { return math.Round(200*math.Pow(10, r.Float64())) / 100 }

// duration is the distribution of a time in the application file, and its moments in seconds.
func duration(r *rng.Stream, prefix string, meanMs float64, dists ...sim.Dist) (keys string, t theory.Time) {
	dist := pick(r, dists...)
	keys = fmt.Sprintf("%sms: %v, %sdist: %s", prefix, meanMs, prefixOf(prefix), dist)
	cv := math.Round(100*between(r, 0.2, 1.6)) / 100
	switch dist {
	case sim.Exponential:
		return keys, theory.ExponentialTime(meanMs / 1000)
	case sim.Deterministic:
		return keys, theory.DeterministicTime(meanMs / 1000)
	case sim.Gamma:
		if r.IntN(2) == 0 {
			cv = 1 / math.Sqrt(float64(2+r.IntN(4))) // Erlang
		}
	}
	keys += fmt.Sprintf(", %scv: %v", prefixOf(prefix), cv)
	if dist == sim.Gamma {
		return keys, theory.GammaTime(meanMs/1000, cv)
	}
	return keys, theory.LogNormalTime(meanMs/1000, cv)
}

// prefixOf is that of the keys dist and cv: none for cpu_, wait_ for wait_.
func prefixOf(prefix string) string {
	if prefix == "cpu_" {
		return ""
	}
	return prefix
}

var general = []sim.Dist{sim.Exponential, sim.Gamma, sim.LogNormal, sim.Deterministic}

// Claims. Times of theory are in seconds.

// meanLatency: the time of all answered requests over their number.
func meanLatency(endpoint int, want float64) claim {
	return claim{"mean", want, func(t *totals) (float64, float64) {
		h := &t.endpoints[endpoint].latency
		return h.MeanMs() * h.Count() / 1000, h.Count()
	}}
}

// latencyShare: how many requests take at most x, x the edge of a histogram's bucket that is nearest to the
// quantile at p.
func latencyShare(endpoint int, p, quantile float64, cdf func(float64) float64) claim {
	edgeMs := sim.BucketEdgeMs(quantile * 1000)
	return claim{fmt.Sprintf("p%.0f", 100*p), cdf(edgeMs / 1000), func(t *totals) (float64, float64) {
		h := &t.endpoints[endpoint].latency
		return h.CountBelow(edgeMs), h.Count()
	}}
}

// meanNumber: the time-averaged number of visits of a service.
func meanNumber(service int, want float64) claim {
	return claim{"number", want, func(t *totals) (float64, float64) { return t.services[service].visitS, t.seconds }}
}

// meanVisit: the time of a service's visits over their number.
func meanVisit(service int, want float64) claim {
	return claim{fmt.Sprintf("visit of service %d", service), want, func(t *totals) (float64, float64) {
		return t.services[service].sojournS, t.services[service].served
	}}
}

// cores: the CPU that a service uses.
func cores(service int, want float64) claim {
	return claim{"CPU", want, func(t *totals) (float64, float64) { return t.services[service].cpuS, t.seconds }}
}

// probe is an operation that takes next to nothing. First come first served, its time is the wait for a worker; and
// it disturbs nobody.
const probe = "{name: probe, cpu_ms: 1e-6, dist: deterministic}"

// speeds that nodes run at: what takes 10 ms on the reference platform takes 10/speed.
func speed(r *rng.Stream) float64 { return pick(r, 1, 1, 0.8, 2.0) }

// node is a single service of that queue whose operation get costs meanMs, net of the node's speed, and claims about it.
func node(tb testing.TB, q simtest.Queue, speed float64, rates ...float64) *queueCase {
	q.Name = "web"
	endpoints := []string{"web.get", "web.probe"}[:len(rates)]
	c := &queueCase{app: simtest.QueueApp(tb, speed, []simtest.Queue{q}, endpoints...), rps: rates}
	for _, r := range rates {
		c.visits += r
	}
	return c
}

func drawMM1(tb testing.TB, r *rng.Stream, _ int) *queueCase {
	ms, rho, sp := service(r), between(r, 0.2, 0.85), speed(r)
	mu := 1000 * sp / ms
	q := theory.MM1(rho*mu, mu)
	c := node(tb, simtest.Queue{Workers: 1, Ops: []string{fmt.Sprintf("{name: get, cpu_ms: %v, dist: exponential}", ms)}}, sp, q.Lambda)
	c.params = fmt.Sprintf("%v ms at speed %v, ρ %.3f", ms, sp, rho)
	c.relax = relaxation(1/mu, 1, rho)
	c.claims = []claim{meanLatency(0, q.MeanSojourn()), meanNumber(0, q.MeanNumber()), cores(0, rho)}
	for _, p := range []float64{0.5, 0.95, 0.99} {
		c.claims = append(c.claims, latencyShare(0, p, q.SojournQuantile(p), q.SojournCDF))
	}
	return c
}

// drawMMC takes CPU on c cores or a wait without CPU as the service: c workers are c servers either way.
func drawMMC(tb testing.TB, r *rng.Stream, i int) *queueCase {
	servers := 2 + r.IntN(7)
	ms, rho := service(r), between(r, 0.3, 0.85)
	mu := 1000 / ms
	q := theory.MMC{Lambda: rho * mu * float64(servers), Mu: mu, Servers: servers}
	key, n := "cpu_ms", servers
	if i%3 == 0 {
		key, n = "wait_ms", 1
	}
	dist := map[string]string{"cpu_ms": "dist", "wait_ms": "wait_dist"}[key]
	queue := simtest.Queue{Workers: servers, Cores: n, Ops: []string{fmt.Sprintf("{name: get, %s: %v, %s: exponential}", key, ms, dist), probe}}
	c := node(tb, queue, 1, q.Lambda, q.Lambda)
	c.params = fmt.Sprintf("c %d, %s %v, ρ %.3f", servers, key, ms, rho)
	c.relax = relaxation(1/mu/float64(servers), 1, rho) + 1/mu
	c.claims = []claim{meanLatency(0, q.MeanSojourn()), meanLatency(1, q.MeanWait()), latencyShare(1, 0, 0, q.WaitCDF)}
	c.claims[1].what, c.claims[2].what = "mean wait", "no wait"
	for _, p := range []float64{0.5, 0.95, 0.99} {
		c.claims = append(c.claims, latencyShare(0, p, q.SojournQuantile(p), q.SojournCDF))
		if w := q.WaitQuantile(p); w > 0 {
			wait := latencyShare(1, p, w, q.WaitCDF)
			wait.what = "wait " + wait.what
			c.claims = append(c.claims, wait)
		}
	}
	return c
}

func drawMD1(tb testing.TB, r *rng.Stream, _ int) *queueCase {
	ms, rho := service(r), between(r, 0.2, 0.88)
	q := theory.MD1{Lambda: rho * 1000 / ms, Service: ms / 1000}
	c := node(tb, simtest.Queue{Workers: 1, Ops: []string{fmt.Sprintf("{name: get, cpu_ms: %v, dist: deterministic}", ms), probe}}, 1, q.Lambda, q.Lambda)
	c.params = fmt.Sprintf("%v ms, ρ %.3f", ms, rho)
	c.relax = relaxation(q.Service, 0, rho)
	c.claims = []claim{meanLatency(0, q.MeanSojourn()), meanLatency(1, q.MeanWait())}
	c.claims[1].what = "mean wait"
	for _, p := range []float64{0.5, 0.95, 0.99} {
		c.claims = append(c.claims, latencyShare(0, p, q.SojournQuantile(p), q.SojournCDF))
		if w := q.WaitQuantile(p); w > 0 {
			wait := latencyShare(1, p, w, q.WaitCDF)
			wait.what = "wait " + wait.what
			c.claims = append(c.claims, wait)
		}
	}
	return c
}

// drawMG1 takes as the service a CPU time, a wait, or both one after another.
func drawMG1(tb testing.TB, r *rng.Stream, i int) *queueCase {
	rho := between(r, 0.2, 0.8)
	var keys string
	var time theory.Time
	cpu, cpuTime := duration(r, "cpu_", service(r), general...)
	wait, waitTime := duration(r, "wait_", service(r), general...)
	switch i % 4 {
	case 0:
		keys, time = wait, waitTime
	case 1:
		keys, time = cpu+", "+wait, cpuTime.Plus(waitTime)
	default:
		keys, time = cpu, cpuTime
	}
	q := theory.MG1{Lambda: rho / time.Mean, Service: time}
	c := node(tb, simtest.Queue{Workers: 1, Ops: []string{"{name: get, " + keys + "}", probe}}, 1, q.Lambda, q.Lambda)
	c.params = fmt.Sprintf("%s, ρ %.3f", keys, rho)
	c.relax = relaxation(time.Mean, time.Variance()/(time.Mean*time.Mean), rho)
	c.claims = []claim{meanLatency(0, q.MeanSojourn()), meanLatency(1, q.MeanWait())}
	c.claims[1].what = "mean wait"
	return c
}

func drawPS(tb testing.TB, r *rng.Stream, i int) *queueCase {
	ms, rho, n, sp := service(r), between(r, 0.2, 0.8), 1, speed(r)
	if i%3 == 0 {
		n = 2 + r.IntN(5)
	}
	keys, time := duration(r, "cpu_", ms, general[i%4])
	q := theory.PS{Lambda: rho * float64(n) / time.Mean * sp, Mean: time.Mean / sp, Cores: n}
	c := node(tb, simtest.Queue{Cores: n, Ops: []string{"{name: get, " + keys + "}"}}, sp, q.Lambda)
	c.params = fmt.Sprintf("%d cores of speed %v, %s, ρ %.3f", n, sp, keys, rho)
	c.relax = relaxation(q.Mean, time.Variance()/(time.Mean*time.Mean), rho)
	c.claims = []claim{meanLatency(0, q.MeanSojourn()), meanNumber(0, q.MeanNumber()), cores(0, rho*float64(n))}
	return c
}

// drawPSBySize has visits of two fixed sizes and others of any size; each size has its own mean time.
func drawPSBySize(tb testing.TB, r *rng.Stream, i int) *queueCase {
	small, rho, n := service(r), between(r, 0.3, 0.8), 1+i%2*r.IntN(3)
	large := small * between(r, 3, 10)
	keys, time := duration(r, "cpu_", small*between(r, 0.5, 4), general...)
	share := []float64{between(r, 0.2, 0.5), between(r, 0.1, 0.3), 0} // of the requests
	share[2] = 1 - share[0] - share[1]
	mean := (share[0]*small+share[1]*large)/1000 + share[2]*time.Mean
	q := theory.PS{Lambda: rho * float64(n) / mean, Mean: mean, Cores: n}
	web := simtest.Queue{Name: "web", Cores: n, Ops: []string{
		fmt.Sprintf("{name: small, cpu_ms: %v, dist: deterministic}", small), fmt.Sprintf("{name: large, cpu_ms: %v, dist: deterministic}", large), "{name: any, " + keys + "}",
	}}
	c := &queueCase{app: simtest.QueueApp(tb, 1, []simtest.Queue{web}, "web.small", "web.large", "web.any"), visits: q.Lambda}
	for _, s := range share {
		c.rps = append(c.rps, s*q.Lambda)
	}
	c.params = fmt.Sprintf("%d cores, %v and %.4g ms, %s, ρ %.3f", n, small, large, keys, rho)
	second := (share[0]*small*small+share[1]*large*large)/1e6 + share[2]*time.Second
	c.relax = relaxation(mean, second/(mean*mean)-1, rho)
	c.claims = []claim{meanLatency(0, q.MeanSojournOf(small/1000)), meanLatency(1, q.MeanSojournOf(large/1000)), meanLatency(2, q.MeanSojournOf(time.Mean))}
	c.claims[0].what, c.claims[1].what = "mean of the small", "mean of the large"
	return c
}

// drawLoss: workers and room; by turns first come first served, shared cores, and workers alone (Erlang's loss
// system), the latter two with any distribution.
func drawLoss(tb testing.TB, r *rng.Stream, i int) *queueCase {
	servers := 1 + r.IntN(4)
	ms, rho := service(r), between(r, 0.5, 1.5)
	mu := 1000 / ms
	q := theory.MMCK{Lambda: rho * mu * float64(servers), Mu: mu, Servers: servers, Room: servers + 1 + r.IntN(6)}
	queue := simtest.Queue{Workers: servers, Cores: servers}
	keys := fmt.Sprintf("cpu_ms: %v, dist: exponential", ms)
	kind := [...]string{"first come first served", "shared", "no waiting room"}[i%3]
	switch i % 3 {
	case 1:
		queue.Workers = 0
		keys, _ = duration(r, "cpu_", ms, general...)
	case 2:
		q.Room = servers
		keys, _ = duration(r, "wait_", ms, general...)
	}
	queue.MaxVisits, queue.Ops = q.Room, []string{"{name: get, " + keys + "}"}
	c := node(tb, queue, 1, q.Lambda)
	c.params = fmt.Sprintf("c %d, K %d, %s, %s, ρ %.3f", servers, q.Room, kind, keys, rho)
	c.relax = float64(q.Room) / mu // it forgets when it has been full or empty
	c.claims = []claim{
		{"loss", q.Loss(), func(t *totals) (float64, float64) { return t.endpoints[0].failed, t.endpoints[0].offered }},
		meanLatency(0, q.MeanSojourn()), meanNumber(0, q.MeanNumber()),
	}
	if i%3 == 0 {
		for _, p := range []float64{0.5, 0.95} {
			c.claims = append(c.claims, latencyShare(0, p, q.SojournQuantile(p), q.SojournCDF))
		}
	}
	return c
}
