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

// station is an exponential service of one or more servers, first come first served.
func station(name string, ms float64, servers int) simtest.Queue {
	return simtest.Queue{Name: name, Workers: servers, Cores: servers, Ops: []string{fmt.Sprintf("{name: get, cpu_ms: %v, dist: exponential}", ms)}}
}

// drawTandem: two to four M/M/1 stations one after another, some of them equal.
func drawTandem(tb testing.TB, r *rng.Stream, i int) *queueCase {
	c := &queueCase{}
	var calls []string
	var queues []simtest.Queue
	var mu []float64
	slowest := math.Inf(1)
	ms := service(r)
	for k := range 2 + r.IntN(3) {
		if i%2 == 0 && k > 0 { // by turns equal to the one before, or another
			ms *= pick(r, 1, between(r, 0.4, 1.6))
		}
		name := fmt.Sprintf("s%d", k)
		queues = append(queues, station(name, ms, 1))
		calls = append(calls, fmt.Sprintf("{op: %s.get}", name))
		mu = append(mu, 1000/ms)
		slowest = min(slowest, 1000/ms)
		c.params += fmt.Sprintf("%.4g ms, ", ms)
	}
	rho := between(r, 0.3, 0.8)
	lambda := rho * slowest
	c.app = simtest.QueueApp(tb, 1, append([]simtest.Queue{simtest.Gate("gate", false, calls...)}, queues...), "gate.get")
	c.rps, c.visits = []float64{lambda}, lambda*float64(len(mu))
	c.params += fmt.Sprintf("ρ of the slowest %.3f", rho)
	c.relax = relaxation(1/slowest, 1, rho) * 1.5 // one feeds the next
	h := theory.Tandem(lambda, mu...)
	c.claims = []claim{meanLatency(0, h.Mean())}
	for _, p := range []float64{0.5, 0.9, 0.95, 0.99} {
		c.claims = append(c.claims, latencyShare(0, p, h.Quantile(p), h.CDF))
	}
	return c
}

// drawJackson: requests pass station a; some then take the branch of b, of whom some go on to c, and all others d,
// at times twice in a row. Where a node of the tree is visited with a probability, its call has a mean count below
// 1; d's is up to 2.
func drawJackson(tb testing.TB, r *rng.Stream, _ int) *queueCase {
	chance := func() float64 { return math.Round(100*between(r, 0.2, 0.9)) / 100 }
	toB, toC, toD := chance(), chance(), 0.8+chance()
	var mu [4]float64
	var ms [4]float64
	var servers [4]int
	for k := range ms {
		ms[k], servers[k] = service(r), 1+r.IntN(3)
		mu[k] = 1000 / ms[k]
	}
	visits := [4]float64{1, toB, toB * toC, toD}
	// The network of the same visits: a station called K times in a row is one that customers leave for itself. The
	// mean numbers depend on the rates alone, so any routing with these rates will do.
	again := max(0, toD-1) / toD
	net := theory.Jackson{
		External: []float64{1, 0, 0, 0},
		Routing:  [][]float64{{0, toB, 0, (1 - toB) * min(toD, 1)}, {0, 0, toC, (1 - toC) * min(toD, 1)}, {0, 0, 0, min(toD, 1)}, {0, 0, 0, again}},
		Mu:       mu[:], Servers: servers[:],
	}
	busiest := 0.0
	for k := range visits {
		busiest = max(busiest, visits[k]/mu[k]/float64(servers[k]))
	}
	rho := between(r, 0.3, 0.8)
	net.External[0] = rho / busiest
	stations, err := net.Stations()
	if err != nil {
		tb.Fatal(err)
	}
	sojourn, err := net.MeanSojourn()
	if err != nil {
		tb.Fatal(err)
	}
	queues := []simtest.Queue{
		simtest.Gate("gate", false, "{op: a.get}", fmt.Sprintf("{op: branch.get, mean: %v}", toB), fmt.Sprintf("{op: d.get, mean: %v}", toD)),
		simtest.Gate("branch", false, "{op: b.get}", fmt.Sprintf("{op: c.get, mean: %v}", toC)),
	}
	c := &queueCase{rps: []float64{net.External[0]}, params: fmt.Sprintf("visits %.3v, %.4v ms, servers %v, ρ of the busiest %.3f", visits, ms, servers, rho)}
	c.claims = []claim{meanLatency(0, sojourn)}
	for k, name := range []string{"a", "b", "c", "d"} {
		queues = append(queues, station(name, ms[k], servers[k]))
		number := meanNumber(2+k, stations[k].MeanNumber())
		number.what += fmt.Sprintf(" in service %d", 2+k)
		c.claims = append(c.claims, meanVisit(2+k, stations[k].MeanSojourn()), number)
		c.visits += visits[k] * net.External[0]
		c.relax = max(c.relax, relaxation(ms[k]/1000/float64(servers[k]), 1, stations[k].Utilisation())+ms[k]/1000)
	}
	c.relax *= 1.5
	c.app = simtest.QueueApp(tb, 1, queues, "gate.get")
	return c
}

