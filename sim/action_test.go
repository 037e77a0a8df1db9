package sim

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestActionLayout(t *testing.T) {
	for _, tc := range []struct {
		app, mode          string
		perService, global int
		nvec               []int
	}{
		{app: "one", mode: ActionJoint, perService: 10, nvec: []int{5, 5}},
		{app: "one", mode: ActionSelect, perService: 25, global: 1, nvec: []int{26}},
		{app: "chain", mode: ActionJoint, perService: 12, nvec: []int{5, 5, 2, 5, 5, 2, 5, 5, 2}},
		{app: "chain", mode: ActionSelect, perService: 50, global: 1, nvec: []int{151}},
	} {
		cfg := DefaultActionConfig()
		cfg.Mode = tc.mode
		spec := NewActions(loadApp(t, "simtest/apps/"+tc.app+".yaml"), cfg).Spec()
		if spec.Mode != tc.mode || spec.PerService != tc.perService || spec.Global != tc.global || !slices.Equal(spec.NVec, tc.nvec) {
			t.Errorf("%s, %s: %+v", tc.app, tc.mode, spec)
		}
	}
}

// Tuples by hand: chain, logic (service 1) with 2 of 1 to 5 replicas at 400 m, requests 200 m.
func TestRequestsByHand(t *testing.T) {
	app := chainApp(t)
	v := NewView(app)
	for s := range v.Services {
		v.Services[s] = ServiceView{Spec: 2, QuotaMillis: app.Services[s].CPULimitMillis, RequestMillis: app.Services[s].CPURequestMillis}
	}
	joint := NewActions(app, DefaultActionConfig())
	keep := []int32{2, 2, 0} // delta 0, factor 1; the pool does not matter
	for _, tc := range []struct {
		name  string
		logic []int32
		want  []ScaleRequest
	}{
		{"nothing", []int32{2, 2, 1}, nil},
		{"two more, fast pool", []int32{4, 2, 1}, []ScaleRequest{{Service: 1, Replicas: 4, Pool: 1}}},
		{"one less: no pool", []int32{1, 2, 1}, []ScaleRequest{{Service: 1, Replicas: 1, Pool: AnyPool}}},
		{"half the quota", []int32{2, 0, 0}, []ScaleRequest{{Service: 1, Replicas: KeepReplicas, QuotaMillis: 200, Pool: AnyPool}}},
		{"both", []int32{3, 3, 0}, []ScaleRequest{{Service: 1, Replicas: 3, QuotaMillis: 500, Pool: 0}}},
	} {
		got, done, err := joint.Requests(v, slices.Concat(keep, tc.logic, keep), nil)
		if err != nil || !done || !slices.Equal(got, tc.want) {
			t.Errorf("joint, %s: %+v, done %v, error %v; want %+v", tc.name, got, done, err, tc.want)
		}
	}
	cfg := DefaultActionConfig()
	cfg.Mode = ActionSelect
	sel := NewActions(app, cfg)
	for _, tc := range []struct {
		name   string
		action int32
		want   []ScaleRequest
		done   bool
	}{
		{"nothing", 150, nil, true},
		{"two more of logic, fast pool", 50 + (4*5+2)*2 + 1, []ScaleRequest{{Service: 1, Replicas: 4, Pool: 1}}, false},
		{"store: one less at 0.8", 100 + (1*5+1)*2, []ScaleRequest{{Service: 2, Replicas: 1, QuotaMillis: 160, Pool: AnyPool}}, false},
	} {
		got, done, err := sel.Requests(v, []int32{tc.action}, nil)
		if err != nil || done != tc.done || !slices.Equal(got, tc.want) {
			t.Errorf("select, %s: %+v, done %v, error %v; want %+v", tc.name, got, done, err, tc.want)
		}
	}
	for _, bad := range [][]int32{{151}, {-1}, {}, {1, 2}} {
		if _, _, err := sel.Requests(v, bad, nil); err == nil {
			t.Errorf("action %v was accepted", bad)
		}
	}
}

