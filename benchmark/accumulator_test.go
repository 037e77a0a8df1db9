package benchmark

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

// near compares with a tolerance for sums of a few thousand terms.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*(1+math.Abs(want))) {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

func TestSupplyEqualsDemandWithFullUse(t *testing.T) {
	sc := script{app: testApp(2, 200), reward: -0.25, ticks: constant(60, scriptTick{
		ready: []int{3, 1}, needed: []int{3, 1}, used: []float64{300, 100}, endpoints: []scriptEndpoint{{offered: 10, ms: 50}},
	})}
	m := sc.metrics()
	for what, v := range map[string]float64{
		"SLOViolation": m.SLOViolation, "WindowViolation": m.WindowViolation, "ErrorRate": m.ErrorRate, "Slack": m.Slack,
		"LagMeanS": m.LagMeanS, "LagP95S": m.LagP95S, "LagCount": m.LagCount, "LagOpen": m.LagOpen, "OverShare": m.OverShare, "UnderShare": m.UnderShare,
		"ThetaU": m.ThetaU, "ThetaO": m.ThetaO, "TauU": m.TauU, "TauO": m.TauO, "Instability": m.Instability, "ScaleActions": m.ScaleActions, "Cost": m.Cost,
	} {
		near(t, what, v, 0)
	}
	near(t, "CAF", m.CAF, 1)
	near(t, "Seconds", m.Seconds, 60)
	near(t, "Requests", m.Requests, 600)
	near(t, "Replicas", m.Replicas, 4)
	near(t, "CoreHours", m.CoreHours, 0.4*60/3600) // 400 millicores for a minute
	near(t, "Reward", m.Reward, -0.25)
	near(t, "MeanMs", m.MeanMs, 50)
	if math.Abs(m.P95Ms-50) > 0.5 { // a bucket is 2 % wide
		t.Errorf("P95Ms = %g, want 50 within 1 %%", m.P95Ms)
	}
}

// TestSupplyIsMultipleOfDemand: s = 3 d, all demand used: Slack = 2/3, θ_O = O = 2, CAF = 3.
func TestSupplyIsMultipleOfDemand(t *testing.T) {
	sc := script{app: testApp(2), ticks: constant(30, scriptTick{ready: []int{6, 3}, needed: []int{2, 1}, used: []float64{200, 100}})}
	m := sc.metrics()
	near(t, "Slack", m.Slack, 2.0/3)
	near(t, "ThetaO", m.ThetaO, 2)
	near(t, "OverShare", m.OverShare, 2)
	near(t, "CAF", m.CAF, 3)
	near(t, "TauO", m.TauO, 1)
	near(t, "ThetaU", m.ThetaU, 0)
	near(t, "TauU", m.TauU, 0)
}

// TestStarving: s = d/4: U = θ_U = 3/4 and CAF = 1 + (κ-1) U = 4: less supply can only cost more.
func TestStarving(t *testing.T) {
	sc := script{app: testApp(1), ticks: constant(30, scriptTick{ready: []int{1}, needed: []int{4}, used: []float64{250}})}
	m := sc.metrics()
	near(t, "UnderShare", m.UnderShare, 0.75)
	near(t, "ThetaU", m.ThetaU, 0.75)
	near(t, "TauU", m.TauU, 1)
	near(t, "CAF", m.CAF, 1+(Kappa-1)*0.75)
	near(t, "Slack", m.Slack, 0) // the replica bursts over its request: used > allocated is not slack
	near(t, "LagCount", m.LagCount, 1)
	near(t, "LagOpen", m.LagOpen, 1)
	near(t, "LagMeanS", m.LagMeanS, 30)
}

// step is a load step: demand rises from 1 to 3 at tick 30, pods follow after the start-up time.
func step(startup, length int) []scriptTick {
	ticks := constant(length, scriptTick{ready: []int{1}, needed: []int{1}})
	for i := 30; i < length; i++ {
		ticks[i].needed = []int{3}
		if i < 30+startup {
			ticks[i].starting = []int{2}
		} else {
			ticks[i].ready = []int{3}
		}
	}
	return ticks
}

