package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/benchmark/incidents"
	"github.com/grlscaler/grlscaler/benchmark/tune"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
)

// suite is one call of benchmark --suite incidents.
type suite struct {
	names   []string
	engine  *engineKind
	seeds   []uint64
	workers int
	trials  int      // of the tuned HPA; 0 for none
	words   []string // controllers beside those of the incidents
	out     string
}

// incidentTrials is how many candidates the tuned HPA of an incident is searched among, unless told otherwise.
const incidentTrials = 60

// tuningSeeds is how many arrivals the tuned HPA is searched on: what suits one draw of them need not suit the next.
const tuningSeeds = 3

// incidentsTitle is the line above the tables.
const incidentsTitle = "Incidents: what goes wrong with autoscaling in production, %s each, engine %s\n\n"

func (s *suite) do(ctx context.Context, w *world) error {
	if len(s.names) == 0 {
		s.names = configs.Names(configs.Incidents)
	}
	var list []*incidents.Incident
	for _, name := range s.names {
		f, err := configs.Read(configs.Incidents, name)
		if err != nil {
			return err
		}
		x, err := incidents.Decode(f.Reader(), name)
		if err != nil {
			return err
		}
		list = append(list, x)
	}
	fmt.Fprintf(w.stdout, incidentsTitle, plural(len(s.seeds), "run", "runs"), s.engine.name)
	progress := reporter{w: w}
	var results []incidents.Result
	for i, x := range list {
		progress.line(false, "incident %d of %d: %s", i+1, len(list), x.Name)
		controllers, settings, err := s.controllers(ctx, x)
		if err == nil {
			controllers, err = s.withWords(controllers, x)
		}
		if err == nil {
			var outcomes []incidents.Outcome
			outcomes, err = incidents.Run(ctx, x, controllers, incidents.Options{Seeds: s.seeds, Workers: s.workers, NewEngine: s.engine.make})
			progress.end()
			if err == nil {
				results = append(results, incidents.Result{Incident: x, Controllers: controllers, Outcomes: outcomes, Settings: settings})
				err = printIncident(w.stdout, x, controllers, outcomes, settings)
			}
		}
		if err != nil {
			progress.end()
			if errors.Is(err, context.Canceled) {
				return withHint(err, "name the incidents that are left with --incidents")
			}
			return err
		}
	}
	notes := []string{
		fmt.Sprintf("%s each, engine %s. All controllers of an incident met the same arrivals.", plural(len(s.seeds), "run", "runs"), s.engine.name),
		fmt.Sprintf("Violations: requests late or failed. Recovery: from the first to the end of the last 15 s in which more than %g %% violated. Pods: ready and starting.", 100*incidents.RecoverShare),
		fmt.Sprintf("Version %s.", version()),
	}
	if err := printAnchors(w.stdout, results, notes); err != nil {
		return err
	}
	return s.write(w.stdout, results, notes)
}

// printAnchors prints the table of all incidents.
func printAnchors(out io.Writer, results []incidents.Result, notes []string) error {
	fmt.Fprintln(out, "Controllers against the anchors")
	header, rows := incidents.Anchors(results)
	table := newTable(out, header...)
	for _, row := range rows {
		row[2] = strings.Join(wrapped(row[2], anchorWidth), "\n")
		if err := table.Append(row); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	for _, text := range append(incidents.Differences(results), notes...) {
		for _, line := range wrapped(text, lineWidth) {
			fmt.Fprintln(out, line)
		}
	}
	return nil
}

// anchorWidth is that of the column with what a report says.
const anchorWidth = 32

// write puts the results into files.
func (s *suite) write(out io.Writer, results []incidents.Result, notes []string) error {
	var table bytes.Buffer
	if err := incidents.WriteCSV(&table, results); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"summary.md": incidents.Markdown(results, notes), "summary.csv": table.Bytes()} {
		if err := os.WriteFile(filepath.Join(s.out, name), data, 0o644); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "Written: %s, summary.csv\n", filepath.Join(s.out, "summary.md"))
	return err
}

// controllers adds a tuned HPA to the incident's own: searched on other seeds, for the fewest pods with at most 1 % violations. Where
// the HPA goes by a metric from outside there is no CPU target to search.
func (s *suite) controllers(ctx context.Context, x *incidents.Incident) ([]incidents.Controller, string, error) {
	all := x.Controllers()
	if s.trials == 0 || x.MetricAge >= 0 {
		return all, "", nil
	}
	plan := benchmark.Plan{App: x.App, Seeds: seedsFrom(firstTuningSeed, tuningSeeds), Version: version(), Sources: []benchmark.SourceSpec{{Source: x.Source, Hash: x.Name}},
		Engine: benchmark.EngineSpec{Name: s.engine.name, New: func() (sim.Engine, error) { return s.engine.make(x.App) }}}
	found, err := tune.Search(ctx, plan, tune.Options{Trials: s.trials, Seed: 1, Around: x.Disturb, Objective: tune.Objective{Bounded: true, MostViolation: 0.01}, Run: benchmark.Options{Workers: s.workers}})
	if err != nil {
		return nil, "", err
	}
	spec := tune.Controller("hpa:tuned", &found.Best)
	tuned := incidents.Controller{Name: "hpa:tuned", New: func() (sim.Controller, error) {
		c, err := spec.New()
		if err != nil {
			return nil, err
		}
		return x.Disturb(c), nil
	}}
	return append([]incidents.Controller{all[0], tuned}, all[1:]...), found.Best.Describe(), nil
}

// withWords adds the controllers that the user names, before the bound.
func (s *suite) withWords(controllers []incidents.Controller, x *incidents.Incident) ([]incidents.Controller, error) {
	specs, err := controllerSpecs(s.words, &loadedApp{App: x.App, rules: hpa.DefaultConfig()}, nil)
	if err != nil {
		return nil, fmt.Errorf("incident %s: %w", x.Name, err)
	}
	last := len(controllers) - 1
	out := slices.Clone(controllers[:last])
	for _, spec := range specs {
		out = append(out, incidents.Controller{Name: spec.Name, New: func() (sim.Controller, error) {
			c, err := spec.New()
			if err != nil {
				return nil, err
			}
			return x.Disturb(c), nil
		}})
	}
	return append(out, controllers[last]), nil
}

func printIncident(out io.Writer, x *incidents.Incident, controllers []incidents.Controller, outcomes []incidents.Outcome, settings string) error {
	fmt.Fprintf(out, "%s: %s\n", x.Name, x.Title)
	for _, line := range wrapped(x.About, lineWidth) {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintf(out, "Anchor: %s\n", x.Anchor)
	if settings != "" {
		fmt.Fprintf(out, "hpa:tuned: %s\n", settings)
	}
	table := newTable(out, "controller", "violations %", "worst minute %", "recovery", "mean pods", "peak pods", "at", "pod hours", "changes/h")
	for i := range controllers {
		o := &outcomes[i]
		if err := table.Append(controllers[i].Name, fmt.Sprintf("%.2f", 100*o.Violation), fmt.Sprintf("%.1f", 100*o.WorstMinute), o.Recover.Round(time.Second).String(),
			fmt.Sprintf("%.1f", o.MeanPods), fmt.Sprintf("%.0f", o.Peak), o.PeakAt.Round(time.Second).String(), fmt.Sprintf("%.2f", o.PodHours), fmt.Sprintf("%.0f", o.Changes)); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}
