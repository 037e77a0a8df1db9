package cmd

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// run carries out the world's command and returns the exit code.
func run(ctx context.Context, w *world) int {
	root := newRoot(w)
	root.SetArgs(w.args)
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(w.stderr, "grlscaler: "+message(err))
	}
	return exitCode(err)
}

func newRoot(w *world) *cobra.Command {
	root := &cobra.Command{
		Use:   "grlscaler",
		Short: "What would this autoscaler have done on my traffic, and can a learned policy do better?",
		Long: `grlscaler replays recorded Online Boutique traffic into a simulated Kubernetes cluster, trains
autoscaling policies there (PPO and Discrete SAC; MLP, GAT and GCN encoders over the service graph)
and benchmarks them against real autoscalers: SLO violations, resource slack, scaling lag and cost
amplification, with confidence intervals.`,
		Example: `  grlscaler simulate --controller hpa:cpu-60 --scenario rushsale
  grlscaler train --cfg gat_ppo
  grlscaler benchmark --seeds 3`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		// Flags > GRLSCALER_* > files > defaults.
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return w.fillFromEnv(c) },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.AddCommand(newSimulate(w), newTrain(w), newBenchmark(w), newTrace(w), newCalibrate(w), newValidate(w), newTune(w), newExplain(w), newWhatIf(w))
	for _, c := range root.Commands() {
		usageArgs(c)
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	// A word that is no command is a usage error; without one, the help.
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unknown command %q; one of simulate, train, benchmark, trace, calibrate, validate, tune, explain, whatif", args[0])
		}
		return nil
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

// usageArgs makes wrong positional arguments usage errors, below c too.
func usageArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
		}
		return nil
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}

// buildVersion is set by the Makefile: the commit, and a mark for changes that are not committed.
var buildVersion string

// version names the state of the code that this program was built from.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
