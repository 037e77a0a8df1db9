package sim

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// A removed pod takes no new visits and ends those that it has, within its grace period: none fail. What would take longer fails
// when the grace is over.
func TestDESGracefulTermination(t *testing.T) {
	for _, tc := range []struct {
		name   string
		graceS float64
		failed float64
	}{
		{"within grace", 5, 0},
		{"beyond grace", 3.5, 4}, // killed at 5000, the second after 4500
		{"hardly any grace", 2, 12},
		{"no grace at all", 0, 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := work(t, fmt.Sprintf("workers: 8, grace_s: %v", tc.graceS), "{name: get, wait_ms: 1500}")
			d := newDES(t, app, []int{2})
			at := make([]float64, 40)
			for i := range at {
				at[i] = 900
			}
			// 20 each, 8 at a time: they end at 2400, 3900 and 5400.
			play(d, 1, at...)
			if r := d.Scale(ScaleRequest{Service: 0, Replicas: 1, Pool: AnyPool}); r.Removed != 1 {
				t.Fatalf("%+v", r)
			}
			failed, done := 0.0, 0.0
			for range 10 {
				play(d, 1)
				if d.st.Window > 0 {
					failed += d.st.Endpoints[0].Failed
					done += d.endpoints[0].latency.Count()
				}
			}
			if failed != tc.failed || done != 40-tc.failed {
				t.Errorf("%v failed, %v done", failed, done)
			}
			if n := len(d.stats[0].ready); n != 1 || d.st.Services[0].Terminating != 0 || d.inside() != 0 {
				t.Errorf("%d ready, %+v", n, d.st.Services[0])
			}
		})
	}
}

// Callers of a pod that is killed are told: they may try again elsewhere.
func TestDESKilledVisitsAreRetried(t *testing.T) {
	app := testApp(t, "", testService("a", "", "{name: get, calls: [{op: b.get, retries: 3}]}"), testService("b", "grace_s: 1", "{name: get, wait_ms: 3000}"))
	d := newDES(t, app, []int{1, 2})
	play(d, 1, 900, 900, 900, 900)
	d.Scale(ScaleRequest{Service: 1, Replicas: 1, Pool: AnyPool})
	failed, done, visitsFailed := 0.0, 0.0, 0.0
	for range 10 {
		play(d, 1)
		if d.st.Window > 0 {
			failed += d.st.Endpoints[0].Failed
			done += d.endpoints[0].latency.Count()
			visitsFailed += d.st.Services[1].FailedRPS * float64(d.st.Window)
		}
	}
	if failed != 0 || done != 4 || visitsFailed != 2 {
		t.Errorf("%v requests failed, %v done, %v visits of the killed pod failed", failed, done, visitsFailed)
	}
}

// A new pod starts with its fixed time, then uses CPU for its start: CPU needed / limit, on one core at most. It is ready then.
func TestDESStartupUsesCPU(t *testing.T) {
	for _, tc := range []struct {
		name, more string
		ready      int // s after it was asked for
		used       float64
	}{
		{"at its limit", "cpu_limit_m: 200, startup: {fixed_s: 3, cpu_ms: 1200}", 9, 1200},
		{"idle CPU begins when it is ready", "cpu_limit_m: 200, base_cpu_m: 50, startup: {fixed_s: 3, cpu_ms: 1200}", 9, 1200},
		{"on one core", "cpu_limit_m: 4000, cores: 4, startup: {fixed_s: 3, cpu_ms: 1200}", 5, 1200},
		{"no CPU", "startup: {fixed_s: 3}", 3, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDES(t, work(t, tc.more, "{name: get, cpu_ms: 1}"), nil)
			d.Scale(ScaleRequest{Service: 0, Replicas: 2, Pool: AnyPool})
			used, ready := 0.0, -1
			for i := 1; i <= 12; i++ {
				play(d, 1)
				if w := float64(d.st.Window); w > 0 && ready < 0 {
					used += (d.st.Services[0].CPUUsedMillis - d.app.Services[0].BaseCPUMillis) * w
				}
				if d.st.Services[0].Ready == 2 && ready < 0 {
					ready = i
				}
			}
			if tc.used > 0 {
				within(t, "expected time", d.app.Services[0].StartupTime().Seconds(), 3+1.2/min(d.app.Services[0].CPULimitMillis/1000, 1), 1e-9)
			}
			if ready != tc.ready {
				t.Errorf("ready after %d s, want %d", ready, tc.ready)
			}
			within(t, "CPU ms of the start", used, tc.used, 1e-6)
		})
	}
}

