package fidelity

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// This file runs many comparisons and prints them.

// CompareOptions says what [CompareFamily] compares.
type CompareOptions struct {
	Family            simtest.Family
	Apps              int // seeds 0 to Apps-1
	Visits            float64
	Reference, Engine NewEngine
	Workers           int
	// Cache, if given, is a folder that keeps what the reference engine measured: the other engine can then be tried again
	// in no time. Empty it when the reference changes.
	Cache string
}

// CompareFamily compares the engines on applications of one family, in the order of their seeds.
func CompareFamily(o CompareOptions) ([]*Comparison, error) {
	return compareAll(o.Family.String()+" application", o.Apps, o.Workers, o.compare)
}

// CompareLoads compares the engines on loads 0 to n-1 of an application ([NewLoad]).
func CompareLoads(app *sim.App, n int, visits float64, workers int, reference, engine NewEngine) ([]*Comparison, error) {
	if _, err := engine(app); err != nil { // whatever it finds out about the application once, it finds out about this one
		return nil, err
	}
	return compareAll(app.Name+" load", n, workers, func(seed uint64) (*Comparison, error) {
		c, err := CompareApp(NewLoad(app, seed), reference, engine, visits, nil)
		if err == nil {
			c.Busiest = busiest(c.App.App, c.Want.CPUMillis)
		}
		return c, err
	})
}

// busiest is the highest share of what their initial replicas may use that services have used.
func busiest(app *sim.App, cpuMillis []float64) float64 {
	u := 0.0
	for s := range app.Services {
		svc := &app.Services[s]
		base, n := svc.BaseCPUMillis, float64(svc.InitialReplicas)
		if n > 0 {
			u = max(u, (cpuMillis[s]/n-base)/min(svc.CPULimitMillis-base, 1000*float64(svc.Cores)))
		}
	}
	return u
}

// UpTo are the comparisons whose busiest service is at most so busy, and the others.
func UpTo(busiest float64, list []*Comparison) (in, out []*Comparison) {
	for _, c := range list {
		if c.Busiest <= busiest {
			in = append(in, c)
		} else {
			out = append(out, c)
		}
	}
	return in, out
}

// mostBusy is the utilisation up to which the engines should agree.
const mostBusy = 0.9

func compareAll(what string, n, workers int, compare func(uint64) (*Comparison, error)) ([]*Comparison, error) {
	out, errs := make([]*Comparison, n), make([]error, n)
	seeds := make(chan int)
	var wg sync.WaitGroup
	for range max(1, workers) {
		wg.Go(func() {
			for i := range seeds {
				out[i], errs[i] = compare(uint64(i))
			}
		})
	}
	for i := range n {
		seeds <- i
	}
	close(seeds)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i, err)
		}
	}
	return out, nil
}

func (o *CompareOptions) compare(seed uint64) (*Comparison, error) {
	a, err := simtest.NewRandomApp(o.Family, seed)
	if err != nil {
		return nil, err
	}
	path := ""
	var want *Measured
	if o.Cache != "" {
		h := fnv.New64a()
		fmt.Fprintln(h, a.YAML, a.RPS, o.Visits)
		path = filepath.Join(o.Cache, fmt.Sprintf("%s-%d-%x.json", o.Family, seed, h.Sum64()))
		if data, err := os.ReadFile(path); err == nil {
			want = new(Measured)
			if err := json.Unmarshal(data, want); err != nil {
				return nil, fmt.Errorf("%s: %w; remove it", path, err)
			}
			return CompareApp(a, o.Reference, o.Engine, o.Visits, want)
		}
	}
	c, err := CompareApp(a, o.Reference, o.Engine, o.Visits, nil)
	if err != nil || path == "" {
		return c, err
	}
	data, err := json.Marshal(c.Want)
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(path, data, 0o644)
}

