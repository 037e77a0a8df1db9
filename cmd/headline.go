package cmd

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/rl"
	"github.com/grlscaler/grlscaler/sim"
)

// headlineHelp explains the suite.
const headlineHelp = `
The suite headline is the protocol of published comparisons: 10 seeds, every request simulated (--engine des), the four
scenarios and loads that nothing is trained or tuned on: two shapes (heldout/...) and a recording. It refuses policies
that were trained on those. Flags change each of it. Minutes to hours: see docs/metrics.md.`

// headlineControllers stand beside the policies there.
var headlineControllers = []string{
	tunedWord, tunedWord + "-all", tunedWord + "-slo-1", "hpa:cpu-20", "hpa:cpu-40", "hpa:cpu-60", "hpa:cpu-80", "keda:rps-60", "phpa:cpu-60",
	"static:mean", "static:peak", "random", "oracle",
}

const (
	headlineSeeds = 10
	// headlineTrace is replayed at eight times its rates: it was made with 0.3 of the official limits and up to four replicas, and so
	// the official limits and seven replicas are as busy as in the scenarios.
	headlineTrace      = "testdata/recordings/h_rushsale"
	headlineTraceScale = 8
)

// heldOutScenarios are the built-in shapes that nothing is trained or tuned on.
func heldOutScenarios() []string {
	return slices.DeleteFunc(configs.Names(configs.Scenarios), func(name string) bool { return !strings.HasPrefix(name, heldOutPrefix) })
}

// headlineDefaults are the protocol, where flags do not say otherwise.
func headlineDefaults(run *benchmarkRun, f *pflag.FlagSet, seeds *int) error {
	if !f.Changed("seeds") {
		*seeds = headlineSeeds
	}
	if !f.Changed("engine") {
		run.engine.name = "des"
	}
	if !f.Changed("controllers") {
		run.controllers = headlineControllers
	}
	if !f.Changed("scenarios") {
		run.load.scenarios = append(slices.Clone(defaultScenarios), heldOutScenarios()...)
	}
	if !f.Changed("trace") {
		if !exists(headlineTrace) {
			return withHint(fmt.Errorf("the held-out recording %s is not here", headlineTrace), "run this in grlscaler's repository, or name a recording of yours with --trace")
		}
		run.load.traces = []string{headlineTrace}
		if !f.Changed("trace-scale") {
			run.load.scale = headlineTraceScale
		}
	}
	run.load.both = true
	return nil
}

// checkHeldOut refuses policies that were trained on what the plan holds out.
func checkHeldOut(run *benchmarkRun, plan *benchmark.Plan, cfgs []string) error {
	for _, word := range cfgs {
		if word == "" {
			continue
		}
		cfg, err := loadPolicyConfig(word)
		if err != nil {
			return err
		}
		if err := trainedOnHeldOut(cfg.Name, &cfg.Env, plan, run.load.traces); err != nil {
			return err
		}
	}
	for _, word := range run.controllers {
		name, path, ok := strings.Cut(word, "policy:")
		if !ok {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			continue // said when it is loaded
		}
		p, err := rl.LoadPolicy(path, nil)
		if err != nil {
			return err
		}
		p.Close()
		if name = strings.TrimSuffix(name, "="); name == "" {
			name = path
		}
		if err := trainedOnHeldOut(name, &p.Config.Env, plan, run.load.traces); err != nil {
			return err
		}
	}
	return nil
}

// trainedOnHeldOut compares what a policy was trained on with the plan's held-out loads, by content.
func trainedOnHeldOut(name string, env *sim.EnvConfig, plan *benchmark.Plan, traces []string) error {
	bad := func(load string) error {
		return withHint(fmt.Errorf("policy %s is trained on %s, which the headline holds out", name, load), "train it without, or name other loads with --scenarios and --trace")
	}
	if env.Trace != "" {
		trained, err := hashDir(env.Trace)
		if err != nil { // not on this machine: its name must do
			trained = env.Trace
		}
		for _, dir := range traces {
			hash, err := hashDir(dir)
			if err != nil {
				return err
			}
			if hash == trained || dir == trained {
				return bad(dir)
			}
		}
		return nil
	}
	for _, word := range env.Scenarios {
		hash := ""
		if f, err := configs.Read(configs.Scenarios, word); err == nil {
			hash = hashOf(f.Data)
		}
		for _, src := range plan.Sources {
			held := strings.HasPrefix(src.Source.Name(), heldOutPrefix)
			if held && (src.Hash == hash || word == src.Source.Name()) {
				return bad(src.Source.Name())
			}
		}
	}
	return nil
}
