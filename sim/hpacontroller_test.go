package sim

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// podsView is a view of one service per slice of pods, all as many as asked for.
func podsView(at time.Duration, services ...[]PodView) *View {
	v := &View{At: at, Interval: ControlInterval, PodStart: []int{0}}
	for _, pods := range services {
		var s ServiceView
		for _, p := range pods {
			switch p.Phase {
			case PodPending:
				s.Pending++
			case PodStarting:
				s.Starting++
			case PodReady:
				s.Ready++
			case PodTerminating:
				s.Terminating++
			}
		}
		s.Spec = s.Ready + s.Starting + s.Pending
		v.Services = append(v.Services, s)
		v.Pods = append(v.Pods, pods...)
		v.PodStart = append(v.PodStart, len(v.Pods))
	}
	return v
}

func newHPASet(tb testing.TB, name string) *HPA {
	tb.Helper()
	set, err := hpa.ParseSet(name)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := NewHPASet(set)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// TestHPASeesPodsAsTheAPIServerShowsThem: what each kind of pod does to a proposal. Two old pods use 90 m of 100 m against
// 60 %: ratio 1.5, ceil(1.5 * 2) = 3.
func TestHPASeesPodsAsTheAPIServerShowsThem(t *testing.T) {
	const now = 1000 * time.Second
	pod := func(phase PodPhase, readySince, cpu, mem float64) PodView {
		s := time.Duration(readySince) * time.Second
		return PodView{
			Phase: phase, CreatedAt: s, StartedAt: s, ReadyChangedAt: s, PodResources: PodResources{RequestMillis: 100, MemRequestMiB: 64},
			HasSample: true, SampleAt: now - 8*time.Second, SampleWindow: 15 * time.Second, CPUMillis: cpu, MemMiB: mem,
		}
	}
	old := pod(PodReady, 0, 90, 32)
	missing := pod(PodReady, 100, 0, 0)
	missing.HasSample = false
	for _, tt := range []struct {
		name string
		set  string
		more []PodView
		want int // replicas asked for; 0: none
	}{
		{"two busy pods", "cpu-60", nil, 3},
		{"a terminating one is not there", "cpu-60", []PodView{pod(PodTerminating, 100, 0, 0)}, 3},
		// 180 m of 300 m: 60 %, at the target.
		{"a pending one counts as idle", "cpu-60", []PodView{pod(PodPending, 999, 0, 0)}, 0},
		{"a starting one counts as idle, whatever it burns", "cpu-60", []PodView{pod(PodStarting, 990, 200, 0)}, 0},
		{"one just ready counts as idle, its sample being older", "cpu-60", []PodView{pod(PodReady, 990, 200, 0)}, 0},
		{"one without a sample counts as idle", "cpu-60", []PodView{missing}, 0},
		// 380 m of 300 m: 126 %: ceil(126/60 * 3) = 7, of which 2 * 3 are allowed at once.
		{"one ready for a whole window counts", "cpu-60", []PodView{pod(PodReady, 977, 200, 0)}, 6},
		{"memory alone", "mem-40", nil, 3}, // 50 % of 64 MiB against 40 %: ceil(1.25 * 2)
		{"memory within tolerance", "mem-50", nil, 0},
		// Of both the larger proposal counts: ceil(90/20 * 2) = 9, of which max(2*2, 4) are allowed at once.
		{"the larger of both", "cpu-20-mem-40", nil, 4},
		{"a starting pod counts for memory", "mem-40", []PodView{pod(PodStarting, 990, 0, 64)}, 5}, // 128 of 192: 66 %: ceil(66/40 * 3)
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := &App{Name: "one", Services: []Service{{Name: "web", MinReplicas: 1, MaxReplicas: 7}}}
			h := newHPASet(t, tt.set)
			if err := h.Reset(app, 1); err != nil {
				t.Fatal(err)
			}
			seen := 0
			h.Observe = func(s int, d *hpa.Decision) {
				seen++
				if d.Err != nil || d.Explain() == "" || s != 0 {
					t.Errorf("service %d: %s, error %v", s, d.Explain(), d.Err)
				}
			}
			got, err := h.Decide(podsView(now, append([]PodView{old, old}, tt.more...)), nil)
			if err != nil || seen != 1 {
				t.Fatalf("error %v, %d decisions", err, seen)
			}
			want := []ScaleRequest{{Service: 0, Replicas: tt.want, Pool: AnyPool}}
			if tt.want == 0 {
				want = nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// TestHPAQuantities: amounts have the precision that they have in a cluster.
func TestHPAQuantities(t *testing.T) {
	for _, tt := range []struct {
		millis float64
		want   int64
	}{{0, 0}, {30, 30}, {30.0000000001, 30}, {29.9999999999, 30}, {30.000001, 31}, {0.001, 1}} {
		if got := wholeMillis(tt.millis); got != tt.want {
			t.Errorf("%v millicores: %d, want %d", tt.millis, got, tt.want)
		}
	}
	if got := byteMillis(0.5); got != 524288000 {
		t.Errorf("half a MiB: %d thousandths of a byte", got)
	}
}

// TestHPASyncPeriod: with a period of 30 s every other decision is a sync, and a reset begins anew.
func TestHPASyncPeriod(t *testing.T) {
	cfg := hpa.DefaultConfig()
	cfg.SyncPeriod = 30 * time.Second
	app := &App{Name: "two", Services: []Service{{Name: "a", MinReplicas: 1, MaxReplicas: 7}, {Name: "none"}}}
	h, err := NewHPA("slow", cfg, func(app *App, s int) *hpa.Spec {
		if app.Services[s].Name == "none" {
			return nil
		}
		return &hpa.Spec{Name: "a", MaxReplicas: 7}
	})
	if err != nil {
		t.Fatal(err)
	}
	syncs := 0
	h.Observe = func(s int, _ *hpa.Decision) { syncs += 1 + 100*s }
	for range 2 {
		if err := h.Reset(app, 1); err != nil {
			t.Fatal(err)
		}
		for i := range 5 { // 0, 15, 30, 45, 60 s
			if _, err := h.Decide(podsView(time.Duration(i)*ControlInterval, nil, nil), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if syncs != 6 {
		t.Errorf("%d syncs, want 3 in each of 2 runs", syncs)
	}
}

// TestHPAFirstSync: until 1.36 the first sync comes one period after the HPA was created, in each run.
func TestHPAFirstSync(t *testing.T) {
	for _, tt := range []struct {
		release int
		want    string
	}{{36, "15s 30s "}, {37, "0s 15s 30s "}} {
		cfg, err := hpa.ReleaseConfig(tt.release)
		if err != nil {
			t.Fatal(err)
		}
		app := &App{Name: "one", Services: []Service{{Name: "a", MinReplicas: 1, MaxReplicas: 7}}}
		h, err := NewHPA("release", cfg, func(*App, int) *hpa.Spec { return &hpa.Spec{Name: "a", MaxReplicas: 7} })
		if err != nil {
			t.Fatal(err)
		}
		syncs := ""
		h.Observe = func(_ int, d *hpa.Decision) { syncs += d.At.String() + " " }
		for range 2 {
			syncs = ""
			if err := h.Reset(app, 1); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if _, err := h.Decide(podsView(time.Duration(i)*ControlInterval, nil), nil); err != nil {
					t.Fatal(err)
				}
			}
			if syncs != tt.want {
				t.Errorf("1.%d: syncs at %s, want %s", tt.release, syncs, tt.want)
			}
		}
	}
}

func TestHPARefusals(t *testing.T) {
	if _, err := NewHPASet(hpa.Set{}); err == nil {
		t.Error("an empty set was accepted")
	}
	if _, err := NewHPA("x", hpa.Config{}, nil); err == nil || !strings.Contains(err.Error(), "controller x: hpa config: sync period") {
		t.Errorf("an empty config: %v", err)
	}
	h, err := NewHPA("x", hpa.DefaultConfig(), func(_ *App, s int) *hpa.Spec {
		bad := []hpa.Spec{
			{Name: "a", MaxReplicas: 0},
			{Name: "b", MaxReplicas: 1, Metrics: []hpa.MetricSpec{{Type: hpa.PodsMetric}}},
			{Name: "c", MaxReplicas: 1, Metrics: []hpa.MetricSpec{{Type: hpa.ContainerResourceMetric, Container: "proxy"}}},
		}
		return &bad[s]
	})
	if err != nil {
		t.Fatal(err)
	}
	app := &App{Services: []Service{{Name: "A"}, {Name: "B"}, {Name: "C"}}}
	err = h.Reset(app, 1)
	for _, want := range []string{
		`service A: hpa "a": spec.maxReplicas: 0`, `service B: hpa "b": spec.metrics[0]: type Pods`, `service C: hpa "c": spec.metrics[0]: container "proxy"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
	if h.Reset(app, 1) == nil {
		t.Error("the second reset forgot the mistakes")
	}
	ok := newHPASet(t, "cpu-60")
	if err := ok.Reset(&App{Services: []Service{{Name: "a", MinReplicas: 1, MaxReplicas: 2}}}, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := ok.Decide(&View{Services: make([]ServiceView, 1)}, nil); err == nil || !strings.Contains(err.Error(), "shows no pods") {
		t.Errorf("a view without pods: %v", err)
	}
}

// hpaRun runs a set on an application under a load given as (seconds, requests/s) steps and returns the replicas of service s
// that each decision asked for, by its time in seconds.
func hpaRun(tb testing.TB, app *App, set string, service int, seconds int, load func(t int) float64) map[int]int {
	tb.Helper()
	engine, err := NewFluid(app, FluidOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	ep := Episode{Name: "steps", Ticks: seconds, Needed: make([]int, (seconds+WindowTicks-1)/WindowTicks*len(app.Services))}
	for i := range ep.Needed {
		ep.Needed[i] = 1
	}
	for t := range seconds {
		ep.RPS = append(ep.RPS, mixOf(app, load(t))...)
	}
	h := newHPASet(tb, set)
	asked := map[int]int{}
	h.Observe = func(s int, d *hpa.Decision) {
		svc := &app.Services[s]
		if int(d.Desired) < svc.MinReplicas || int(d.Desired) > svc.MaxReplicas {
			tb.Errorf("%s: %s", svc.Name, d.Explain())
		}
		if s == service && d.Scaled() {
			asked[int(d.At/time.Second)] = int(d.Desired)
		}
	}
	if err := RunController(app, engine, &ep, h, 1, MetricsConfig{}, nil); err != nil {
		tb.Fatal(err)
	}
	return asked
}

// TestHPAFollowsAStepInLoad: the front uses 2 ms a request, so 20/s are 40 % of its request of 100 m and 90/s 180 %. A step
// up is answered by a sync 15 to 45 s later; down is held for 300 s after the last sync that wanted more.
func TestHPAFollowsAStepInLoad(t *testing.T) {
	app, err := decodeText(appYAML)
	if err != nil {
		t.Fatal(err)
	}
	const up, down = 300, 600
	asked := hpaRun(t, app, "cpu-60", app.ServiceIndex("front"), 1200, func(t int) float64 {
		if t >= up && t < down {
			return 90
		}
		return 20
	})
	first, last, most := 0, 0, 0
	for at, n := range asked {
		if n > most {
			most = n
		}
		if first == 0 || at < first {
			first = at
		}
		last = max(last, at)
	}
	if first < up+15 || first > up+45 || most < 3 {
		t.Errorf("first step at %d s, at most %d replicas: %v", first, most, asked)
	}
	if last < down+300 || last > down+300+60 || asked[last] != 1 {
		t.Errorf("last step at %d s: %v", last, asked)
	}
	again := hpaRun(t, app, "cpu-60", app.ServiceIndex("front"), 1200, func(t int) float64 {
		if t >= up && t < down {
			return 90
		}
		return 20
	})
	if !reflect.DeepEqual(asked, again) {
		t.Errorf("%v, run again %v", asked, again)
	}
}

// TestHPASetsOnOnlineBoutique runs every standard set: replicas stay within bounds, and a lower target never ends with
// fewer replicas of the front.
func TestHPASetsOnOnlineBoutique(t *testing.T) {
	app := onlineBoutique(t)
	front := app.ServiceIndex("frontend")
	ends := map[string]int{}
	for _, set := range hpa.StandardSets() {
		asked, at := hpaRun(t, app, set.String(), front, 300, func(int) float64 { return 30 }), -1
		ends[set.String()] = app.Services[front].InitialReplicas
		for when, n := range asked {
			if when > at {
				at, ends[set.String()] = when, n
			}
		}
	}
	for _, pair := range [][2]string{{"cpu-20", "cpu-40"}, {"cpu-40", "cpu-60"}, {"cpu-60", "cpu-80"}, {"cpu-60-mem-40", "cpu-60-mem-80"}} {
		if ends[pair[0]] < ends[pair[1]] {
			t.Errorf("%s ends with %d replicas, %s with %d", pair[0], ends[pair[0]], pair[1], ends[pair[1]])
		}
	}
	if ends["cpu-20"] <= ends["cpu-80"] {
		t.Errorf("targets of 20 and 80 %% end alike: %v", ends)
	}
}

// busyView is a view of 11 services with 7 pods each.
func busyView() (*App, *View) {
	app := &App{Name: "eleven"}
	var services [][]PodView
	for range 11 {
		app.Services = append(app.Services, Service{Name: "s", MinReplicas: 1, MaxReplicas: 7})
		pods := make([]PodView, 7)
		for i := range pods {
			pods[i] = PodView{Phase: PodReady, PodResources: PodResources{RequestMillis: 100, MemRequestMiB: 64}, HasSample: true, SampleWindow: 15 * time.Second, CPUMillis: 61.5, MemMiB: 30}
		}
		services = append(services, pods)
	}
	return app, podsView(0, services...)
}

func TestHPADecideAllocatesNothing(t *testing.T) {
	app, v := busyView()
	h := newHPASet(t, "cpu-60-mem-40")
	if err := h.Reset(app, 1); err != nil {
		t.Fatal(err)
	}
	var dst []ScaleRequest
	decide := func() {
		var err error
		if dst, err = h.Decide(v, dst[:0]); err != nil {
			t.Fatal(err)
		}
		v.At += ControlInterval
	}
	decide()
	if n := testing.AllocsPerRun(50, decide); n != 0 {
		t.Errorf("%v allocations a decision", n)
	}
}

func BenchmarkHPADecide(b *testing.B) {
	app, v := busyView()
	h := newHPASet(b, "cpu-60")
	if err := h.Reset(app, 1); err != nil {
		b.Fatal(err)
	}
	var dst []ScaleRequest
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = h.Decide(v, dst[:0]); err != nil {
			b.Fatal(err)
		}
		v.At += ControlInterval
	}
	b.ReportMetric(float64(b.N)*ControlInterval.Seconds()/b.Elapsed().Seconds(), "sim-s/s")
}

// Every sync has a reason that says what was measured, what that alone gives, and what held it.
func TestHPAReasons(t *testing.T) {
	app := &App{Services: []Service{{Name: "web", MinReplicas: 1, MaxReplicas: 10}}}
	h := newHPASet(t, "cpu-50")
	if err := h.Reset(app, 1); err != nil {
		t.Fatal(err)
	}
	pod := PodView{Phase: PodReady, PodResources: PodResources{RequestMillis: 100, MemRequestMiB: 64}, HasSample: true, SampleWindow: 15 * time.Second}
	for _, tc := range []struct {
		at   time.Duration
		pods int
		cpu  float64 // of each pod
		want string
	}{
		{0, 1, 300, "web went from 1 to 4 replicas by hpa: cpu of container server was 300 against a target of 50 % of the request, which alone gives 6; ScaleUpLimit held it at 4"},
		{15 * time.Second, 4, 52, "web went from 4 to 6 replicas by hpa: cpu of container server was 52 against a target of 50 % of the request, which alone gives 4; within tolerance; ScaleDownStabilized held it at 6"},
		{30 * time.Second, 4, 10, "web went from 4 to 6 replicas by hpa: cpu of container server was 10 against a target of 50 % of the request, which alone gives 1; ScaleDownStabilized held it at 6"},
		{45 * time.Second, 12, 10, "web went from 12 to 10 replicas by hpa; maxReplicas held it at 10"},
	} {
		pod.CPUMillis = tc.cpu
		var pods []PodView
		for range tc.pods {
			pods = append(pods, pod)
		}
		if _, err := h.Decide(podsView(tc.at, pods), nil); err != nil {
			t.Fatal(err)
		}
		got := h.Reasons(nil)
		if len(got) != 1 || got[0].Sentence("web") != tc.want {
			t.Errorf("at %v:\n got %s\nwant %s", tc.at, got[0].Sentence("web"), tc.want)
		}
	}
}
