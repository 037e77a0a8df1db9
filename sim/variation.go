package sim

import (
	"math"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// VariationConfig says how the worlds of a training differ from the application as its file describes it, so that a policy does not
// depend on numbers that nobody knows exactly.
type VariationConfig struct {
	// Apps is the number of other applications beside it: the same services and calls with other numbers ([App.Vary]). Environment i
	// has application i mod (Apps + 1), the first being the file's. Default 0.
	Apps int `yaml:"apps"`
	// Times is the standard deviation of the logarithms of what is varied. Default 0.2.
	Times float64 `yaml:"times"`
	// SLOs is the standard deviation of the logarithms of the endpoints' SLOs, and with them of the demand curve. No metric tells a policy
	// what they are. Default 0.
	SLOs float64 `yaml:"slos,omitempty"`
	// Metrics makes the metrics of these environments later and worse, each by as much as it draws: up to a scrape interval more lag, 5 %
	// noise, 5 % failed scrapes.
	Metrics bool `yaml:"metrics"`
}

// Bounds of what VariationConfig.Metrics draws.
const (
	variedNoise   = 0.05
	variedDropOut = 0.05
)

// Vary is an application of the same shape: CPU and wait of each operation, start-up times of each service and prices of each pool are
// multiplied by factors exp(sd·z), z standard normal from streams of seed (start-up: twice the deviation, for it differs most from one cluster to the next).
// So are the SLOs of endpoints, by a deviation of their own.
func (a *App) Vary(c VariationConfig, seed uint64) *App {
	v, sd := a.Variant(), c.Times
	v.Ops, v.Endpoints, v.Edges = slices.Clone(a.Ops), slices.Clone(a.Endpoints), nil
	factor := func(sd float64, path ...any) float64 { return math.Exp(sd * rng.New(seed, path...).NormFloat64()) }
	for i := range v.Ops {
		op := &v.Ops[i]
		cpu := factor(sd, "vary-cpu", op.Name)
		op.CPUMs, op.WakeMs = op.CPUMs*cpu, op.WakeMs*cpu
		op.WaitMs *= factor(sd, "vary-wait", op.Name)
	}
	for i := range v.Services {
		svc := &v.Services[i]
		start := factor(2*sd, "vary-start", svc.Name)
		svc.StartupCPUMs *= start
		svc.StartupFixed = time.Duration(float64(svc.StartupFixed) * start).Round(time.Millisecond)
		svc.StartupJitter = time.Duration(float64(svc.StartupJitter) * start).Round(time.Millisecond)
	}
	for i := range v.Pools {
		v.Pools[i].PricePerCoreHour *= factor(sd, "vary-price", i)
	}
	for i := range v.Endpoints {
		e := &v.Endpoints[i]
		e.SLOMs = min(e.SLOMs*factor(c.SLOs, "vary-slo", e.Name), e.TimeoutMs)
	}
	v.graph = compiled{}
	v.compile()
	return v
}

// metricsOf draws the metrics of environment number index.
func (c VariationConfig) metricsOf(m MetricsConfig, index int) MetricsConfig {
	if !c.Metrics || index%(c.Apps+1) == 0 {
		return m
	}
	m = m.orDefault()
	r := rng.New(0, "vary-metrics", index)
	m.Lag += time.Duration(r.IntN(int(m.Interval/Tick)+1)) * Tick
	m.Noise += variedNoise * r.Float64()
	m.DropOut += variedDropOut * r.Float64()
	return m
}
