package cmd

import (
	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/sim"
)

func newSimulate(w *world) *cobra.Command {
	var run benchmarkRun
	var seed uint64
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Run controllers on one load and print what they did",
		Long: `Run one or more controllers on a scenario or a recording and print SLO violations, resource slack,
scaling lag, cost amplification and what stands beside them.

` + controllerHelp,
		Example: `  grlscaler simulate --controller hpa:cpu-60 --scenario rushsale
  grlscaler simulate --controller hpa:cpu-60 --scenario rushsale --engine des
  grlscaler simulate --controller ./manifests/,hpa:cpu-60 --scenario peak
  grlscaler simulate --controller hpa:cpu-40,hpa:cpu-80,oracle --trace testdata/recordings/h_rushsale`,
		RunE: func(c *cobra.Command, _ []string) error {
			run.seeds = []uint64{seed}
			return run.do(c, w, nil)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&run.controllers, "controller", []string{"hpa:cpu-60"}, "controllers to run, see above")
	run.load.register(f, []string{"rushsale"})
	f.StringVar(&run.app, "app", "online_boutique", "application: a built-in name or the path of a .yaml file")
	run.engine.register(f)
	registerServe(f, &run.serve)
	run.kubernetes.register(f)
	f.Uint64Var(&seed, "seed", 1, "names the random numbers: arrivals, start-up times, noise")
	f.StringVar(&run.out, "out", "", "directory to write the results to: tables, every run, every step")
	f.IntVar(&run.workers, "workers", 0, "runs at once; 0 = one for each core. The result does not depend on it")
	return c
}

// enginePlan fills in what every plan of this program shares.
func enginePlan(app *loadedApp, engine *engineKind) benchmark.Plan {
	return benchmark.Plan{
		App: app.App, AppHash: app.hash, Version: version(), Metrics: sim.DefaultMetricsConfig(),
		Engine: engine.spec(app),
	}
}
