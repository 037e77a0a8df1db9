package cmd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// defaultScenarios are those that a benchmark runs and a policy is trained on.
var defaultScenarios = sim.DefaultEnvConfig().Scenarios

// loadedApp is an application with what identifies its file.
type loadedApp struct {
	*sim.App
	hash    string
	file    string     // hash of its file where manifests changed it, else empty
	base    *sim.App   // as the file has it, where manifests changed it, else nil
	rules   hpa.Config // of Kubernetes, for HPAs
	release string     // whose they are, empty for the present ones
	notes   []string   // of the manifests that changed it, as results show them

	unlimited map[int]bool // services whose pods have no CPU limit, by manifests
}

// loadApp reads a built-in application or the file at a path.
func loadApp(word string) (*loadedApp, error) {
	f, err := configs.Read(configs.Apps, word)
	if err != nil {
		return nil, err
	}
	app, err := sim.DecodeApp(f.Reader(), f.Name)
	if err != nil {
		return nil, err
	}
	return &loadedApp{App: app, hash: hashOf(f.Data), rules: hpa.DefaultConfig()}, nil
}

// original is the application as its file has it, whatever manifests changed.
func (a *loadedApp) original() *sim.App {
	if a.base != nil {
		return a.base
	}
	return a.App
}

// newEngine makes engines to train on: the fast one.
func (a *loadedApp) newEngine() (sim.Engine, error) { return sim.NewFluid(a.App, sim.FluidOptions{}) }

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// loadFlags choose the load of a command: scenarios, recordings, or both.
type loadFlags struct {
	scenarios []string
	traces    []string
	scale     float64
	fill      bool
	both      bool // recordings stand beside the scenarios
	flags     *pflag.FlagSet
}

func (l *loadFlags) register(f *pflag.FlagSet, scenarios []string) {
	l.flags = f
	f.StringSliceVar(&l.scenarios, "scenario", scenarios, "load scenarios: "+strings.Join(configs.Names(configs.Scenarios), ", ")+", or paths of .yaml files")
	f.StringSliceVar(&l.traces, "trace", nil, "directories of recordings to replay; alone they replace the scenarios")
	f.Float64Var(&l.scale, "trace-scale", 1, "multiply the rates of recordings")
	registerFill(f, &l.fill)
	f.BoolVar(&l.fill, "hold-gaps", false, "")
	if err := f.MarkDeprecated("hold-gaps", "use --fill"); err != nil {
		panic("cmd: " + err.Error())
	}
}

// printAppWarnings prints what is probably not meant in an application file.
func printAppWarnings(out io.Writer, app *loadedApp) {
	for _, warning := range app.Warnings {
		fmt.Fprintf(out, "Application %s: %s\n", app.Name, warning)
	}
	for _, note := range app.notes {
		fmt.Fprintln(out, note)
	}
}

// printSourceWarnings prints what is to be known of recordings and of what was done to them.
func printSourceWarnings(out io.Writer, sources []benchmark.SourceSpec) {
	for _, src := range sources {
		if r, ok := src.Source.(*sim.ReplaySource); ok {
			for _, warning := range r.Warnings() {
				fmt.Fprintf(out, "Recording %s: %s\n", r.Name(), warning)
			}
		}
	}
}

// registerFill adds the flag of commands that read recordings.
func registerFill(f *pflag.FlagSet, fill *bool) {
	f.BoolVar(fill, "fill", false, "bridge gaps of recordings with the value before them, and say how many")
}

// registerPlural does the same for commands whose flag is --scenarios.
func (l *loadFlags) registerPlural(f *pflag.FlagSet, scenarios []string) {
	l.register(f, scenarios)
	f.Lookup("scenario").Name = "scenarios"
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "scenario" {
			name = "scenarios"
		}
		return pflag.NormalizedName(name)
	})
}