// Whatever has been done before, in every view: no part of a mask is empty, and an allowed action does on the engine
// exactly what it says: so many pods more or less, the quota changed, new pods in the pool asked for (or
// waiting, if no pool has room). What is masked would have been clamped or refused, or is a second name.
func TestMasksAllowWhatTheEngineDoes(t *testing.T) {
	app := chainApp(t)
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultActionConfig()
		cfg.Mode = rapid.SampledFrom([]string{ActionJoint, ActionSelect}).Draw(t, "mode")
		cfg.MaxDelta = rapid.IntRange(1, 4).Draw(t, "max delta")
		a := NewActions(app, cfg)
		engine, err := NewFluid(app, FluidOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		m, v := NewMetrics(app, MetricsConfig{}), NewView(app)
		spec := EnvSpec{Services: len(app.Services), Action: a.Spec()}
		mask := make([]bool, spec.MaskWidth())
		load := TickLoad{RPS: mixOf(app, 20), Arrivals: mixOf(app, 20)}
		for range 30 {
			m.View(engine.State(), v)
			a.Mask(v, mask)
			action := make([]int32, len(spec.Action.NVec))
			at := 0
			for i, n := range spec.Action.NVec {
				var allowed []int32
				for k, ok := range mask[at : at+n] {
					if ok {
						allowed = append(allowed, int32(k))
					}
				}
				if len(allowed) == 0 {
					t.Fatalf("nothing is allowed in part %d", i)
				}
				action[i] = rapid.SampledFrom(allowed).Draw(t, "choice")
				at += n
			}
			requests, _, err := a.Requests(v, action, nil)
			if err != nil {
				t.Fatal(err)
			}
			// One service at a time: masks of different services know nothing of each other.
			if len(requests) > 0 {
				checkCarriedOut(t, app, engine, requests[0])
			}
			for range rapid.IntRange(0, 15).Draw(t, "ticks") {
				engine.Step(load)
			}
		}
	})
}

func checkCarriedOut(t *rapid.T, app *App, engine *Fluid, r ScaleRequest) {
	t.Helper()
	st := engine.State()
	before := st.Services[r.Service]
	placed := placedInPools(app, st, r.Service)
	result := engine.Scale(r)
	after := st.Services[r.Service]
	if r.Replicas != KeepReplicas && (result.Added-result.Removed != r.Replicas-before.Spec || after.Spec != r.Replicas) {
		t.Fatalf("%+v: %+v, spec %d to %d", r, result, before.Spec, after.Spec)
	}
	if r.QuotaMillis > 0 && (!result.QuotaChanged || after.QuotaMillis != r.QuotaMillis) {
		t.Fatalf("%+v: the quota stayed at %v of nominal %v", r, after.QuotaMillis, app.Services[r.Service].CPULimitMillis)
	}
	if r.Pool == AnyPool || before.Pending > 0 || r.QuotaMillis > 0 {
		return
	}
	got := placedInPools(app, st, r.Service)
	for p := range got {
		if p != r.Pool && got[p] != placed[p] {
			t.Fatalf("%+v: pods of pool %d went from %d to %d", r, p, placed[p], got[p])
		}
	}
}

func placedInPools(app *App, st *State, s int) []int {
	out := make([]int, len(app.Pools))
	for n, k := range st.Placed[s*len(st.Nodes) : (s+1)*len(st.Nodes)] {
		out[st.Nodes[n].Pool] += k
	}
	return out
}