// BandTable is a Markdown table of the errors, with a row for all applications up to 90 % busy, one for each third of that, and
// one for what is busier, which no bar holds for.
func BandTable(name string, bar Bars, list []*Comparison) string {
	var b strings.Builder
	b.WriteString("| applications | number | mean | p95 | p99 | CPU | noise of mean, p99 |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	row := func(s Summary) { // against the bars of the time
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %.1f, %.1f |\n", s.Name, s.Apps, s.Mean.against(bar.Mean), s.P95.against(bar.P95), s.P99.against(bar.P99), s.CPU.against(bar.CPU),
			100*s.MeanNoise, 100*s.P99Noise)
	}
	rest, beyond := UpTo(mostBusy+1e-9, list) // random applications are up to 0.9 busy but for rounding
	row(Summarise(name, rest))
	for _, lo := range []float64{0, 0.3, 0.6} {
		var in []*Comparison
		if in, rest = UpTo(lo+0.3+1e-9, rest); len(in) > 0 {
			row(Summarise(fmt.Sprintf("%s, busiest service %.0f to %.0f %%", name, 100*lo, 100*lo+30), in))
		}
	}
	fmt.Fprintf(&b, "| bar | | %g (%g) | %g (%g) | %g (%g) | %g (%g) | |\n", 100*bar.Mean, 200*bar.Mean, 100*bar.P95, 200*bar.P95, 100*bar.P99, 200*bar.P99, 100*bar.CPU, 200*bar.CPU)
	if len(beyond) > 0 {
		bar = Bars{Mean: math.Inf(1), P95: math.Inf(1), P99: math.Inf(1), CPU: math.Inf(1)}
		row(Summarise(name+", busiest service over 90 %", beyond))
	}
	return b.String()
}

// against is String, what is above its bar in bold.
func (s Spread) against(bar float64) string {
	bold := func(x, bar float64) string {
		if x > bar {
			return fmt.Sprintf("**%.1f**", 100*x)
		}
		return fmt.Sprintf("%.1f", 100*x)
	}
	return fmt.Sprintf("%s (%s)", bold(s.Median, bar), bold(s.P90, 2*bar))
}

// String is the median and the 90th percentile in percent.
func (s Spread) String() string { return fmt.Sprintf("%.1f (%.1f)", 100*s.Median, 100*s.P90) }

// WriteCSV writes one line for each endpoint (service empty) and each service of all comparisons, for a closer look.
func WriteCSV(path string, list []*Comparison) error {
	var b strings.Builder
	b.WriteString("family,seed,utilisation,visits_per_period,endpoint,service,metric,want,got,mean_noise,p99_noise\n")
	for _, c := range list {
		line := func(endpoint, service, metric string, want, got float64) {
			fmt.Fprintf(&b, "%s,%d,%.4f,%.2f,%s,%s,%s,%.6g,%.6g,%.4f,%.4f\n", c.App.Family, c.App.Seed, c.App.Utilisation, c.App.PeriodVisits,
				endpoint, service, metric, want, got, c.Want.MeanNoise, c.Want.P99Noise)
		}
		for e := range c.Want.Endpoints {
			w, g, name := &c.Want.Endpoints[e], &c.Got.Endpoints[e], c.App.App.Endpoints[e].Name
			line(name, "", "mean_ms", w.MeanMs, g.MeanMs)
			line(name, "", "p50_ms", w.P50Ms, g.P50Ms)
			line(name, "", "p95_ms", w.P95Ms, g.P95Ms)
			line(name, "", "p99_ms", w.P99Ms, g.P99Ms)
		}
		for s := range c.Want.CPUMillis {
			name := c.App.App.Services[s].Name
			line("", name, "cpu_m", c.Want.CPUMillis[s], c.Got.CPUMillis[s])
			line("", name, "visit_ms", c.Want.VisitMs[s], c.Got.VisitMs[s])
			line("", name, "own_ms", c.Want.OwnMs[s], c.Got.OwnMs[s])
			line("", name, "throttled", c.Want.Throttled[s], c.Got.Throttled[s])
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
