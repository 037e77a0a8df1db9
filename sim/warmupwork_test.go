package sim

import "testing"

// Work beside visits: a pod that has become ready is at its limit, or uses one core more than its visits, until the work is done. What HPAs
// read, the CPU of single pods, shows it, in both engines alike, and visits are slower meanwhile.
func TestWorkBesideVisits(t *testing.T) {
	for _, tc := range []struct {
		name, more string
		rps        float64 // of two pods at the end
		during     float64 // CPU of the new pod, m
		seconds    float64 // for so long
		slower     float64 // mean latency of all, relative to after it, in the request-level engine
		tolerance  float64 // of the fluid engine's
	}{
		// One core, no quota: 400 m of visits leave 600 m. A visit that has to share takes twice as long, on one of two pods.
		{"one core", "cpu_limit_m: 1000", 80, 1000, 30, 1.5, 0.1},
		// Two cores: the work has one for itself.
		{"two cores", "cpu_limit_m: 2000, cores: 2", 80, 1400, 18, 1.1, 0.15},
		// A quota of half a core, 100 m of visits: 400 m are left, and each period's quota is spent.
		{"quota", "cpu_limit_m: 500", 20, 500, 45, 2.9, 0.3},
	} {
		app := testApp(t, "", testService("a", tc.more+", startup: {fixed_s: 5}, warmup: {cpu_ms: 18000}", "{name: get, cpu_ms: 10, dist: exponential, cv: 1}"))
		var slower [2]float64
		for i, e := range bothEngines(t, app) {
			if err := e.Reset(1, []int{1}); err != nil {
				t.Fatal(err)
			}
			drive(e, 10, tc.rps/2, nil)
			e.Scale(ScaleRequest{Replicas: 2, Pool: AnyPool})
			drive(e, 5, tc.rps, nil)
			var ms, weight [2]float64 // during and after
			used, atLimit := 0.0, 0.0
			second := 0
			drive(e, 300, tc.rps, func(st *State) {
				second++
				if st.Window == 0 {
					return
				}
				w := float64(st.Window)
				pods := e.pods()
				own := pods[1].CPUUsedMillis
				used += (own - tc.rps/2*10) * w
				if own > 0.9*tc.during {
					atLimit += w
				}
				when := 0
				if second > 100 {
					when = 1
				} else if float64(second) > tc.seconds-2 {
					return
				}
				ms[when] += st.Endpoints[0].MeanMs * w
				weight[when] += w
			})
			within(t, tc.name+": "+e.name+": CPU beside visits", used, 18000, 900)
			within(t, tc.name+": "+e.name+": seconds of it", atLimit, tc.seconds, 6)
			slower[i] = ms[0] / weight[0] / (ms[1] / weight[1])
		}
		within(t, tc.name+": des: slower", slower[1], tc.slower, 0.1*tc.slower)
		within(t, tc.name+": fluid: slower", slower[0], slower[1], tc.tolerance*slower[1])
	}
}

// It goes on in a pod that is removed meanwhile, until that is gone, and those that are there at the start have none.
func TestWorkBesideVisitsEndsWithThePod(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 1}, grace_s: 10, warmup: {cpu_ms: 60000}", "{name: get, cpu_ms: 1}"))
	for _, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{1}); err != nil {
			t.Fatal(err)
		}
		cpu := func(seconds int) float64 {
			sum, over := 0.0, 0.0
			drive(e, seconds, 1, func(st *State) {
				if st.Window > 0 {
					sum += st.Services[0].CPUUsedMillis * float64(st.Window)
					over += float64(st.Window)
				}
			})
			return sum / over
		}
		within(t, e.name+": before", cpu(5), 1, 0.5)
		e.Scale(ScaleRequest{Replicas: 2, Pool: AnyPool})
		cpu(1)
		within(t, e.name+": during", cpu(10), 1000, 3)
		e.Scale(ScaleRequest{Replicas: 1, Pool: AnyPool})
		within(t, e.name+": while the pod ends", cpu(10), 1000, 3)
		within(t, e.name+": after", cpu(10), 1, 0.5)
	}
}

// The CPU of a pod whose visits cost more because it is cold is more than that of a warm one beside it, in both engines.
func TestColdPodsUseMore(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 1}, warmup: {calls: 1e6, factor: 3}", "{name: get, cpu_ms: 5, dist: exponential, cv: 1}"))
	for _, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{1}); err != nil {
			t.Fatal(err)
		}
		e.Scale(ScaleRequest{Replicas: 2, Pool: AnyPool})
		drive(e, 10, 80, nil)
		var warm, cold float64
		drive(e, 60, 80, func(st *State) {
			if st.Window > 0 {
				p := e.pods()
				warm += p[0].CPUUsedMillis * float64(st.Window) / 60
				cold += p[1].CPUUsedMillis * float64(st.Window) / 60
			}
		})
		within(t, e.name+": warm", warm, 200, 12)
		within(t, e.name+": cold", cold, 600, 36)
	}
}
