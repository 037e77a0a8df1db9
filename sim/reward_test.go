package sim

import (
	"math"
	"strings"
	"testing"
	"time"
)

func chainApp(tb testing.TB) *App { return loadApp(tb, "simtest/apps/chain.yaml") }
func oneApp(tb testing.TB) *App   { return loadApp(tb, "simtest/apps/one.yaml") }

// stateOf is a state of app with these replicas, all ready, at nominal quotas, all pods on node 0.
func stateOf(app *App, replicas ...int) *State {
	st := &State{Services: make([]ServiceState, len(app.Services)), Endpoints: make([]EndpointState, len(app.Endpoints))}
	for p := range app.Pools {
		for range app.Pools[p].Nodes {
			st.Nodes = append(st.Nodes, NodeState{Pool: p, CPUMillis: app.Pools[p].CPUMillis, MemMiB: app.Pools[p].MemMiB, SpeedFactor: app.Pools[p].SpeedFactor, PricePerCoreHour: app.Pools[p].PricePerCoreHour})
		}
	}
	st.Placed = make([]int, len(app.Services)*len(st.Nodes))
	for s, n := range replicas {
		svc := &app.Services[s]
		st.Services[s] = ServiceState{Spec: n, Ready: n, QuotaMillis: svc.CPULimitMillis, RequestMillis: svc.CPURequestMillis, MemMiB: svc.MemBaseMiB}
		st.Placed[s*len(st.Nodes)] = n
	}
	return st
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*(1+math.Abs(b)) }

func checkTerms(t *testing.T, got, want RewardTerms) {
	t.Helper()
	if !near(got.SLOViolation, want.SLOViolation) || !near(got.Slack, want.Slack) || !near(got.Overshoot, want.Overshoot) || !near(got.ReplicaLag, want.ReplicaLag) || !near(got.Undershoot, want.Undershoot) {
		t.Errorf("terms\n got %+v\nwant %+v", got, want)
	}
}

// One service with requests of 100 m. Window 1: 4 replicas ready; window 2: 4 ready, 2 starting of 7 wanted, 1 pending;
// both 5 ticks. Need: 2 replicas, then 5. CPU used: 150 m, then 550 m.
//
//	allocated = 5·400 + 5·600 = 5000 m·ticks
//	unused    = 5·(400-150) + 5·(600-550) = 1500            -> slack 0.3
//	above     = 5·(400-200) + 5·(600-500) = 1500            -> overshoot 0.3
//	below     = 0 + 5·(500-400) of 5·200 + 5·500            -> undershoot 500/3500
//	missing   = 0 + 5·3 of wanted 5·4 + 5·7                 -> lag 15/55
//	bad       = (2+1) + (3+4) of 20+20                      -> 10/40
//	reward    = -5·0.25 - 0.3 - 3·0.3 - 2·15/55 = -2.9954…
func TestRewardByHand(t *testing.T) {
	app := oneApp(t)
	cfg := DefaultRewardConfig()
	m := NewRewardMeter(app, cfg)
	st := stateOf(app, 4)
	m.Reset(st)
	step := func(needed int, used float64, ep EndpointState) {
		st.Services[0].CPUUsedMillis = -1e9 // stale until the window ends: must not be read
		for tick := range WindowTicks {
			st.Window = 0
			if tick == WindowTicks-1 {
				st.Window, st.Services[0].CPUUsedMillis, st.Endpoints[0] = WindowTicks, used, ep
			}
			m.Tick(st, []int{needed})
		}
	}
	step(2, 150, EndpointState{Offered: 20, Failed: 2, Late: 1, MeanMs: 100})
	st.Services[0].Spec, st.Services[0].Starting, st.Services[0].Pending = 7, 2, 1
	step(5, 550, EndpointState{Offered: 20, Failed: 3, Late: 4, MeanMs: 300})
	if got := m.MeanLatencyMs(); got != 200 {
		t.Errorf("mean latency %v, want 200", got)
	}
	terms := m.Take()
	checkTerms(t, terms, RewardTerms{SLOViolation: 0.25, Slack: 0.3, Overshoot: 0.3, ReplicaLag: 15. / 55, Undershoot: 1. / 7})
	if got, want := cfg.Of(terms), -5*0.25-0.3-0.9-2*15./55; !near(got, want) {
		t.Errorf("reward %v, want %v", got, want)
	}
	cfg.Undershoot = 7
	if got, want := cfg.Of(terms), -5*0.25-0.3-0.9-2*15./55-1; !near(got, want) {
		t.Errorf("reward with undershoot %v, want %v", got, want)
	}
	checkTerms(t, m.Take(), RewardTerms{}) // nothing since
}

