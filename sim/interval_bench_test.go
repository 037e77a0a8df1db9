package sim

import "testing"

// BenchmarkInterval measures one control interval of the simulator itself: 15 ticks of the engine with metrics and
// reward terms, then the view, the observation and the mask, for load that is there already. BenchmarkEnvStep adds
// what an environment does on top: exact Poisson draws for every tick and endpoint, and new episodes.
func BenchmarkInterval(b *testing.B) {
	b.Run("engine=fluid/services=11", func(b *testing.B) {
		app := onlineBoutique(b)
		rps := mixOf(app, 200)
		needed := make([]int, len(app.Services))
		if !NewPlanner(app).Needed(rps, needed) {
			b.Fatal("the load is beyond capacity")
		}
		f := steady(b, app, needed, rps, 0)
		metrics := NewMetrics(app, DefaultMetricsConfig())
		metrics.Reset(1)
		meter := NewRewardMeter(app, DefaultRewardConfig())
		meter.Reset(f.State())
		observer := NewObserver(app, NewActions(app, DefaultActionConfig()))
		view := NewView(app)
		obs := NewObs(observer.Spec(), 1)
		reward, cfg := 0.0, DefaultRewardConfig()
		interval := func() {
			for range TicksPerInterval {
				f.Step(TickLoad{rps, rps})
				metrics.Tick(f.State())
				meter.Tick(f.State(), needed)
			}
			reward += cfg.Of(meter.Take())
			metrics.View(f.State(), view)
			observer.Observe(view, 1, obs)
		}
		interval()
		if n := testing.AllocsPerRun(100, interval); n != 0 {
			b.Errorf("an interval allocates %v times", n)
		}
		b.ReportAllocs()
		for b.Loop() {
			interval()
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "intervals/s")
		if reward == 0 {
			b.Error("no reward was computed")
		}
	})
}
