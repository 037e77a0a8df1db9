package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/rl"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
)

// controllerHelp explains the words that name controllers.
const controllerHelp = `Controllers:
  static, static:N        never scales: keeps what the first level of the load needs, or N replicas of everything
  static:mean, :peak      never scales: keeps what the mean or the peak of the load needs
  hpa:cpu-T               one HPA per service: CPU T % of the request, 1-7 replicas
  hpa:cpu-T-mem-M         the same with memory M % as well; hpa:mem-M for memory alone
  phpa:cpu-T              predictive HPAs: the same, and a line through the last counts read off a minute ahead;
                          phpa:cpu-T-season-D: Holt-Winters with a season of D, such as 10m
  keda:rps-T              one ScaledObject per service: as many requests/s as one replica takes at T % of its request
  schedule:FILE.yaml      replicas by cron rules for each service (docs/manifests.md)
  FILE.yaml, DIRECTORY    Kubernetes manifests: HorizontalPodAutoscalers, ScaledObjects, VerticalPodAutoscalers; what
                          Deployments beside them request and limit holds for all controllers (docs/manifests.md)
  policy:FILE             a trained policy, or one that comes with the program, such as policy:gat_ppo; NAME=policy:FILE
                          lists it under a name
  random                  uniformly random allowed actions
  oracle                  knows the future load, pays start-up times: the bound`

// hpaSet is the set of HPAs that a benchmark compares with by default: the source system's.
var hpaSet = []string{
	"hpa:cpu-20", "hpa:cpu-40", "hpa:cpu-60", "hpa:cpu-80",
	"hpa:cpu-20-mem-80", "hpa:cpu-40-mem-80", "hpa:cpu-60-mem-80", "hpa:cpu-80-mem-80",
}

// controllerSpec turns a user's word into a controller of a plan. found are the manifests among the words.
func controllerSpec(word string, app *loadedApp, found map[string]*manifests) (*benchmark.ControllerSpec, error) {
	if m := found[word]; m != nil {
		return m.spec(app), nil
	}
	if name, policy, ok := strings.Cut(word, "=policy:"); ok {
		return policySpec(name, policy, app)
	}
	kind, rest, _ := strings.Cut(word, ":")
	switch kind {
	case "static":
		return staticSpec(word, rest, app)
	case "keda":
		return kedaRateSpec(word, rest, app)
	case "hpa":
		if isTuned(word) {
			return nil, usagef("--controller %s: only grlscaler benchmark searches; name the manifests that grlscaler tune hpa writes", word)
		}
		set, err := hpa.ParseSet(rest)
		if err != nil {
			return nil, usageError{fmt.Errorf("--controller %s: %w", word, err)}
		}
		original, rules := app.original(), app.rules // between its bounds, however far manifests beside it may go
		return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindAutoscaler, Hash: "1" + app.release, New: func() (sim.Controller, error) {
			return sim.NewHPA(word, rules, func(_ *sim.App, s int) *hpa.Spec { return sim.SetSpec(set, &original.Services[s]) })
		}}, nil
	case "phpa":
		return predictiveSpec(word, rest, app)
	case "schedule":
		return scheduleSpec(word, rest, app)
	case "oracle":
		return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindBound, Hash: "1",
			New: func() (sim.Controller, error) { return &sim.Oracle{}, nil }}, nil
	case "random":
		return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindStatic, Hash: "1",
			New: func() (sim.Controller, error) { return sim.NewRandom(word, app.App, sim.DefaultEnvConfig()) }}, nil
	case "policy":
		return policySpec(word, rest, app)
	}
	return nil, usagef("--controller %s: unknown controller; one of static, static:N, static:mean, static:peak, hpa:cpu-T, hpa:cpu-T-mem-M, hpa:mem-M, phpa:cpu-T, keda:rps-T, schedule:FILE, policy:FILE, random, oracle, or a path of manifests (.yaml, .yml, .json, or a directory)", word)
}