// The bounds by hand, on one (100 to 800 m of quota allowed around 200 m, nodes of 2000 m, base 0).
func TestMaskByHand(t *testing.T) {
	app := oneApp(t)
	cfg := DefaultActionConfig()
	cfg.QuotaMin = 0.5
	a := NewActions(app, cfg)
	mask := make([]bool, 10)
	for _, tc := range []struct {
		name  string
		spec  int
		quota float64
		free  float64 // on the node where its two pods are
		want  string  // + allowed, - not: delta -2 to 2, then factors 0.5 to 2
	}{
		{"in the middle", 5, 200, 1000, "+++++ +++++"},
		{"at the minimum", 1, 200, 1000, "--+++ +++++"},
		{"one above it", 2, 200, 1000, "-++++ +++++"},
		{"at the maximum", 10, 200, 1000, "+++-- +++++"},
		{"lowest quota", 5, 100, 1000, "+++++ --+++"},
		{"highest quota", 5, 800, 1000, "+++++ +++--"},
		{"no room for larger requests", 5, 200, 49, "+++++ +++--"},
		{"room for a quarter more", 5, 200, 50, "+++++ ++++-"},
	} {
		v := NewView(app)
		v.Services[0] = ServiceView{Spec: tc.spec, QuotaMillis: tc.quota, RequestMillis: tc.quota / 2}
		v.Nodes[0] = NodeView{CPUMillis: 2000, FreeCPUMillis: tc.free, FreeMemMiB: 1000}
		v.Placed[0] = 2
		a.Mask(v, mask)
		got := ""
		for i, ok := range mask {
			if i == 5 {
				got += " "
			}
			got += map[bool]string{true: "+", false: "-"}[ok]
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// A quota that an idle replica would use up is never allowed.
func TestMaskKeepsQuotaAboveIdle(t *testing.T) {
	app := oneApp(t)
	app.Services[0].BaseCPUMillis = 100
	a := NewActions(app, DefaultActionConfig())
	v, mask := NewView(app), make([]bool, 10)
	v.Services[0] = ServiceView{Spec: 5, QuotaMillis: 200, RequestMillis: 100}
	a.Mask(v, mask)
	if got := [2]bool{mask[5], mask[6]}; got != [2]bool{false, true} {
		t.Errorf("100 m and 160 m with 100 m used when idle: allowed %v", got)
	}
}

// The room in a pool: a pool without is masked, unless none has any.
func TestPoolMask(t *testing.T) {
	app := chainApp(t)
	a := NewActions(app, DefaultActionConfig())
	mask := make([]bool, 36)
	for _, tc := range []struct {
		free [3]float64 // CPU of the nodes: slow, slow, fast
		want [2]bool
	}{
		{[3]float64{0, 150, 150}, [2]bool{true, true}}, {[3]float64{0, 0, 150}, [2]bool{false, true}},
		{[3]float64{150, 0, 99}, [2]bool{true, false}}, {[3]float64{0, 0, 0}, [2]bool{true, true}},
	} {
		v := NewView(app)
		for n, free := range tc.free {
			v.Nodes[n] = NodeView{Pool: n / 2, FreeCPUMillis: free, FreeMemMiB: 1000}
		}
		v.Services[0] = ServiceView{Spec: 2, QuotaMillis: 200, RequestMillis: 100}
		a.Mask(v, mask)
		if got := [2]bool{mask[10], mask[11]}; got != tc.want {
			t.Errorf("free %v: pools %v, want %v", tc.free, got, tc.want)
		}
	}
}

// In select mode the view that the next decision of a turn is made on agrees with what the engine then shows: same
// spec, quotas, placement and room, as long as no pod goes or waits.
func TestOverlayAgreesWithEngine(t *testing.T) {
	app := chainApp(t)
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultActionConfig()
		cfg.Mode = ActionSelect
		a := NewActions(app, cfg)
		engine, err := NewFluid(app, FluidOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		m, v, now := NewMetrics(app, MetricsConfig{}), NewView(app), NewView(app)
		m.View(engine.State(), v)
		mask := make([]bool, 151)
		for range 8 {
			a.Mask(v, mask)
			var allowed []int32
			for k, ok := range mask {
				if ok {
					allowed = append(allowed, int32(k))
				}
			}
			requests, _, err := a.Requests(v, []int32{rapid.SampledFrom(allowed).Draw(t, "choice")}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(requests) == 0 || (requests[0].Replicas != KeepReplicas && requests[0].Replicas < v.Services[requests[0].Service].Spec) {
				continue
			}
			if v.Services[0].Pending+v.Services[1].Pending+v.Services[2].Pending > 0 {
				return
			}
			checkCarriedOut(t, app, engine, requests[0])
			a.overlay(v, requests)
			m.View(engine.State(), now)
			for s := range v.Services {
				x, y := &v.Services[s], &now.Services[s]
				if x.Spec != y.Spec || x.Pending != y.Pending || x.Starting != y.Starting || x.QuotaMillis != y.QuotaMillis || math.Abs(x.RequestMillis-y.RequestMillis) > 1e-9 {
					t.Fatalf("after %+v: service %d is shown as %+v, is %+v", requests[0], s, *x, *y)
				}
			}
			for n := range v.Nodes {
				if math.Abs(v.Nodes[n].FreeCPUMillis-now.Nodes[n].FreeCPUMillis) > 1e-6 || math.Abs(v.Nodes[n].FreeMemMiB-now.Nodes[n].FreeMemMiB) > 1e-6 {
					t.Fatalf("after %+v: node %d is shown as %+v, is %+v", requests[0], n, v.Nodes[n], now.Nodes[n])
				}
			}
			if !slices.Equal(v.Placed, now.Placed) {
				t.Fatalf("after %+v: pods are shown on %v, are on %v", requests[0], v.Placed, now.Placed)
			}
		}
	})
}

func TestActionConfigMistakes(t *testing.T) {
	err := ActionConfig{Mode: "all", MaxDelta: 0, QuotaSteps: []float64{2, 0.5, -1}, QuotaMin: 2, QuotaMax: 0.5}.Validate()
	for _, want := range []string{`mode: unknown "all"`, "max_delta: 0", "quota_steps[1]: 0.5; the factors must ascend", "quota_steps[2]: factor -1",
		"the factor 1 (leave the quota) must be among them", "quota_min: 2", "quota_max: 0.5", "decisions_per_interval: 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from: %v", want, err)
		}
	}
}

// A unit of change is one replica for small services and a twelfth of large ones; steps end at the bounds, and all that lies between them
// can be come by.
func TestChangeUnits(t *testing.T) {
	app := hundredPods(t)
	cfg := DefaultActionConfig()
	cfg.MaxDelta, cfg.QuotaSteps = 6, []float64{1}
	a, v := NewActions(app, cfg), NewView(app)
	mask := make([]bool, a.Spec().PerService)
	for spec, unit := range map[int]int{1: 1, 12: 1, 23: 1, 24: 2, 60: 5, 119: 9, 120: 10} {
		v.Services[0].Spec, v.Services[0].QuotaMillis = spec, app.Services[0].CPULimitMillis
		a.Mask(v, mask)
		last := spec
		for d := 0; d <= 2*cfg.MaxDelta; d++ {
			requests, _, err := a.Requests(v, []int32{int32(d), 0}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := min(max(spec+(d-cfg.MaxDelta)*unit, 1), 120)
			got := spec
			if len(requests) > 0 {
				got = requests[0].Replicas
			}
			if got != want {
				t.Errorf("%d pods, choice %d: %d pods, want %d", spec, d, got, want)
			}
			// Allowed is what the choice one unit nearer to none does not do already.
			nearer := min(max(spec+(d-cfg.MaxDelta-sign(d-cfg.MaxDelta))*unit, 1), 120)
			if allowed := d == cfg.MaxDelta || want != nearer; mask[d] != allowed {
				t.Errorf("%d pods, choice %d leads to %d: allowed %v", spec, d, want, mask[d])
			}
			last = got
		}
		if spec >= 60 && last < spec*3/2 && last != 120 {
			t.Errorf("%d pods: six units lead to %d", spec, last)
		}
		for n := 1; n <= 120; n++ { // the expert never ends below, and comes as near as a unit
			d := a.towards(v, 0, n)
			if d == -cfg.MaxDelta || d == cfg.MaxDelta {
				continue
			}
			if got := a.after(v, 0, d); got < n || got >= n+unit {
				t.Errorf("%d pods, %d wanted: %d", spec, n, got)
			}
		}
	}
}

func sign(x int) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

// hundredPods is one service of 1 to 120 pods.
func hundredPods(t *testing.T) *App {
	t.Helper()
	app, err := DecodeApp(strings.NewReader(`format: 1
name: pods
services:
  - name: web
    cpu_request_m: 100
    cpu_limit_m: 200
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 120}
    operations:
      - {name: get, cpu_ms: 1}
endpoints:
  - {name: page, op: web.get, weight: 1, slo_ms: 100}
pools:
  - {name: general, nodes: 1, cpu_m: 64000, mem_mib: 64000, price_per_core_hour: 0.04}
`), "pods.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return app
}
