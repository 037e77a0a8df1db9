package sim_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
	"gonum.org/v1/gonum/stat/distuv"
)

var times = regexp.MustCompile(`\b(cpu_ms|wait_ms|wake_ms|slo_ms|timeout_ms): ([0-9.eE+-]+)`)

// stretched multiplies every time of an application file by k.
func stretched(text string, k float64) string {
	return times.ReplaceAllStringFunc(text, func(s string) string {
		m := times.FindStringSubmatch(s)
		x, _ := strconv.ParseFloat(m[2], 64)
		return fmt.Sprintf("%s: %v", m[1], x*k)
	})
}

// Where no quota sets a scale of time, all times k times as long and the load k times less make all latencies k
// times as long and leave the CPU used as it is.
const slowMotion = 3

// inSlowMotion is an application and its load, and both slowed.
func inSlowMotion(t *testing.T, a *simtest.RandomApp) (base, slow *sim.App, rps []float64) {
	t.Helper()
	text := strings.ReplaceAll(a.YAML, "slo_ms: 1000", "slo_ms: 1000, timeout_ms: 100000")
	for _, r := range a.RPS {
		rps = append(rps, r/slowMotion)
	}
	return decode(t, text), decode(t, stretched(text, slowMotion)), rps
}

// The mean latencies of independent runs differ by more than Student's t at 99.9 % allows in one application of a
// thousand.
func TestTimeScalesDES(t *testing.T) {
	for _, a := range randomApps(t, 10, simtest.Free) {
		base, slow, less := inSlowMotion(t, a)
		fast, slowly := simtest.NewDES(t, base), simtest.NewDES(t, slow)
		var diff []float64
		for seed := range uint64(12) {
			ticks := ticksFor(a, 15_000)
			x := steadyRun{seed: seed, rps: a.RPS, warm: ticks / 4, ticks: ticks}.meanLatencyMs(t, fast)
			y := steadyRun{seed: seed, rps: less, warm: slowMotion * (ticks / 4), ticks: slowMotion * ticks}.meanLatencyMs(t, slowly)
			diff = append(diff, y/slowMotion/x-1)
		}
		if mean, limit := meanAndLimit(diff, 0.999); math.Abs(mean) > limit {
			t.Errorf("%s %d: in slow motion mean latency is off by %.2f %% ± %.2f %%", a.Family, a.Seed, 100*mean, 100*limit)
		}
	}
}

// Without fits, the fluid engine's stationary state scales within 1e-9; with them, within their noise.
func TestTimeScalesFluid(t *testing.T) {
	for n, a := range randomApps(t, 8, simtest.Free) {
		for _, engine := range engines {
			if !engine.steady || n >= engine.apps {
				continue
			}
			base, slow, less := inSlowMotion(t, a)
			// What arrives is just what is expected.
			exactly := func(rps, _ []float64) sim.TickLoad { return sim.TickLoad{RPS: rps, Arrivals: rps} }
			final := func(app *sim.App, rps []float64) (st sim.State) {
				r := steadyRun{seed: 1, rps: rps, ticks: 60, draw: exactly, see: func(now *sim.State) { st = cloned(now) }}
				r.run(t, engine.make(t, app))
				return st
			}
			one, other := final(base, a.RPS), final(slow, less)
			scales := func(where, what string, got, want, tolerance float64) {
				if !(math.Abs(got-want) <= tolerance*(1+want)) {
					t.Errorf("%s, %s %d: %s: %s is %v in slow motion, want %v", engine.name, a.Family, a.Seed, where, what, got, want)
				}
			}
			for s := range one.Services {
				p, q, name := &one.Services[s], &other.Services[s], base.Services[s].Name
				scales(name, "mean", q.MeanMs, slowMotion*p.MeanMs, engine.noise)
				scales(name, "own time", q.OwnMs, slowMotion*p.OwnMs, engine.noise)
				scales(name, "p95", q.P95Ms, slowMotion*p.P95Ms, 2*engine.noise)
				scales(name, "visits/s", slowMotion*q.ServedRPS, p.ServedRPS, 1e-9)
				scales(name, "CPU", q.CPUUsedMillis, p.CPUUsedMillis, 1e-9)
			}
			for e := range one.Endpoints {
				p, q, name := &one.Endpoints[e], &other.Endpoints[e], base.Endpoints[e].Name
				scales(name, "mean", q.MeanMs, slowMotion*p.MeanMs, engine.noise)
				scales(name, "p95", q.P95Ms, slowMotion*p.P95Ms, 2*engine.noise)
			}
		}
	}
}

// meanAndLimit is the mean of xs and the half-width of its confidence interval by Student's t.
func meanAndLimit(xs []float64, confidence float64) (mean, limit float64) {
	n, square := float64(len(xs)), 0.0
	for _, x := range xs {
		mean += x / n
	}
	for _, x := range xs {
		square += (x - mean) * (x - mean) / (n - 1)
	}
	return mean, distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.5+confidence/2) * math.Sqrt(square/n)
}

// In steady state one more replica of a service never makes requests slower. The same requests meet both. For the
// fluid engine that is exact; for the des engine as far as the scatter of the difference tells (at 99.9 %) and within
// a hundredth: a faster service passes on what it held back in bursts, which those behind it may like less.
func TestOneMoreReplicaNeverHurts(t *testing.T) {
	for n, a := range randomApps(t, 8, simtest.Families...) {
		more := a.App.InitialReplicas()
		s := a.Busiest
		if more[s] == a.App.Services[s].MaxReplicas {
			s = (s + 1) % len(more)
		}
		more[s]++
		for _, engine := range engines {
			if n >= engine.apps {
				continue
			}
			e := engine.make(t, decode(t, a.YAML))
			ticks, seeds := ticksFor(a, 15_000), uint64(8)
			if engine.steady {
				seeds = 1
			}
			var diff []float64
			for seed := range seeds {
				r := steadyRun{seed: seed, rps: a.RPS, warm: ticks / 4, ticks: ticks}
				x := r.meanLatencyMs(t, e)
				r.replicas = more
				diff = append(diff, r.meanLatencyMs(t, e)/x-1)
			}
			mean, limit, slack := diff[0], 0.0, min(engine.noise, 0.01)
			if !engine.steady {
				mean, limit = meanAndLimit(diff, 0.999)
				slack = 0.01
			}
			if mean-limit > slack {
				t.Errorf("%s, %s %d: one more replica of service %d makes requests slower by %.3g %% ± %.3g %%", engine.name, a.Family, a.Seed, s, 100*mean, 100*limit)
			}
		}
	}
}
