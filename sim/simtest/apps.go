package simtest

import (
	"embed"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

//go:embed apps
var apps embed.FS

// One is an application of one service: web, 20 visits/s per replica at most, 1 to 10 replicas, ready 20 s after they
// were asked for.
func One(tb testing.TB) *sim.App { return load(tb, "one") }

// Chain is an application of three services: front, logic, store (stateful), with two endpoints and two node pools.
func Chain(tb testing.TB) *sim.App { return load(tb, "chain") }

func load(tb testing.TB, name string) *sim.App {
	tb.Helper()
	path := "apps/" + name + ".yaml"
	f, err := apps.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	app, err := sim.DecodeApp(f, path)
	if err != nil {
		tb.Fatal(err)
	}
	return app
}

// NewFluid makes an engine for app, with a response fitted to few visits: quickly, and good enough for tests of anything but
// its accuracy.
func NewFluid(tb testing.TB, app *sim.App) sim.Engine {
	tb.Helper()
	e, err := sim.NewFluid(app, sim.FluidOptions{FitVisits: 1e5})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}
