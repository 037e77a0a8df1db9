package sim_test

import (
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// Metamorphic properties: what must not change, or change in a known way, when an application is changed. They ask
// for no truth and so hold the engines on applications for which there is no closed form.

var engines = []struct {
	name string
	make func(tb testing.TB, app *sim.App) sim.Engine
	// steady engines give a steady state without scatter.
	steady bool
	// noise is how far latencies may be off where they ought to be the same, relative. A fluid engine is fitted to runs
	// of the request-level one, anew for each application: its latencies of equal systems differ as those runs do.
	noise float64
	apps  int // of each family
}{
	{"fluid without fits", formulas, true, 1e-9, 8},
	{"fluid", simtest.NewFluid, true, 0.25, 1}, // half a second to fit each
	{"des", func(tb testing.TB, app *sim.App) sim.Engine { return simtest.NewDES(tb, app) }, false, 0, 8},
}

// randomApps are n applications of each family, numbered from 0, whose busiest service is at most 0.8 busy and that are
// not so large that the test takes long.
func randomApps(tb testing.TB, n int, families ...simtest.Family) iter.Seq2[int, *simtest.RandomApp] {
	if sim.RaceEnabled || testing.Short() {
		n = (n + 3) / 4
	}
	return func(yield func(int, *simtest.RandomApp) bool) {
		for _, f := range families {
			for seed, found := uint64(1000), 0; found < n; seed++ {
				a, err := simtest.NewRandomApp(f, seed)
				if err != nil {
					tb.Fatal(err)
				}
				if a.Utilisation >= 0.8 || a.VisitsPerSec >= 3000 {
					continue
				}
				if !yield(found, a) {
					return
				}
				found++
			}
		}
	}
}

func decode(tb testing.TB, text string) *sim.App {
	tb.Helper()
	app, err := sim.DecodeApp(strings.NewReader(text), "changed.yaml")
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return app
}

// steadyRun offers Poisson arrivals and hands the state of each window after the first ones to see. draw turns the
// number of arrivals at each endpoint of the first application into those of the one that runs; nil if they have
// the same endpoints.
type steadyRun struct {
	seed        uint64
	rps         []float64
	replicas    []int
	warm, ticks int
	draw        func(rps, arrivals []float64) sim.TickLoad
	see         func(st *sim.State)
}

func (r *steadyRun) run(tb testing.TB, engine sim.Engine) {
	tb.Helper()
	if err := engine.Reset(r.seed, r.replicas); err != nil {
		tb.Fatal(err)
	}
	stream := rng.New(r.seed, "metamorphic-arrivals")
	arrivals := make([]float64, len(r.rps))
	for tick := range r.warm + r.ticks {
		for e, x := range r.rps {
			arrivals[e] = stream.Poisson(x)
		}
		load := sim.TickLoad{RPS: r.rps, Arrivals: arrivals}
		if r.draw != nil {
			load = r.draw(r.rps, arrivals)
		}
		engine.Step(load)
		if st := engine.State(); st.Window > 0 && tick >= r.warm {
			r.see(st)
		}
	}
}

// meanLatencyMs runs and returns the mean latency of all answered requests.
func (r steadyRun) meanLatencyMs(tb testing.TB, engine sim.Engine) float64 {
	tb.Helper()
	sum, n := 0.0, 0.0
	r.see = func(st *sim.State) {
		for e := range st.Endpoints {
			x := &st.Endpoints[e]
			sum += x.MeanMs * (x.Offered - x.Failed)
			n += x.Offered - x.Failed
		}
	}
	r.run(tb, engine)
	return sum / n
}

// ticksFor is how long to run for about n visits: whole windows.
func ticksFor(a *simtest.RandomApp, n float64) int {
	if sim.RaceEnabled || testing.Short() {
		n /= 4
	}
	return sim.WindowTicks * max(4, int(n/a.VisitsPerSec)/sim.WindowTicks)
}

// A service that is defined and never called changes nothing: the others' states and the endpoints' are the same to
// the last bit, wherever in the file it stands.
func TestUnreachableServiceChangesNothing(t *testing.T) {
	const idle = `  - name: idle
    cpu_request_m: 10
    cpu_limit_m: 500
    mem_request_mib: 1
    mem_limit_mib: 1
    base_cpu_m: 3
    replicas: {min: 3, max: 3}
    operations:
      - {name: get, cpu_ms: 5, cv: 1, calls: [{op: s1.o0, mean: 3}]}
`
	for n, a := range randomApps(t, 8, simtest.Families...) {
		for _, engine := range engines {
			if n >= engine.apps {
				continue
			}
			states := func(app *sim.App) (out []string) {
				r := steadyRun{seed: a.Seed, rps: a.RPS, ticks: ticksFor(a, 20_000)}
				r.see = func(st *sim.State) {
					for s := range st.Services {
						if app.Services[s].Name != "idle" {
							out = append(out, fmt.Sprintf("%v %s %+v", st.At, app.Services[s].Name, st.Services[s]))
						}
					}
					for e := range st.Endpoints {
						out = append(out, fmt.Sprintf("%v %s %+v", st.At, app.Endpoints[e].Name, st.Endpoints[e]))
					}
				}
				r.run(t, engine.make(t, app))
				return out
			}
			was := states(decode(t, a.YAML))
			for _, where := range []string{"endpoints:\n", "  - name: s1\n", "  - name: s0\n"} {
				is := states(decode(t, strings.Replace(a.YAML, where, idle+where, 1)))
				for i := range was {
					if was[i] != is[i] {
						t.Errorf("%s, %s %d: with a service that nobody calls before %q:\nwas %s\nis  %s", engine.name, a.Family, a.Seed, strings.TrimSpace(where), was[i], is[i])
						break
					}
				}
			}
		}
	}
}

// Two endpoints whose operations cost and call the same are one endpoint with the load of both: the services'
// states are the same to the last bit for the des engine, where every request draws the same numbers, and within
// 1e-9 for the fluid one, where sums are taken in another order; together the endpoints count the same.
func TestEqualClassesMerge(t *testing.T) {
	for n, a := range randomApps(t, 8, simtest.Families...) {
		op := regexp.MustCompile(`(?m)^      - \{name: o0, (.*)$`)
		at := op.FindStringIndex(a.YAML) // that of s0, the first one
		line := a.YAML[at[0]:at[1]]
		text := a.YAML[:at[1]] + "\n" + strings.Replace(line, "name: o0,", "name: same,", 1) + a.YAML[at[1]:]
		weight := regexp.MustCompile(`(?m)^(  - \{name: e0, .*weight: )([0-9.eE+-]+)(.*\n)`)
		endpoint := weight.FindStringSubmatch(text)
		w, _ := strconv.ParseFloat(endpoint[2], 64)
		one := fmt.Sprint(endpoint[1], w/2, endpoint[3])
		text = strings.Replace(text, endpoint[0], one+strings.NewReplacer("name: e0,", "name: same,", "s0.o0,", "s0.same,").Replace(one), 1)
		half := rng.New(a.Seed, "halves")
		for _, engine := range engines {
			if n >= engine.apps {
				continue
			}
			r := steadyRun{seed: a.Seed, rps: a.RPS, ticks: ticksFor(a, 20_000)}
			var merged []sim.State
			r.see = func(st *sim.State) { merged = append(merged, cloned(st)) }
			r.run(t, engine.make(t, decode(t, a.YAML)))
			r.draw = func(rps, arrivals []float64) sim.TickLoad {
				first := math.Floor(arrivals[0] * half.Float64())
				return sim.TickLoad{
					RPS:      slices.Concat([]float64{rps[0] / 2, rps[0] / 2}, rps[1:]),
					Arrivals: slices.Concat([]float64{first, arrivals[0] - first}, arrivals[1:]),
				}
			}
			k := 0
			r.see = func(st *sim.State) {
				if k < len(merged) && !t.Failed() {
					sameClasses(t, fmt.Sprintf("%s, %s %d, window %d", engine.name, a.Family, a.Seed, k), &merged[k], st, engine.steady, engine.noise)
				}
				k++
			}
			r.run(t, engine.make(t, decode(t, text)))
			if k != len(merged) {
				t.Fatalf("%d windows, then %d", len(merged), k)
			}
		}
	}
}

func cloned(st *sim.State) sim.State {
	return sim.State{At: st.At, Window: st.Window, Services: slices.Clone(st.Services), Endpoints: slices.Clone(st.Endpoints)}
}

// sameClasses compares a window with that of the application in which the first class is split.
func sameClasses(t *testing.T, where string, merged, split *sim.State, steady bool, noise float64) {
	t.Helper()
	equal := func(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*(1+math.Abs(a)) }
	rounding := min(noise, 1e-9)
	for s := range merged.Services {
		a, b := &merged.Services[s], &split.Services[s]
		if !equal(a.ArrivalRPS, b.ArrivalRPS, rounding) || !equal(a.ServedRPS, b.ServedRPS, rounding) || !equal(a.Backlog, b.Backlog, rounding) ||
			!equal(a.CPUUsedMillis, b.CPUUsedMillis, rounding) || !equal(a.Throttled, b.Throttled, noise) || !equal(a.MeanMs, b.MeanMs, noise) ||
			!equal(a.OwnMs, b.OwnMs, noise) || !equal(a.P95Ms, b.P95Ms, 2*noise) {
			t.Errorf("%s: service %d:\none class   %+v\ntwo classes %+v", where, s, *a, *b)
			return
		}
	}
	one, x, y := &merged.Endpoints[0], &split.Endpoints[0], &split.Endpoints[1]
	if sum := x.Offered + y.Offered; sum != one.Offered {
		t.Errorf("%s: %v requests, then %v", where, one.Offered, sum)
	}
	if !steady {
		// A window completes other requests than those it is offered, so the mean of two means has unknown weights;
		// the services have told that they are the same.
		if x.Late+y.Late != one.Late {
			t.Errorf("%s: %v late, then %v", where, one.Late, x.Late+y.Late)
		}
		return
	}
	done := func(e *sim.EndpointState) float64 { return e.Offered - e.Failed }
	if got, want := x.MeanMs*done(x)+y.MeanMs*done(y), one.MeanMs*done(one); !equal(want, got, 2*noise) {
		t.Errorf("%s: requests take %v ms in all, then %v", where, want, got)
	}
}