// Where the node has no CPU to spare a pod is ready late: four that start at once on one core, 1 s of CPU each, take 4 s rather than 1.
func TestDESStartupOnAFullNode(t *testing.T) {
	app := testAppOn(t, "", "{name: p, nodes: 1, cpu_m: 1000, mem_mib: 4000, price_per_core_hour: 1}",
		testService("a", "startup: {fixed_s: 1, cpu_ms: 1000}", "{name: get, cpu_ms: 1}"))
	d := newDES(t, app, nil)
	d.Scale(ScaleRequest{Service: 0, Replicas: 5, Pool: AnyPool})
	for i := 1; i <= 5; i++ {
		play(d, 1)
		if v := d.st.Services[0]; (v.Ready == 5) != (i == 5) {
			t.Errorf("after %d s %d are ready", i, v.Ready)
		}
	}
}

// A pod that is removed while it starts stops that work. Its slot goes to another pod, which must not be started by the timer of the first.
func TestDESRemovedWhileStarting(t *testing.T) {
	app := work(t, "grace_s: 1, startup: {fixed_s: 4, cpu_ms: 5000}", "{name: get, cpu_ms: 1}")
	d := newDES(t, app, nil)
	d.Scale(ScaleRequest{Service: 0, Replicas: 2, Pool: AnyPool})
	play(d, 1)
	d.Scale(ScaleRequest{Service: 0, Replicas: 1, Pool: AnyPool})
	play(d, 2) // gone
	d.Scale(ScaleRequest{Service: 0, Replicas: 2, Pool: AnyPool})
	if n := len(d.replicas); n != 2 {
		t.Fatalf("%d slots of replicas; the test needs the second to be used again", n)
	}
	play(d, 2) // at 4 s the first would have begun; the second does at 7
	within(t, "CPU ms before the second pod's fixed time is over", d.st.Services[0].CPUUsedMillis*float64(d.st.Window), 0, 0)
	play(d, 4) // it has worked for 2 s
	d.Scale(ScaleRequest{Service: 0, Replicas: 1, Pool: AnyPool})
	if r := &d.replicas[1]; len(r.run) != 0 || r.want != 0 || r.startup {
		t.Errorf("still starting: %+v", *r)
	}
	play(d, 1)
	within(t, "CPU ms until it was removed", d.st.Services[0].CPUUsedMillis*float64(d.st.Window), 2000, 1e-6)
	play(d, 5)
	within(t, "CPU after", d.st.Services[0].CPUUsedMillis, 0, 0)
}

// CPU per visit of a cold replica: factor times as much at first, falling with e^(-visits/calls). One request at a time, so the n-th visit
// costs 1 + 4 e^(-n/100) ms.
func TestDESWarmUp(t *testing.T) {
	app := work(t, "startup: {fixed_s: 1}, grace_s: 1, warmup: {calls: 100, factor: 5}, replicas: {min: 1, max: 2}", "{name: get, cpu_ms: 1}")
	d := newDES(t, app, nil)
	steadily(d, 5, 10, nil)
	within(t, "CPU of a warm visit", d.st.Services[0].CPUUsedMillis/10, 1, 1e-9)
	d.Scale(ScaleRequest{Service: 0, Replicas: 2, Pool: AnyPool})
	play(d, 1)
	d.stats[0].ready = d.stats[0].ready[1:] // the old one is out of sight
	played := 0.0
	for range 10 {
		at := make([]float64, 50)
		want := 0.0
		for i := range at {
			at[i] = d.now + float64(i)*20
			want += 1 + 4*math.Exp(-played/100)
			played++
		}
		play(d, 1, at...)
		r := &d.replicas[1]
		within(t, fmt.Sprintf("CPU ms of 50 visits up to number %v", played), r.cpuMs+r.usedM*float64(d.st.Window), want, 1e-6)
		if d.st.Window == 0 { // closed at the next second
			r.cpuMs = 0
		}
	}
}