func staticSpec(word, rest string, app *loadedApp) (*benchmark.ControllerSpec, error) {
	if rest == "mean" || rest == "peak" {
		return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindStatic, Hash: "1",
			New: func() (sim.Controller, error) { return &sim.StaticLoad{Peak: rest == "peak", Label: word}, nil }}, nil
	}
	var replicas []int // nil keeps what the run starts with
	if word != "static" {
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 || n > 10_000 {
			return nil, usagef("--controller %s: %q is not a number of replicas from 1 to 10000, mean or peak", word, rest)
		}
		for range app.Services {
			replicas = append(replicas, n)
		}
	}
	return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindStatic, Hash: fmt.Sprint(replicas),
		New: func() (sim.Controller, error) { return &sim.Static{Replicas: replicas, Label: word}, nil }}, nil
}

// kedaRateSpec reads keda:rps-T: ScaledObjects on the request rate, with the threshold at which a replica uses T % of its CPU request.
func kedaRateSpec(word, rest string, app *loadedApp) (*benchmark.ControllerSpec, error) {
	percent, err := strconv.Atoi(strings.TrimPrefix(rest, "rps-"))
	if err != nil || !strings.HasPrefix(rest, "rps-") || percent < 1 || percent > hpa.MaxSetPercent {
		return nil, usagef("--controller %s: must be keda:rps-T with T from 1 to %d", word, hpa.MaxSetPercent)
	}
	original, rules := app.original(), app.rules
	return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindAutoscaler, Hash: "1" + app.release, New: func() (sim.Controller, error) {
		return sim.NewKEDA(word, rules, sim.KEDAObjects{
			Spec: func(_ *sim.App, s int) *keda.Spec {
				svc := &original.Services[s]
				rate := original.RateAtRequest(s, float64(percent)/100)
				if rate <= 0 { // nobody calls it, or an idle replica uses more: KEDA would have nothing to go by
					return nil
				}
				least, most := int32(max(svc.MinReplicas, 1)), int32(svc.MaxReplicas)
				return &keda.Spec{Name: svc.Name, MinReplicaCount: &least, MaxReplicaCount: &most,
					Triggers: []keda.Trigger{{Type: keda.PrometheusTrigger, Prometheus: keda.Prometheus{Query: "rps", Threshold: rate}}}}
			},
			Serve: func(_ *sim.App, s int, _ *keda.Trigger) (sim.ServedMetric, error) {
				return sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: s}, nil
			},
		})
	}}, nil
}

// policySpec loads a policy once to find out whether it fits; each worker loads its own.
func policySpec(name, path string, app *loadedApp) (*benchmark.ControllerSpec, error) {
	if path == "" {
		return nil, usagef("--controller %s: no file; write policy:FILE", name)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		shipped, e := configs.TrainedPolicy(path)
		if e != nil {
			return nil, e
		}
		if shipped == nil {
			return nil, withHint(fmt.Errorf("policy: %w", err), "train one with grlscaler train; %s come with the program", strings.Join(configs.TrainedNames(), ", "))
		}
		return shippedSpec(name, shipped, app)
	}
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	spec, err := policyDataSpec(name, path, data, app)
	if err != nil {
		return nil, err
	}
	spec.Curve = func() ([]byte, error) { return os.ReadFile(filepath.Join(filepath.Dir(path), rl.ProgressFile)) }
	return spec, nil
}

// shippedSpec is a policy that comes with the program.
func shippedSpec(name string, shipped *configs.Trained, app *loadedApp) (*benchmark.ControllerSpec, error) {
	spec, err := policyDataSpec(name, shipped.Path, shipped.Weights, app)
	if err != nil {
		return nil, err
	}
	spec.Curve = func() ([]byte, error) { return shipped.Curve, nil }
	return spec, nil
}

// policyDataSpec is policySpec for the bytes of a policy; path is for messages.
func policyDataSpec(name, path string, data []byte, app *loadedApp) (*benchmark.ControllerSpec, error) {
	c, err := rl.DecodeController(name, path, data, app.App)
	if err != nil {
		return nil, err
	}
	c.Close()
	return &benchmark.ControllerSpec{Name: name, Kind: benchmark.KindPolicy, Hash: hashOf(data),
		New: func() (sim.Controller, error) { return rl.DecodeController(name, path, data, app.App) }}, nil
}

// controllerSpecs turns words into controllers.
func controllerSpecs(words []string, app *loadedApp, found map[string]*manifests) ([]benchmark.ControllerSpec, error) {
	var out []benchmark.ControllerSpec
	for _, word := range words {
		spec, err := controllerSpec(word, app, found)
		if err != nil {
			return nil, err
		}
		out = append(out, *spec)
	}
	return out, nil
}