func TestLagOfAStep(t *testing.T) {
	m := (&script{app: testApp(1), ticks: step(22, 90)}).metrics()
	near(t, "LagMeanS", m.LagMeanS, 22)
	near(t, "LagP95S", m.LagP95S, 22)
	near(t, "LagCount", m.LagCount, 1)
	near(t, "LagOpen", m.LagOpen, 0)
	near(t, "TauU", m.TauU, 22.0/90)
	near(t, "ThetaU", m.ThetaU, 22.0/90*2/3)
	// Demand: 30 s of 1 and 60 s of 3; missing: 22 s of 2.
	near(t, "UnderShare", m.UnderShare, 44.0/210)
	near(t, "CAF", m.CAF, 1+4*44.0/210)
	// Allocated: 30 s of 1, 60 s of 3, of which nothing is used.
	near(t, "Slack", m.Slack, 1)
	near(t, "Replicas", m.Replicas, 210.0/90)
	near(t, "TauO", m.TauO, 0)
}

// TestLagOpenAtTheEnd: 60 - 30 s so far.
func TestLagOpenAtTheEnd(t *testing.T) {
	m := (&script{app: testApp(1), ticks: step(1000, 60)}).metrics()
	near(t, "LagMeanS", m.LagMeanS, 30)
	near(t, "LagCount", m.LagCount, 1)
	near(t, "LagOpen", m.LagOpen, 1)
}

// TestLagEpisodes: lengths 5, 1 and 20 (of another service): mean 26/3, p95 at rank 1.9: 5 + 0.9*15.
func TestLagEpisodes(t *testing.T) {
	ticks := make([]scriptTick, 60)
	for i := range ticks {
		a, b := 2, 2
		if (i >= 10 && i < 15) || i == 20 {
			a = 3
		}
		if i >= 30 && i < 50 {
			b = 1
		}
		ticks[i] = scriptTick{ready: []int{2, b}, needed: []int{a, 2}}
	}
	m := (&script{app: testApp(2), ticks: ticks}).metrics()
	near(t, "LagCount", m.LagCount, 3)
	near(t, "LagMeanS", m.LagMeanS, 26.0/3)
	near(t, "LagP95S", m.LagP95S, 18.5)
	near(t, "TauU", m.TauU, (6.0/60+20.0/60)/2)
}

// TestLagFromTheWarmup: an episode under way when counting begins is counted from there.
func TestLagFromTheWarmup(t *testing.T) {
	m := (&script{app: testApp(1), warmup: 45, ticks: step(20, 90)}).metrics()
	near(t, "LagCount", m.LagCount, 1)
	near(t, "LagMeanS", m.LagMeanS, 5) // ticks 45 to 49
	near(t, "Seconds", m.Seconds, 45)
}

func TestWarmupIsNotCounted(t *testing.T) {
	bad := scriptTick{ready: []int{9}, needed: []int{1}, starting: []int{4}, endpoints: []scriptEndpoint{{offered: 10, failed: 5, late: 5, ms: 900}}}
	good := scriptTick{ready: []int{1}, needed: []int{1}, used: []float64{100}, endpoints: []scriptEndpoint{{offered: 4, ms: 10}}}
	act := []scriptAction{{req: sim.ScaleRequest{Replicas: 3}, res: sim.ScaleResult{Added: 1}}}
	sc := script{app: testApp(1, 200), warmup: 30, ticks: append(constant(30, bad), constant(30, good)...), actions: map[int][]scriptAction{0: act, 15: act}}
	m := sc.metrics()
	near(t, "SLOViolation", m.SLOViolation, 0)
	near(t, "WindowViolation", m.WindowViolation, 0)
	near(t, "Slack", m.Slack, 0)
	near(t, "CAF", m.CAF, 1)
	near(t, "Requests", m.Requests, 120)
	near(t, "ScaleActions", m.ScaleActions, 0)
	near(t, "Replicas", m.Replicas, 1)
	near(t, "Instability", m.Instability, 0)
}

// TestRequests: 8 requests/s at A and 2/s at B; of B's, half fail and half are late.
func TestRequests(t *testing.T) {
	sc := script{app: testApp(1, 200, 500), ticks: constant(30, scriptTick{ready: []int{1}, needed: []int{1},
		endpoints: []scriptEndpoint{{offered: 8, ms: 100}, {offered: 2, failed: 1, late: 1, ms: 600}}})}
	m := sc.metrics()
	near(t, "SLOViolation", m.SLOViolation, 0.2)
	near(t, "ErrorRate", m.ErrorRate, 0.1)
	near(t, "WindowViolation", m.WindowViolation, 1) // B's p95 is above its bound, though A's is not
	near(t, "MeanMs", m.MeanMs, (8*100.0+600)/9)
}

