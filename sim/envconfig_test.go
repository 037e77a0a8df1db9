package sim

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDecodeEnvConfig(t *testing.T) {
	got, err := DecodeEnvConfig(strings.NewReader(`
kind: cluster
app: redis
scenarios: [peak]
num_envs: 4
action: {mode: select, quota_steps: [0.5, 1, 2]}
reward: {slack: 2}
metrics: {lag: 15s, noise: 0.05}
`), "env.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultEnvConfig()
	want.App, want.Scenarios, want.NumEnvs = "redis", []string{"peak"}, 4
	want.Action.Mode, want.Action.QuotaSteps = ActionSelect, []float64{0.5, 1, 2}
	want.Reward.Slack = 2
	want.Metrics.Lag, want.Metrics.Noise = 15*time.Second, 0.05
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
	d := DefaultEnvConfig()
	if err := d.Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}

// Every mistake is reported at once, with file, line and key.
func TestEnvConfigMistakes(t *testing.T) {
	_, err := DecodeEnvConfig(strings.NewReader(`kind: x
app: ""
scenarios: [peak, peak]
num_envs: 0
workers: -1
initial: big
warmup_intervals: -2
max_intervals: -1
action: {mode: all}
reward:
  name: best
metrics:
  noise: 7
`), "env.yaml")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`env.yaml:1: kind: unknown "x"; one of cluster, gym_hpa`, "env.yaml:2: app: missing", `env.yaml:3: scenarios[1]: "peak" is empty or given twice`,
		"env.yaml:4: num_envs: 0", "env.yaml:5: workers: -1", `env.yaml:6: initial: unknown "big"`, "env.yaml:7: warmup_intervals: -2",
		"env.yaml:8: max_intervals: -1", `env.yaml:9: action.mode: unknown "all"`, `env.yaml:11: reward.name: unknown "best"`, "env.yaml:13: metrics.noise: 7",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from:\n%v", want, err)
		}
	}
	for text, want := range map[string]string{
		"kind: cluster\nspeed: 3\n": `env.yaml:2: unknown key "speed"`,
		"num_envs: 2.5\n":           "env.yaml:1: num_envs: 2.5 is not a whole number",
		"reward: {slack: .nan}\n":   "is not a finite number",
		"scenarios: []\n":           "scenarios: empty",
		"app: random\n":             "env.yaml:1: random_apps: missing; app random needs it",
		"app: random\ntrace: x\nrandom_apps: {count: 2, services_min: 5, services_max: 6}\n":      "env.yaml:2: trace: a recording is of one application",
		"kind: gym_hpa\napp: random\nrandom_apps: {count: 2, services_min: 5, services_max: 6}\n": "env.yaml:2: app: random needs kind cluster",
		"app: random\nrandom_apps:\n  services_min: 5\n  services_max: 6\n":                       "random_apps.count: 0; must be from 1 to 256",
		"app: random\nrandom_apps: {count: 2, services_min: 7, services_max: 6}\n":                "random_apps.services_max: 6; must be from services_min (7) to 100",
		"app: redis\nrandom_apps: {count: 2, services_min: 5, services_max: 6}\n":                 "env.yaml:2: random_apps: only used with app random",
		"kind: cluster\n---\na: 1\n": "second YAML document",
	} {
		if _, err := DecodeEnvConfig(strings.NewReader(text), "env.yaml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// Sizes of random applications lie evenly between the smallest and the largest.
func TestRandomAppsServices(t *testing.T) {
	for _, c := range []struct {
		r    RandomAppsConfig
		want []int
	}{
		{RandomAppsConfig{Count: 1, ServicesMin: 5, ServicesMax: 30}, []int{17}},
		{RandomAppsConfig{Count: 2, ServicesMin: 5, ServicesMax: 30}, []int{5, 30}},
		{RandomAppsConfig{Count: 4, ServicesMin: 5, ServicesMax: 30}, []int{5, 13, 21, 30}},
		{RandomAppsConfig{Count: 3, ServicesMin: 7, ServicesMax: 7}, []int{7, 7, 7}},
	} {
		for i, want := range c.want {
			if got := c.r.Services(i); got != want {
				t.Errorf("application %d of %+v has %d services, want %d", i, c.r, got, want)
			}
		}
	}
}

// What is accepted is valid, and environments are made from it.
func FuzzDecodeEnvConfig(f *testing.F) {
	f.Add("kind: cluster\napp: redis\nscenarios: [peak]\nnum_envs: 4\naction: {mode: select, quota_steps: [0.5, 1, 2]}\nreward: {slack: 2}\nmetrics: {lag: 15s, noise: 0.05}\n")
	f.Add("kind: gym_hpa\nreward: {name: cost}\nmax_intervals: 25\n")
	app := chainApp(f)
	source, err := NewScenarioSource(&Scenario{Name: "x", Unit: "rps", LengthS: 60, NoiseTau: 30, Phases: []Phase{{0, 5, 5}}}, app)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := DecodeEnvConfig(strings.NewReader(text), "env.yaml")
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted, but not valid: %v", err)
		}
		env, err := NewVecEnv(app, *c, source, 1, func() (Engine, error) { return NewFluid(app, FluidOptions{}) })
		if err != nil {
			return // what only the application shows
		}
		obs := NewObs(env.Spec(), 1)
		if err := env.Reset(1, obs); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever follows the head of saved environments is refused or continued.
func FuzzVecEnvLoad(f *testing.F) {
	app := chainApp(f)
	source, err := NewScenarioSource(&Scenario{Name: "x", Unit: "rps", LengthS: 60, NoiseTau: 30, Phases: []Phase{{0, 5, 5}}}, app)
	if err != nil {
		f.Fatal(err)
	}
	cfg := DefaultEnvConfig()
	cfg.Workers = 1
	env, err := NewVecEnv(app, cfg, source, 2, func() (Engine, error) { return NewFluid(app, FluidOptions{}) })
	if err != nil {
		f.Fatal(err)
	}
	obs := NewObs(env.Spec(), 2)
	if err := env.Reset(1, obs); err != nil {
		f.Fatal(err)
	}
	saved, err := env.Save()
	if err != nil {
		f.Fatal(err)
	}
	head := len(saveFormat) + 32
	f.Add(saved[head:])
	f.Add(append(bytes.Clone(saved[head:]), 1, 2, 3))
	f.Fuzz(func(t *testing.T, rest []byte) {
		err := env.Load(append(bytes.Clone(saved[:head]), rest...), obs)
		if err != nil {
			return
		}
		again, err := env.Save()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again[head:], rest) {
			t.Fatalf("loaded %x, saves %x", rest, again[head:])
		}
	})
}