// drawNested: services that share their cores and call each other in the middle of their work. Such a network of
// symmetric queues has a product form whatever the distributions, also where the stretches of work of one visit
// depend on each other, as halves of the same draw do (Kelly, Reversibility and Stochastic Networks, 1979, section
// 3.4): the mean time of a visit in its own service is its mean CPU time stretched by 1/(1-ρ) (with more cores, as
// in M/M/c), plus its wait without CPU.
func drawNested(tb testing.TB, r *rng.Stream, i int) *queueCase {
	calls := []float64{float64(1 + r.IntN(3)), math.Round(100*between(r, 0.3, 2.5)) / 100}
	visits := []float64{1, calls[0], calls[0] * calls[1]}
	n := []int{1 + i%2, 1, 1 + r.IntN(2)}
	var time [3]theory.Time
	var keys [3]string
	for s := range keys {
		keys[s], time[s] = duration(r, "cpu_", service(r), general...)
	}
	waitMs := 0.0
	if i%3 == 0 { // a station of infinitely many servers in the middle
		waitMs = service(r)
		wait, _ := duration(r, "wait_", waitMs, general...)
		keys[1] += ", " + wait
	}
	busiest := 0.0
	for s := range visits {
		busiest = max(busiest, visits[s]*time[s].Mean/float64(n[s]))
	}
	rho := between(r, 0.3, 0.75)
	lambda := rho / busiest
	app := simtest.QueueApp(tb, 1, []simtest.Queue{
		{Name: "front", Cores: n[0], Ops: []string{fmt.Sprintf("{name: get, %s, calls: [{op: mid.get, mean: %v}]}", keys[0], calls[0])}},
		{Name: "mid", Cores: n[1], Ops: []string{fmt.Sprintf("{name: get, %s, calls: [{op: leaf.get, mean: %v}]}", keys[1], calls[1])}},
		{Name: "leaf", Cores: n[2], Ops: []string{fmt.Sprintf("{name: get, %s}", keys[2])}},
	}, "front.get")
	c := &queueCase{app: app, rps: []float64{lambda}, params: fmt.Sprintf("visits %.3v, cores %v, %s; %s; %s; ρ %.3f", visits, n, keys[0], keys[1], keys[2], rho)}
	total := 0.0
	for s := range visits {
		q := theory.PS{Lambda: lambda * visits[s], Mean: time[s].Mean, Cores: n[s]}
		own := q.MeanSojourn()
		if s == 1 {
			own += waitMs / 1000
		}
		total += visits[s] * own
		c.claims = append(c.claims, claim{fmt.Sprintf("own time of service %d", s), own, func(t *totals) (float64, float64) {
			return t.services[s].ownS, t.services[s].served
		}})
		c.visits += lambda * visits[s]
		c.relax = max(c.relax, relaxation(q.Mean, time[s].Variance()/(time[s].Mean*time[s].Mean), q.Utilisation()))
	}
	c.relax = 1.5*c.relax + total
	c.claims = append(c.claims, meanLatency(0, total))
	return c
}

func drawForkJoin(tb testing.TB, r *rng.Stream, _ int) *queueCase {
	ms, rho := service(r), between(r, 0.2, 0.8)
	f := theory.ForkJoin2{Lambda: rho * 1000 / ms, Mu: 1000 / ms}
	queues := []simtest.Queue{simtest.Gate("gate", true, "{op: a.get}", "{op: b.get}"), station("a", ms, 1), station("b", ms, 1)}
	return &queueCase{
		app: simtest.QueueApp(tb, 1, queues, "gate.get"), rps: []float64{f.Lambda}, visits: 2 * f.Lambda,
		params: fmt.Sprintf("%v ms, ρ %.3f", ms, rho), relax: relaxation(ms/1000, 1, rho),
		claims: []claim{meanLatency(0, f.MeanSojourn()), meanVisit(1, 1/(f.Mu-f.Lambda))},
	}
}

