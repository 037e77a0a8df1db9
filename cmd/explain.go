package cmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

func newExplain(w *world) *cobra.Command {
	var q benchmark.Question
	var app string
	var seed uint64
	var engine engineFlag
	c := &cobra.Command{
		Use:   "explain RESULTS",
		Short: "Say why a service had its replicas, and what one fewer or more would have given",
		Long: `Say in a sentence why a controller set the replicas of a service: the metric and its target, and what bound the
result. Below it what the service and the requests were like in that interval, and what the percentiles would have been
with one replica fewer and one more: in steady state, at the rate of that interval in the application's default mix.

RESULTS is a directory that simulate or benchmark wrote; it keeps the decisions of the first seed.`,
		Example: `  grlscaler simulate --controller hpa:cpu-60 --scenario rushsale --out out
  grlscaler explain out --service frontend --at 12m`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if q.Service == "" {
				return usagef("--service is missing")
			}
			if !c.Flags().Changed("at") {
				return usagef("--at is missing: a time from the start of the run, such as 12m")
			}
			if c.Flags().Changed("seed") {
				q.Seed = &seed
			}
			return explain(w.stdout, args[0], q, app, &engine)
		},
	}
	f := c.Flags()
	f.StringVar(&q.Service, "service", "", "the service to explain")
	f.DurationVar(&q.At, "at", 0, "when, from the start of the run")
	f.StringVar(&q.Controller, "controller", "", "of several controllers, this one")
	f.StringVar(&q.Scenario, "scenario", "", "of several scenarios or recordings, this one")
	f.Uint64Var(&seed, "seed", 0, "of several seeds, this one")
	f.StringVar(&app, "app", "", "application of the results, if it is not a built-in one: the path of its .yaml file")
	engine.register(f)
	return c
}

func explain(out io.Writer, dir string, q benchmark.Question, appName string, engine *engineFlag) error {
	kind, err := engine.kind()
	if err != nil {
		return err
	}
	a, err := benchmark.Explain(dir, q)
	if err != nil {
		return err
	}
	app, err := appOfResults(dir, appName)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s on %s, seed %d, at %s: %s.\n", a.Controller, a.Scenario, a.Seed, a.Decided, a.Reason.Sentence(q.Service))
	fmt.Fprintf(out, "From %s to %s: %s had %d ready of %d wanted (%d needed), %.1f visits/s, p95 %.0f ms; all requests %.1f/s, p95 %.0f ms.\n", a.From, a.To, q.Service,
		a.Step.Ready, a.Step.Spec, a.Step.Needed, a.Step.RPS, a.Step.P95Ms, a.Requests.RPS, a.Requests.P95Ms)
	table := newTable(out, q.Service, "p95 ms", "late %", "")
	service := app.ServiceIndex(q.Service)
	if service < 0 {
		return fmt.Errorf("application %s has no service %q; is --app the application of the results?", app.Name, q.Service)
	}
	for _, more := range []int{-1, 0, 1} {
		replicas, ready, err := replicasOf(app.App, a, service, more)
		if err != nil {
			return err
		}
		if ready < 0 || ready > app.Services[service].MaxReplicas {
			continue
		}
		s, err := steadyState(app, kind, replicas, a.Requests.RPS)
		if err != nil {
			return err
		}
		what := map[int]string{-1: "one fewer", 0: "as it was", 1: "one more"}[more]
		if err := table.Append(plural(ready, "replica", "replicas"), fmt.Sprintf("%.0f", s.p95Ms), fmt.Sprintf("%.2f", 100*s.late), what+s.note); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "In steady state at %.1f requests/s:\n", a.Requests.RPS)
	return table.Render()
}

// appOfResults reads the application that results are of.
func appOfResults(dir, name string) (*loadedApp, error) {
	path := filepath.Join(dir, "config.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	var config struct {
		Application struct {
			Name string `yaml:"name"`
			Hash string `yaml:"hash"`
		} `yaml:"application"`
		Settings *appSettings `yaml:"settings"`
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("results: %s: %w", path, err)
	}
	if name == "" {
		name = config.Application.Name
	}
	app, err := loadApp(name)
	if err != nil {
		return nil, withHint(err, "name the application of the results with --app")
	}
	want := config.Application.Hash
	if config.Settings != nil {
		want = config.Settings.File
	}
	if app.hash != want {
		return nil, fmt.Errorf("the results in %s are of another application (%s) than %s (%s); name its file with --app", dir, want, name, app.hash)
	}
	if config.Settings != nil {
		if err := app.restore(config.Settings); err != nil {
			return nil, fmt.Errorf("results: %s: settings: %w", path, err)
		}
	}
	return app, nil
}

// replicasOf are the ready replicas of all services, with so many more of one.
func replicasOf(app *sim.App, a *benchmark.Answer, service, more int) (replicas []int, ready int, err error) {
	replicas = make([]int, len(app.Services))
	for _, r := range a.Ready {
		s := app.ServiceIndex(r.Service)
		if s < 0 {
			return nil, 0, fmt.Errorf("application %s has no service %q; is --app the application of the results?", app.Name, r.Service)
		}
		replicas[s] = r.Ready
	}
	replicas[service] += more
	return replicas, replicas[service], nil
}

// steady is what a constant load comes to.
type steady struct {
	p95Ms, late float64
	note        string
}

// steadyState runs an engine at a constant load in the default mix until nothing changes any more, or for as long as it may take.
func steadyState(app *loadedApp, kind *engineKind, replicas []int, rps float64) (steady, error) {
	const settle, measure = 10 * time.Minute, time.Minute
	variant := *app.App // whose bounds let any count be asked about
	variant.Services = append([]sim.Service(nil), app.Services...)
	for s := range variant.Services {
		svc := &variant.Services[s]
		svc.MinReplicas, svc.MaxReplicas = min(svc.MinReplicas, replicas[s]), max(svc.MaxReplicas, replicas[s])
	}
	engine, err := kind.make(&variant)
	if err != nil {
		return steady{}, err
	}
	if err := engine.Reset(1, replicas); err != nil {
		return steady{}, err
	}
	weights := 0.0
	for e := range variant.Endpoints {
		weights += variant.Endpoints[e].Weight
	}
	load := sim.TickLoad{}
	for e := range variant.Endpoints {
		load.RPS = append(load.RPS, rps*variant.Endpoints[e].Weight/weights)
	}
	load.Arrivals = slices.Clone(load.RPS) // the fluid engine takes means as well
	stream := rng.New(1, "explain-arrivals")
	offered, late := 0.0, 0.0
	hists := make([]sim.Histogram, len(variant.Endpoints))
	for t := time.Duration(0); t < settle+measure; t += sim.Tick {
		if kind.name == "des" {
			for e, mean := range load.RPS {
				load.Arrivals[e] = stream.Poisson(mean)
			}
		}
		engine.Step(load)
		st := engine.State()
		if st.Window == 0 || t < settle {
			continue
		}
		for e := range st.Endpoints {
			offered += st.Endpoints[e].Offered
			late += st.Endpoints[e].Late + st.Endpoints[e].Failed
		}
		engine.AddLatencies(hists)
	}
	var all sim.Histogram
	for e := range hists {
		all.Merge(&hists[e])
	}
	out := steady{p95Ms: all.QuantileMs(0.95)}
	if offered > 0 {
		out.late = min(late/offered, 1)
	}
	if offered > 0 && all.Count() < 0.97*offered {
		out.note = ": more than it can do, requests pile up"
	}
	return out, nil
}