// sources makes the load sources for an application, scenarios first.
func (l *loadFlags) sources(app *loadedApp, opt sim.ReplayOptions) ([]benchmark.SourceSpec, error) {
	if !(l.scale > 0) || l.scale > 1e6 {
		return nil, usagef("--trace-scale %v: must be above 0 and at most 1e6", l.scale)
	}
	opt.Scale = l.scale
	scenarios := l.scenarios
	if len(l.traces) > 0 && !l.both && !l.flags.Changed("scenario") && !l.flags.Changed("scenarios") {
		scenarios = nil
	}
	var out []benchmark.SourceSpec
	for _, word := range scenarios {
		src, err := loadScenario(word, app)
		if err != nil {
			return nil, err
		}
		out = append(out, *src)
	}
	for _, dir := range l.traces {
		src, err := loadTrace(dir, app, l.fill, opt)
		if err != nil {
			return nil, err
		}
		out = append(out, *src)
	}
	if len(out) == 0 {
		return nil, usagef("no load: give --scenario or --trace")
	}
	return out, nil
}

func loadScenario(word string, app *loadedApp) (*benchmark.SourceSpec, error) {
	if word == sim.FamilyName {
		src, err := sim.NewFamily(app.App, 0)
		if err != nil {
			return nil, err
		}
		return &benchmark.SourceSpec{Source: src, Hash: "1"}, nil
	}
	f, err := configs.Read(configs.Scenarios, word)
	if err != nil {
		return nil, err
	}
	sc, err := sim.DecodeScenario(f.Reader(), f.Name)
	if err != nil {
		return nil, err
	}
	src, err := sim.NewScenarioSourceScaled(sc, app.App, app.original())
	if err != nil {
		return nil, err
	}
	return &benchmark.SourceSpec{Source: src, Hash: hashOf(f.Data)}, nil
}

// recordingOf is the application as recordings are checked against it.
func recordingOf(app *sim.App) *trace.Application {
	return &trace.Application{Name: app.Name, Endpoints: app.EndpointNames(), Services: serviceNames(app)}
}

// loadTrace reads a recording to replay its load.
func loadTrace(dir string, app *loadedApp, fill bool, opt sim.ReplayOptions) (*benchmark.SourceSpec, error) {
	rec, err := readTrace(dir, app, fill)
	if err != nil {
		return nil, err
	}
	return traceSource(dir, rec, app, fill, opt)
}

// readTrace reads a recording. Services that the application does not have are only warned of.
func readTrace(dir string, app *loadedApp, fill bool) (*trace.Recording, error) {
	against := recordingOf(app.App)
	against.LoadOnly = true
	return trace.ReadWith(dir, trace.ReadOptions{Fill: fill, App: against})
}

// traceSource is the load of the recording in a directory.
func traceSource(dir string, rec *trace.Recording, app *loadedApp, fill bool, opt sim.ReplayOptions) (*benchmark.SourceSpec, error) {
	name := filepath.Base(filepath.Clean(dir))
	src, err := sim.NewReplaySource(name, rec, app.App, opt)
	if err != nil {
		return nil, err
	}
	hash, err := hashDir(dir)
	if err != nil {
		return nil, err
	}
	return &benchmark.SourceSpec{Source: src, Hash: fmt.Sprintf("%s %+v %v", hash, opt, fill)}, nil
}

// hashDir identifies the contents of a directory of plain files.
func hashDir(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		fmt.Fprintf(h, "%q\n", e.Name())
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// mixture draws each episode from one of several sources: what policies are trained on.
type mixture struct {
	sources []sim.LoadSource
}

// newMixture is a single source as it is, or a mixture of several.
func newMixture(specs []benchmark.SourceSpec) sim.LoadSource {
	if len(specs) == 1 {
		return specs[0].Source
	}
	m := &mixture{}
	for _, s := range specs {
		m.sources = append(m.sources, s.Source)
	}
	return m
}

// Name lists the sources.
func (m *mixture) Name() string {
	names := make([]string, len(m.sources))
	for i, s := range m.sources {
		names[i] = s.Name()
	}
	return strings.Join(slices.Compact(names), "+")
}

// Episode takes the source that the seed draws; every source has the same chance.
func (m *mixture) Episode(seed uint64, ep *sim.Episode) error {
	return m.sources[sim.PickSource(seed, len(m.sources))].Episode(seed, ep)
}