// drawSetUp: who finds the replica idle costs wake_ms of CPU more, which is an exceptional first service of the
// busy period. How often that is depends on the work alone and not on the order in which it is done: so the CPU is
// claimed for shared cores as well.
func drawSetUp(tb testing.TB, r *rng.Stream, i int) *queueCase {
	ms, rho, sp := service(r), between(r, 0.2, 0.75), speed(r)
	dists := general
	if i%2 == 0 {
		dists = []sim.Dist{sim.Exponential}
	}
	keys, time := duration(r, "cpu_", ms, dists...)
	time.Mean, time.Second = time.Mean/sp, time.Second/sp/sp
	wake := ms * between(r, 0.2, 4)
	first := time.Plus(theory.DeterministicTime(wake / 1000 / sp))
	q := theory.MG1{Lambda: rho / time.Mean, Service: time, First: &first}
	shared := i%7 == 6
	workers := 1
	if shared {
		workers = 0
	}
	c := node(tb, simtest.Queue{Workers: workers, Ops: []string{fmt.Sprintf("{name: get, %s, wake_ms: %v}", keys, wake)}}, sp, q.Lambda)
	c.params = fmt.Sprintf("%s and %.4g ms of set-up, %d workers, speed %v, ρ %.3f", keys, wake, workers, sp, rho)
	c.relax = relaxation(time.Mean, time.Variance()/(time.Mean*time.Mean), rho) + wake/1000
	if !shared {
		c.claims = []claim{meanLatency(0, q.MeanSojourn())}
	}
	c.claims = append(c.claims, cores(0, q.Utilisation()))
	return c
}

// drawReplicas: a Poisson stream dealt to k replicas of one worker, at random (each is M/M/1) or in turn (E_k/M/1).
func drawReplicas(tb testing.TB, r *rng.Stream, i int) *queueCase {
	k, ms, rho := 2+r.IntN(5), service(r), between(r, 0.3, 0.8)
	mu := 1000 / ms
	lambda := rho * mu * float64(k)
	web := station("web", ms, 1)
	web.Replicas = k
	c := &queueCase{rps: []float64{lambda}, visits: lambda, relax: relaxation(1/mu, 1, rho)}
	share := func(p, quantile float64, cdf func(float64) float64) {
		c.claims = append(c.claims, latencyShare(0, p, quantile, cdf))
	}
	if i%2 == 0 {
		web.Balancing = "random"
		q := theory.MM1(rho*mu, mu)
		c.claims = []claim{meanLatency(0, q.MeanSojourn())}
		share(0.95, q.SojournQuantile(0.95), q.SojournCDF)
	} else {
		web.Balancing = "round_robin"
		q := theory.EM1{StageRate: lambda, Stages: k, Mu: mu}
		c.claims = []claim{meanLatency(0, q.MeanSojourn())}
		share(0.5, q.SojournQuantile(0.5), q.SojournCDF)
		share(0.95, q.SojournQuantile(0.95), q.SojournCDF)
	}
	c.params = fmt.Sprintf("%d replicas, %s, %v ms, ρ %.3f", k, web.Balancing, ms, rho)
	c.app = simtest.QueueApp(tb, 1, []simtest.Queue{web}, "web.get")
	return c
}

// drawQuotaVisit: visits that each have their replica to themselves, dealt in turn to so many that a visit ends (in
// at most 3 s) long before the next one comes (10 s later). They begin at any time of its 100 ms period.
func drawQuotaVisit(tb testing.TB, r *rng.Stream, _ int) *queueCase {
	limit, ms := math.Round(between(r, 50, 900)), math.Round(between(r, 2, 150))+1/math.Pi // never a whole number of quotas, where all hangs on the last bit
	q := theory.QuotaVisit{CPU: ms, Quota: limit / 10, Period: 100}
	const replicas, rate = 1000, 100.0
	c := node(tb, simtest.Queue{Replicas: replicas, LimitM: limit, Ops: []string{fmt.Sprintf("{name: get, cpu_ms: %v, dist: deterministic}", ms)}}, 1, rate)
	c.params = fmt.Sprintf("%.2f ms under %v m", ms, limit)
	c.relax = 1
	c.claims = []claim{meanLatency(0, q.MeanTime()/1000)}
	return c
}
