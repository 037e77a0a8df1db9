package sim

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/internal/strictyaml"
)

// Kinds of environment.
const (
	KindCluster = "cluster"
	KindGymHPA  = "gym_hpa"
)

// Ways to choose the replicas that an episode starts with.
const (
	InitialRandom = "random" // uniform between min and max, each service on its own
	InitialApp    = "app"    // the episode's own (Episode.Initial), else the application's
	InitialNeeded = "needed" // what the demand curve asks for at the first counted window
)

// EnvConfig configures an environment. [DefaultEnvConfig] gives the defaults; YAML keys are those of the tags.
type EnvConfig struct {
	// Kind is cluster (default) or gym_hpa.
	Kind string `yaml:"kind"`
	// App names the application, Scenarios the load; Trace, a recording's directory, replaces Scenarios.
	// The names are looked up by whoever builds the environment.
	// AppRandom draws applications instead, as RandomApps says, which then must be there.
	App        string            `yaml:"app"`
	RandomApps *RandomAppsConfig `yaml:"random_apps,omitempty"`
	Scenarios  []string          `yaml:"scenarios"`
	Trace      string            `yaml:"trace"`
	// GymHPA is for kind gym_hpa alone; nil is its default.
	GymHPA *GymHPAConfig `yaml:"gym_hpa,omitempty"`
	// TraceScale multiplies the recording's rates. Default 1.
	TraceScale float64 `yaml:"trace_scale"`
	// TraceFill bridges gaps of the recording.
	TraceFill bool `yaml:"trace_fill,omitempty"`
	// NumEnvs is how many environments are stepped together, of each application where there are several. Default 16.
	NumEnvs int `yaml:"num_envs"`
	// Workers is over how many goroutines they are spread; 0 = one for each core. The result does not depend on it.
	Workers int `yaml:"workers"`
	// Initial is random (default), app or needed.
	Initial string `yaml:"initial"`
	// WarmupIntervals of the uncounted part are run, without decisions, before the first observation, so that it
	// holds metrics. Default 2; at most what the episode has; -1 = all.
	WarmupIntervals int `yaml:"warmup_intervals"`
	// MaxIntervals ends an episode (truncates it) after so many control intervals; 0 = at the end of its load.
	// Default 0; 25 for gym_hpa.
	MaxIntervals int `yaml:"max_intervals"`

	Action  ActionConfig  `yaml:"action"`
	Reward  RewardConfig  `yaml:"reward"`
	Metrics MetricsConfig `yaml:"metrics"`

	Variation VariationConfig `yaml:"variation"`

	// Hide lists features that observations show as 0, as services.announced or scalars.entry_peak: for finding out what they are worth.
	Hide []string `yaml:"hide,omitempty"`
}

// GymHPAConfig configures kind gym_hpa.
type GymHPAConfig struct {
	// Rows is a file of rows that gym-hpa wrote (CSV): a step then shows one of them, as in gym-hpa's own simulation, and no cluster
	// is simulated. Empty (default): the engine simulates.
	Rows string `yaml:"rows"`
}

// GymRows is the file of rows, "" where the engine simulates.
func (c *EnvConfig) GymRows() string {
	if c.Kind != KindGymHPA || c.GymHPA == nil {
		return ""
	}
	return c.GymHPA.Rows
}

// DefaultEnvConfig is kind cluster on Online Boutique under the four scenarios.
func DefaultEnvConfig() EnvConfig {
	return EnvConfig{
		Kind: KindCluster, App: "online_boutique", Scenarios: []string{"offpeak", "peak", "rushsale", "fluctuating"},
		TraceScale: 1, NumEnvs: 16, Initial: InitialRandom, WarmupIntervals: 2,
		Action: DefaultActionConfig(), Reward: DefaultRewardConfig(), Metrics: DefaultMetricsConfig(),
		Variation: VariationConfig{Times: 0.2},
	}
}

