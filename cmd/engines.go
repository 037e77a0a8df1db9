package cmd

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/sim"
)

// engineKind is an engine that --engine names.
type engineKind struct {
	name string
	hash string // changes when the same name gives other results by option
	make func(*sim.App) (sim.Engine, error)
}

// engines lists the engines, the default first.
var engines = []engineKind{
	{"fluid", "1", func(a *sim.App) (sim.Engine, error) { return sim.NewFluid(a, sim.FluidOptions{}) }},
	{"des", "1", func(a *sim.App) (sim.Engine, error) { return sim.NewDES(a, sim.DESOptions{}) }},
}

// engineFlag chooses an engine.
type engineFlag struct{ name string }

func (e *engineFlag) register(f *pflag.FlagSet) {
	f.StringVar(&e.name, "engine", engines[0].name, "fluid (analytic, fast) or des (every request is simulated)")
}

// kind is the engine chosen.
func (e *engineFlag) kind() (*engineKind, error) {
	var names []string
	for i := range engines {
		if engines[i].name == e.name {
			return &engines[i], nil
		}
		names = append(names, engines[i].name)
	}
	return nil, usagef("--engine %s: unknown engine; one of %s", e.name, strings.Join(names, ", "))
}

// spec is the engine in a plan.
func (k *engineKind) spec(app *loadedApp) benchmark.EngineSpec {
	return benchmark.EngineSpec{Name: k.name, Hash: k.hash, New: func() (sim.Engine, error) { return k.make(app.App) }}
}