// A window that ends early weighs with its ticks, and the tick's pods, not the window's, are counted: 2 ticks with 4
// replicas and 3 with 8, all unused: allocated = 2·400 + 3·800 = 3200, above the need of 4 by 3·400.
func TestRewardOfShortWindows(t *testing.T) {
	app := oneApp(t)
	m := NewRewardMeter(app, DefaultRewardConfig())
	st := stateOf(app, 4)
	m.Reset(st)
	for tick := range 5 {
		st.Window = map[int]int{1: 2, 4: 3}[tick]
		m.Tick(st, []int{4})
		if tick == 1 {
			st.Services[0].Spec, st.Services[0].Ready = 8, 8
		}
	}
	checkTerms(t, m.Take(), RewardTerms{Slack: 1, Overshoot: 1200. / 3200})
}

// The edges: nothing offered but something failed (backlog of before); more bad than offered; CPU used beyond
// the requests; a quota change moves the request; nothing allocated.
func TestRewardEdges(t *testing.T) {
	app := oneApp(t)
	for _, tc := range []struct {
		name string
		set  func(st *State)
		want RewardTerms
	}{
		{"only failures", func(st *State) { st.Endpoints[0] = EndpointState{Failed: 3} }, RewardTerms{SLOViolation: 1, Slack: 1, Overshoot: 0.5}},
		{"more bad than offered", func(st *State) { st.Endpoints[0] = EndpointState{Offered: 2, Failed: 2, Late: 2} }, RewardTerms{SLOViolation: 1, Slack: 1, Overshoot: 0.5}},
		{"burst", func(st *State) { st.Services[0].CPUUsedMillis = 900 }, RewardTerms{Overshoot: 0.5}},
		{"half quota", func(st *State) { st.Services[0].RequestMillis = 50 }, RewardTerms{Slack: 1}},
		{"nothing", func(st *State) { st.Services[0].Ready = 0 }, RewardTerms{ReplicaLag: 1, Undershoot: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := NewRewardMeter(app, DefaultRewardConfig())
			st := stateOf(app, 4)
			m.Reset(st)
			tc.set(st)
			st.Window = 1
			m.Tick(st, []int{2})
			checkTerms(t, m.Take(), tc.want)
		})
	}
}

// Prices: front's 2 pods (100 m) on a slow node (0.03), logic's 1 pod (200 m) on the fast node (0.06), store's none.
// Nothing used, 1 replica of each needed: allocated = 0.03·200 + 0.06·200 = 18, above = 0.03·100 = 3; needed 3 + 12 + 3, of which the store's
// 3 are missing.
func TestRewardWeighsPrices(t *testing.T) {
	app := chainApp(t)
	m := NewRewardMeter(app, DefaultRewardConfig())
	st := stateOf(app, 2, 1, 0)
	nodes := len(st.Nodes)
	st.Placed[nodes], st.Placed[nodes+2] = 0, 1
	m.Reset(st)
	st.Window = 1
	m.Tick(st, []int{1, 1, 1})
	checkTerms(t, m.Take(), RewardTerms{Slack: 1, Overshoot: 3. / 18, Undershoot: 3. / 18})
}

// A new replica of the stateful store holds 200 MiB; at 50 MiB/s it lags 4 s, 3 s, ... behind in the ticks after it
// becomes ready; with a bound of 10 s it counts 0.4 + 0.3 + 0.2 + 0.1 = 1 in all. Wanted: 2 stores and 1 + 1 others, in
// 10 ticks 40. The other services' new replicas count nothing.
func TestReplicationLag(t *testing.T) {
	app := chainApp(t)
	m := NewRewardMeter(app, DefaultRewardConfig())
	st := stateOf(app, 1, 1, 1)
	m.Reset(st)
	st.Services[2].Spec, st.Services[2].Ready = 2, 2
	for range 10 {
		m.Tick(st, []int{1, 1, 1})
	}
	if got, want := m.Take().ReplicaLag, 1.0/40; !near(got, want) {
		t.Errorf("replica lag %v, want %v", got, want)
	}
	// While it starts it is simply not ready; if it is taken away while copying, its lag goes with it.
	st.Services[2].Spec, st.Services[2].Ready = 3, 3
	m.Tick(st, []int{1, 1, 1})
	st.Services[2].Spec, st.Services[2].Ready = 2, 2
	m.Tick(st, []int{1, 1, 1})
	if got, want := m.Take().ReplicaLag, 0.4/(5+4); !near(got, want) {
		t.Errorf("replica lag %v, want %v", got, want)
	}
}

func TestRewardMeterAllocatesNothing(t *testing.T) {
	app := chainApp(t)
	m := NewRewardMeter(app, DefaultRewardConfig())
	st := stateOf(app, 2, 2, 2)
	needed := []int{1, 1, 1}
	k := 0
	if n := testing.AllocsPerRun(200, func() {
		k++
		st.Services[2].Ready = k % 4
		st.Window = k % 2
		m.Tick(st, needed)
		m.Take()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRewardConfigMistakes(t *testing.T) {
	c := RewardConfig{Name: "no", SLOViolation: -1, Slack: math.NaN(), ReplicationLagBound: -time.Second}
	err := c.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`name: unknown "no"`, "slo_violation: weight -1", "slack: weight NaN", "replication_mib_per_s: 0", "replication_lag_bound: -1s", "latency_cap_ms: 0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from: %v", want, err)
		}
	}
}
