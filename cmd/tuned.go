package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/benchmark/tune"
	"github.com/grlscaler/grlscaler/sim"
)

// tuned makes the controllers hpa:tuned of a benchmark: HPAs that are searched for each scenario, on other seeds than the benchmark's, and kept
// beside the policies.
type tuned struct {
	w       *world
	dir     string // of the checkpoints
	trials  int
	workers int
	notes   []string          // what was found, for the tables
	files   map[string][]byte // manifests for the results directory, by path
}

const (
	tunedWord      = benchmark.TunedHPA // hpa:tuned
	tuningLoads    = 3                  // of each scenario that a candidate is tried on
	tuningSeed     = 1                  // names the search's random numbers
	tunedSearch    = 1                  // changes whenever a search would find something else
	heldOutPrefix  = "heldout/"         // scenarios that nothing is trained or tuned on
	allScenarios   = "all"
	leastSLOsuffix = "-slo-"
)

// tunedChoice is what a word asks for: hpa:tuned, hpa:tuned-all, hpa:tuned-slo-1, hpa:tuned-slo-1-all.
type tunedChoice struct {
	objective tune.Objective
	together  bool // one HPA for all scenarios
}

func isTuned(word string) bool { return word == tunedWord || strings.HasPrefix(word, tunedWord+"-") }

func parseTuned(word string) (c tunedChoice, err error) {
	rest, together := strings.CutSuffix(strings.TrimPrefix(word, tunedWord), "-all")
	c.together = together
	if rest == "" {
		return c, nil
	}
	if x, ok := strings.CutPrefix(rest, leastSLOsuffix); ok {
		if c.objective, err = tune.ParseObjective("slo<=" + x); err == nil {
			return c, nil
		}
	}
	return c, usagef("--controllers %s: must be hpa:tuned, hpa:tuned-slo-X with X in percent, and either with -all behind it", word)
}

// spec searches what the word asks for, or finds it searched, and gives the controller. Scenarios that are held out and recordings run on what was
// found for all other scenarios of the plan together; of the default ones if it has no others.
func (t *tuned) spec(ctx context.Context, word string, app *loadedApp, sources []benchmark.SourceSpec) (*benchmark.ControllerSpec, error) {
	choice, err := parseTuned(word)
	if err != nil {
		return nil, err
	}
	if app.release != "" {
		return nil, usagef("--controllers %s: it is searched by the present rules of Kubernetes; leave --kubernetes out", word)
	}
	var own []benchmark.SourceSpec
	other := choice.together
	for _, src := range sources {
		if _, replay := src.Source.(*sim.ReplaySource); replay || strings.HasPrefix(src.Source.Name(), heldOutPrefix) {
			other = true
		} else {
			own = append(own, src)
		}
	}
	if len(own) == 0 {
		for _, name := range defaultScenarios {
			src, err := loadScenario(name, app)
			if err != nil {
				return nil, err
			}
			own = append(own, *src)
		}
		choice.together = true
	}
	found := map[string]*tune.Candidate{}
	if !choice.together {
		for _, src := range own {
			if found[src.Source.Name()], err = t.find(ctx, word, src.Source.Name(), "on "+src.Source.Name(), choice.objective, app, []benchmark.SourceSpec{src}); err != nil {
				return nil, err
			}
		}
	}
	var rest *tune.Candidate
	if other {
		where := "on the other loads"
		if choice.together {
			where = "on every load"
		}
		if rest, err = t.find(ctx, word, allScenarios, where, choice.objective, app, own); err != nil {
			return nil, err
		}
	}
	spec := tune.ByScenario(word, found, rest)
	return &spec, nil
}

// find gives the best HPA for loads: from the checkpoints if it was searched before.
func (t *tuned) find(ctx context.Context, word, on, where string, objective tune.Objective, app *loadedApp, sources []benchmark.SourceSpec) (*tune.Candidate, error) {
	plan := enginePlan(app, &engines[0]) // the fast engine, which policies are trained with too
	plan.Seeds, plan.Sources = seedsFrom(firstTuningSeed, tuningLoads), sources
	about := fmt.Sprint(tunedSearch, app.hash, plan.Engine.Name, plan.Engine.Hash, plan.Seeds, t.trials, objective, tuningSeed)
	for _, src := range sources {
		about += fmt.Sprintf(" %q %s", src.Source.Name(), src.Hash)
	}
	key := hashOf([]byte(about))
	dir := filepath.Join(t.dir, "hpa-tuned-"+strings.ReplaceAll(on, "/", "-")+"-"+key[:10])
	path := filepath.Join(dir, "settings.json")
	saved, best, ok, err := tune.Load(path, key, app.App)
	if err != nil {
		return nil, err
	}
	if !ok {
		if err := t.search(ctx, word, on, objective, app, plan, dir, path, key); err != nil {
			return nil, err
		}
		if saved, best, _, err = tune.Load(path, key, app.App); err != nil {
			return nil, err
		}
	}
	t.notes = append(t.notes, fmt.Sprintf("%s %s: %s (%s; the best of %d by %s on other seeds)", word, where, saved.About, dir, saved.Trials, saved.Objective))
	if t.files == nil {
		t.files = map[string][]byte{}
	}
	manifest, err := tune.Manifest(app.App, best, fmt.Sprintf("%s %s: the best of %d by %s.", word, where, saved.Trials, saved.Objective),
		fmt.Sprintf("SLO_violate %.3f %%, CAF %.4f, mean replicas %.2f on the load of the search, found by version %s.", 100*best.Score.SLOViolation, best.Score.CAF, best.Score.Replicas, saved.Version))
	if err != nil {
		return nil, err
	}
	t.files[filepath.Join(strings.ReplaceAll(word, ":", "-"), strings.ReplaceAll(on, "/", "-")+".yaml")] = manifest
	return best, nil
}

// search searches and saves. Its runs are kept while it lasts, so that it can be interrupted.
func (t *tuned) search(ctx context.Context, word, on string, objective tune.Objective, app *loadedApp, plan benchmark.Plan, dir, path, key string) error {
	trials := filepath.Join(dir, "trials")
	store, err := benchmark.OpenStore(trials)
	if err != nil {
		return withHint(err, "name another directory with --checkpoints")
	}
	progress := reporter{w: t.w}
	o := tune.Options{Trials: t.trials, Objective: objective, Seed: tuningSeed, Run: benchmark.Options{Workers: t.workers, Store: store}}
	o.Tell = func(done int, best *tune.Candidate) {
		progress.line(done == t.trials, "%s on %s: %d of %d candidates, best: CAF %.3f, %.2f %% violations, %s", word, on, done, t.trials, best.Score.CAF,
			100*best.Score.SLOViolation, best.Describe())
	}
	found, err := tune.Search(ctx, plan, o)
	progress.end()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return withHint(err, "finished runs are kept in %s; run the same command again to go on", dir)
		}
		return err
	}
	list, err := candidatesCSV(app.App, found)
	if err != nil {
		return err
	}
	data, err := tune.Save(app.App, key, version(), objective, found)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, "candidates.csv"), list); err != nil {
		return err
	}
	if err := replaceFile(path, data); err != nil {
		return err
	}
	return os.RemoveAll(trials)
}

// write puts the manifests into the results directory.
func (t *tuned) write(out string) error {
	var paths []string
	for path := range t.files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		full := filepath.Join(out, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
			return err
		}
		if err := replaceFile(full, t.files[path]); err != nil {
			return err
		}
	}
	return nil
}