// Scaling up and down again and again, with pods that are killed and slots used again, loses and invents nothing.
func TestDESScalingToAndFro(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 1, jitter_s: 2, cpu_ms: 300}, grace_s: 2, workers: 4, base_cpu_m: 10", "{name: get, cpu_ms: 2, cv: 1, wait_ms: 20, wait_cv: 1, calls: [{op: b.get, mean: 2.5}]}"),
		testService("b", "cpu_limit_m: 300, base_cpu_m: 20, startup: {fixed_s: 2, cpu_ms: 100}, grace_s: 1, balancing: least_outstanding", "{name: get, cpu_ms: 1.5, cv: 1}"))
	d := newDES(t, app, []int{3, 4})
	c := newTally(d)
	for i := range 60 {
		for s := range 2 {
			d.Scale(ScaleRequest{Service: s, Replicas: 2 + (i*(7+s))%9, Pool: AnyPool})
		}
		if i%7 == 0 {
			d.Scale(ScaleRequest{Service: 1, Replicas: KeepReplicas, QuotaMillis: 200 + 100*float64(i%4), Pool: AnyPool})
		}
		steadily(d, 3, 100, c.add)
	}
	steadily(d, 35, 0, c.add)
	if c.offered != 60*300 || c.latency.Count()+c.failed != c.offered {
		t.Errorf("%v offered, %v completed, %v failed", c.offered, c.latency.Count(), c.failed)
	}
	if c.failed > 0.02*c.offered {
		t.Errorf("%v of %v requests failed", c.failed, c.offered)
	}
	for n := range d.nodes {
		node, st := &d.nodes[n], &d.st.Nodes[n]
		if len(node.replicas) != st.Pods {
			t.Errorf("node %d shares its CPU among %d replicas, has %d pods", n, len(node.replicas), st.Pods)
		}
		idle := 10*float64(d.st.Placed[n]) + 20*float64(d.st.Placed[len(d.nodes)+n])
		within(t, "cores that idle pods leave", node.cores, (st.CPUMillis-idle)/1000, 1e-9)
		within(t, "cores in use", node.busy, 0, 0)
	}
	inUse := 0
	for i := range d.replicas {
		if d.replicas[i].inUse {
			inUse++
		}
	}
	if v := d.st.Services; inUse != v[0].Ready+v[0].Starting+v[1].Ready+v[1].Starting || len(d.replicas) > 40 || d.inside() != 0 {
		t.Errorf("%d replicas in use of %d slots, %d visits inside: %+v", inUse, len(d.replicas), d.inside(), v)
	}
}

// Windows end at multiples of 5 s, and when pods become ready or go; rates are per second of the window, whatever its length.
func TestDESWindows(t *testing.T) {
	app := work(t, "startup: {fixed_s: 7}, grace_s: 1", "{name: get, cpu_ms: 1}")
	d := newDES(t, app, nil)
	d.Scale(ScaleRequest{Service: 0, Replicas: 2, Pool: AnyPool})
	var windows []int
	requests := 0.0
	for range 15 {
		steadily(d, 1, 40, func(st *State) {
			windows = append(windows, st.Window)
			requests += st.Endpoints[0].Offered
			within(t, "arrivals/s", st.Services[0].ArrivalRPS, 40, 1e-9)
			h := make([]Histogram, 1)
			d.AddLatencies(h)
			within(t, "latencies", h[0].Count(), 40*float64(st.Window), 1)
		})
	}
	if fmt.Sprint(windows) != "[5 2 3 5]" || requests != 600 {
		t.Errorf("windows of %v s, %v requests", windows, requests)
	}
	if d.st.At != 15*time.Second {
		t.Errorf("it is %v", d.st.At)
	}
}