// TestWindowViolation: one interval of four has more than 5 % failed requests, another 5 % of late ones and no more.
func TestWindowViolation(t *testing.T) {
	ok := scriptEndpoint{offered: 100, ms: 50}
	ticks := constant(60, scriptTick{ready: []int{1}, needed: []int{1}, endpoints: []scriptEndpoint{ok}})
	for i := 15; i < 30; i++ {
		ticks[i].endpoints = []scriptEndpoint{{offered: 100, failed: 6, ms: 50}}
	}
	for i := 30; i < 45; i++ {
		ticks[i].endpoints = []scriptEndpoint{{offered: 100, failed: 5, ms: 50}}
	}
	m := (&script{app: testApp(1, 200), ticks: ticks}).metrics()
	near(t, "WindowViolation", m.WindowViolation, 0.25)
	near(t, "SLOViolation", m.SLOViolation, 11.0/400)
}

func TestNoLoadAtAll(t *testing.T) {
	m := (&script{app: testApp(1, 200), ticks: constant(15, scriptTick{ready: []int{1}, needed: []int{0}, endpoints: []scriptEndpoint{{}}})}).metrics()
	near(t, "SLOViolation", m.SLOViolation, 0)
	near(t, "WindowViolation", m.WindowViolation, 0)
	near(t, "P95Ms", m.P95Ms, 0)
	near(t, "ThetaO", m.ThetaO, 1) // one replica more than none, relative to one
	if !math.IsNaN(m.CAF) || !math.IsNaN(m.OverShare) {
		t.Errorf("CAF = %g, O = %g: nothing was needed, so they are not defined", m.CAF, m.OverShare)
	}
}

// TestPrices: service a on a node of 0.04 per core-hour, b on one of 0.12: b's over-provision weighs three times.
func TestPrices(t *testing.T) {
	app := testApp(2)
	app.Pools = []sim.Pool{{Name: "cheap", PricePerCoreHour: 0.04}, {Name: "dear", PricePerCoreHour: 0.12}}
	sc := script{app: app, placed: []int{0, 1}, nodes: []sim.NodeState{{PricePerCoreHour: 0.04}, {Pool: 1, PricePerCoreHour: 0.12}},
		ticks: constant(3600, scriptTick{ready: []int{2, 2}, needed: []int{2, 1}, used: []float64{200, 100}, terminating: []int{1, 0}})}
	m := sc.metrics()
	near(t, "OverShare", m.OverShare, 1*0.12/(2*0.04+1*0.12))
	near(t, "CAF", m.CAF, 1+0.6)
	near(t, "Slack", m.Slack, 0.12/(2*0.04+2*0.12))
	near(t, "CoreHours", m.CoreHours, 0.5) // terminating pods hold their room, and cost
	near(t, "Cost", m.Cost, 0.3*0.04+0.2*0.12)
	near(t, "Replicas", m.Replicas, 4)
}

// TestServiceWithoutPodsIsPricedAtTheCheapestPool: a missing pod costs κ times 0.04.
func TestServiceWithoutPodsIsPricedAtTheCheapestPool(t *testing.T) {
	app := testApp(2)
	app.Pools = []sim.Pool{{Name: "dear", PricePerCoreHour: 0.12}, {Name: "cheap", PricePerCoreHour: 0.04}}
	sc := script{app: app, nodes: []sim.NodeState{{PricePerCoreHour: 0.12}, {Pool: 1, PricePerCoreHour: 0.04}},
		ticks: constant(15, scriptTick{ready: []int{0, 1}, needed: []int{1, 1}})}
	near(t, "UnderShare", sc.metrics().UnderShare, 0.04/(0.04+0.12))
}

// TestQuotaCountsAsSupply: one replica of twice the nominal CPU supplies what two nominal ones need.
func TestQuotaCountsAsSupply(t *testing.T) {
	m := (&script{app: testApp(1), ticks: constant(15, scriptTick{ready: []int{1}, needed: []int{2}, requestMillis: []float64{200}})}).metrics()
	near(t, "CAF", m.CAF, 1)
	near(t, "LagCount", m.LagCount, 0)
}

func TestSlackFollowsAllocationWithinAWindow(t *testing.T) {
	// A pod is Starting in the last two of five ticks; 100 m are used throughout:
	// slack (0+0+0+100+100), allocated (100+100+100+200+200).
	ticks := constant(15, scriptTick{ready: []int{1}, needed: []int{1}, used: []float64{100}})
	for _, i := range []int{3, 4, 8, 9, 13, 14} {
		ticks[i].starting = []int{1}
	}
	near(t, "Slack", (&script{app: testApp(1), ticks: ticks}).metrics().Slack, 200.0/700)
}