// DecodeEnvConfig reads a file with a strict decoder over the defaults. name is the file's name for messages.
func DecodeEnvConfig(r io.Reader, name string) (*EnvConfig, error) {
	c := DefaultEnvConfig()
	doc, err := strictyaml.Decode(r, name, &c)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range strictyaml.Split(c.Validate()) {
		key, rest, _ := strings.Cut(e.Error(), ": ")
		errs = append(errs, doc.Errorf(key, "%s", rest))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &c, nil
}

// Validate reports every mistake at once, each beginning with its key.
func (c *EnvConfig) Validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Kind == KindCluster || c.Kind == KindGymHPA, "kind: unknown %q; one of %s, %s", c.Kind, KindCluster, KindGymHPA)
	bad(c.App != "", "app: missing; name an application")
	bad(len(c.Scenarios) > 0 || c.Trace != "", "scenarios: empty; name at least one scenario, or give trace")
	for i, s := range c.Scenarios {
		bad(s != "" && !slices.Contains(c.Scenarios[:i], s), "scenarios[%d]: %q is empty or given twice", i, s)
	}
	c.RandomApps.check(c, bad)
	for i, name := range c.Hide {
		bad(c.Kind == KindCluster, "hide: only for kind %s; this is %s", KindCluster, c.Kind)
		_, _, ok := findFeature(name)
		bad(ok, "hide[%d]: unknown feature %q; write services.NAME, nodes.NAME, edges.NAME or scalars.NAME (docs/training.md lists them)", i, name)
	}
	bad(c.TraceScale > 0 && c.TraceScale <= 1e6, "trace_scale: %v; must be above 0 and at most 1e6", c.TraceScale)
	bad(c.NumEnvs >= 1 && c.NumEnvs <= 4096, "num_envs: %d; must be from 1 to 4096", c.NumEnvs)
	bad(c.Workers >= 0 && c.Workers <= 1024, "workers: %d; must be from 0 (one for each core) to 1024", c.Workers)
	bad(c.Initial == InitialRandom || c.Initial == InitialApp || c.Initial == InitialNeeded,
		"initial: unknown %q; one of %s, %s, %s", c.Initial, InitialRandom, InitialApp, InitialNeeded)
	bad(c.WarmupIntervals >= -1, "warmup_intervals: %d; must be at least -1 (the whole warm-up)", c.WarmupIntervals)
	bad(c.MaxIntervals >= 0, "max_intervals: %d; must be at least 0 (no limit)", c.MaxIntervals)
	bad(c.Variation.Apps >= 0 && c.Variation.Apps <= 64, "variation.apps: %d; must be from 0 to 64", c.Variation.Apps)
	bad(c.Variation.Times >= 0 && c.Variation.Times <= 1, "variation.times: %v; must be a standard deviation of logarithms from 0 to 1", c.Variation.Times)
	bad(c.Variation.SLOs >= 0 && c.Variation.SLOs <= 1, "variation.slos: %v; must be a standard deviation of logarithms from 0 to 1", c.Variation.SLOs)
	bad(c.Kind == KindGymHPA || c.GymHPA == nil || c.GymHPA.Rows == "", "gym_hpa.rows: only for kind %s; this is %s", KindGymHPA, c.Kind)
	bad(c.GymRows() == "" || c.Trace == "", "trace: rows of gym-hpa take its place; leave out trace or gym_hpa.rows")
	bad(c.GymRows() == "" || c.Reward.Name != RewardSLOCost, "reward.name: %s needs a simulated cluster; with gym_hpa.rows it is %s or %s", RewardSLOCost, RewardCost, RewardLatency)
	errs = append(errs, c.Action.Validate(), c.Reward.Validate(), c.Metrics.Validate())
	return errors.Join(errs...)
}

// AppRandom as EnvConfig.App stands for applications that are drawn at random.
const AppRandom = "random"

// RandomAppsConfig says which applications are drawn (package sim/randomapp).
type RandomAppsConfig struct {
	Count       int    `yaml:"count"`        // applications, each with environments of its own
	ServicesMin int    `yaml:"services_min"` // of the smallest; sizes are spread evenly
	ServicesMax int    `yaml:"services_max"` // of the largest
	Seed        uint64 `yaml:"seed"`         // names them
	// Wide is how many more there are of one to three services with up to 120 replicas each.
	Wide int `yaml:"wide"`
}

// All is how many applications there are.
func (r *RandomAppsConfig) All() int { return r.Count + r.Wide }

// Bounds of what can be drawn in a reasonable time.
const (
	mostRandomApps                          = 256
	leastRandomServices, mostRandomServices = 3, 100
)

// check reports mistakes of this part of c, which may be nil.
func (r *RandomAppsConfig) check(c *EnvConfig, bad func(ok bool, format string, args ...any)) {
	if c.App != AppRandom {
		bad(r == nil, "random_apps: only used with app %s; remove the section, or set app", AppRandom)
		return
	}
	bad(c.Kind == KindCluster, "app: %s needs kind %s", AppRandom, KindCluster)
	bad(c.Trace == "", "trace: a recording is of one application; with app %s train on scenarios", AppRandom)
	if r == nil {
		bad(false, "random_apps: missing; app %s needs it: {count: 12, services_min: 5, services_max: 30, seed: 1}", AppRandom)
		return
	}
	bad(r.Count >= 1 && r.Count <= mostRandomApps, "random_apps.count: %d; must be from 1 to %d", r.Count, mostRandomApps)
	bad(r.Wide >= 0 && r.Wide <= mostRandomApps, "random_apps.wide: %d; must be from 0 to %d", r.Wide, mostRandomApps)
	bad(r.ServicesMin >= leastRandomServices && r.ServicesMin <= mostRandomServices, "random_apps.services_min: %d; must be from %d to %d", r.ServicesMin, leastRandomServices, mostRandomServices)
	bad(r.ServicesMax >= r.ServicesMin && r.ServicesMax <= mostRandomServices, "random_apps.services_max: %d; must be from services_min (%d) to %d", r.ServicesMax, r.ServicesMin, mostRandomServices)
}

// Services is the size of application i: from the smallest to the largest in even steps.
func (r *RandomAppsConfig) Services(i int) int {
	if r.Count < 2 {
		return (r.ServicesMin + r.ServicesMax) / 2
	}
	return r.ServicesMin + (r.ServicesMax-r.ServicesMin)*i/(r.Count-1)
}