func TestInstability(t *testing.T) {
	// Five intervals; supply goes up, up, stays, down; demand up, stays, stays, up: two of four differ.
	supply, demand := []int{1, 2, 3, 3, 2}, []int{1, 2, 2, 2, 3}
	var ticks []scriptTick
	for i := range supply {
		ticks = append(ticks, constant(sim.TicksPerInterval, scriptTick{ready: supply[i : i+1], needed: demand[i : i+1]})...)
	}
	near(t, "Instability", (&script{app: testApp(1), ticks: ticks}).metrics().Instability, 0.5)
}

func TestScaleActionsAndReversals(t *testing.T) {
	up, down := sim.ScaleResult{Added: 2}, sim.ScaleResult{Removed: 1}
	quota := func(s int, to float64) scriptAction {
		return scriptAction{sim.ScaleRequest{Service: s, Replicas: sim.KeepReplicas, QuotaMillis: to}, sim.ScaleResult{QuotaChanged: true}, sim.ServiceView{QuotaMillis: 200}}
	}
	act := func(s int, res sim.ScaleResult) scriptAction {
		return scriptAction{req: sim.ScaleRequest{Service: s, Replicas: 5}, res: res}
	}
	sc := script{app: testApp(2), ticks: constant(90, scriptTick{ready: []int{1, 1}, needed: []int{1, 1}}), actions: map[int][]scriptAction{
		0:  {act(0, up), act(1, down)},
		15: {act(0, up), act(1, sim.ScaleResult{})}, // the second changed nothing
		30: {act(0, down)},                          // reversal
		45: {quota(0, 400)},                         // reversal: more CPU after fewer pods
		60: {quota(1, 100)},                         // the same direction as at 0
		75: {act(1, up)},                            // reversal
	}}
	m := sc.metrics()
	near(t, "ScaleActions", m.ScaleActions, 7)
	near(t, "Reversals", m.Reversals, 3)
}

func TestRecordingATickAllocatesNothing(t *testing.T) {
	app := testApp(11, 200, 500)
	a := NewAccumulator(app)
	st := &sim.State{Services: make([]sim.ServiceState, 11), Endpoints: make([]sim.EndpointState, 2), Nodes: make([]sim.NodeState, 4), Placed: make([]int, 44), Window: 5}
	engine := scriptEngine{func([]sim.Histogram) {}}
	record := sim.TickRecord{Counted: true, Needed: make([]int, 11), State: st, Engine: engine}
	interval := sim.IntervalRecord{Counted: true, To: sim.ControlInterval}
	if n := testing.AllocsPerRun(100, func() { a.RecordTick(&record); a.RecordInterval(&interval) }); n != 0 {
		t.Errorf("%g allocations per tick", n)
	}
}

// TestP95CountsFailedRequestsAsLast: of 97 completed requests of 1 to 97 ms and 3 failed ones, the 95th of 100
// took 95 ms; of the completed alone it would be 92.15 ms.
func TestP95CountsFailedRequestsAsLast(t *testing.T) {
	x := sim.NewLatencySet(1)
	if p95Above(&x, 0, 0, 0) {
		t.Error("without a request the percentile is above 0")
	}
	x.Add(scriptEngine{func(h []sim.Histogram) {
		for ms := 1.0; ms <= 97; ms++ {
			h[0].Add(ms, 1)
		}
	}})
	for _, c := range []struct {
		failed, ms float64
		want       bool
	}{{3, 94, true}, {3, 96, false}, {3, 200, false}, {0, 91, true}, {0, 93.2, false}, {6, 1e6, true}} { // a bucket is 2 % wide
		if got := p95Above(&x, 0, c.failed, c.ms); got != c.want {
			t.Errorf("%g failed: above %g ms is %v, want %v", c.failed, c.ms, got, c.want)
		}
	}
}

// TestOverflowIsCountedWithTheWarmUp: 7 in each of 6 windows, of which 3 are warm-up, at two services.
func TestOverflowIsCountedWithTheWarmUp(t *testing.T) {
	sc := script{app: testApp(2), warmup: 15, ticks: constant(30, scriptTick{ready: []int{1, 1}, needed: []int{1, 1}, overflow: []float64{3, 4}})}
	near(t, "Overflow", sc.metrics().Overflow, 6*7)
}
