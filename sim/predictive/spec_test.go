package predictive

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grlscaler/grlscaler/sim/hpa"
)

func TestDefaults(t *testing.T) {
	given := Spec{MaxReplicas: 5, Models: []ModelSpec{
		{Type: LinearModel, Name: "line", Linear: &Linear{LookAhead: second, HistorySize: 6}},
		{Type: HoltWintersModel, Name: "day", HoltWinters: &HoltWinters{Trend: Additive, Seasonal: Multiplicative}},
	}, Behavior: &hpa.Behavior{ScaleDown: &hpa.ScalingRules{SelectPolicy: hpa.MinSelect}}}
	d := given.WithDefaults()
	want := Spec{
		MinReplicas: ptr(int32(1)), MaxReplicas: 5, SyncPeriod: 15 * second, DecisionType: DecideMaximum,
		Models: []ModelSpec{
			{Type: LinearModel, Name: "line", PerSyncPeriod: 1, Linear: &Linear{LookAhead: second, HistorySize: 6}},
			{Type: HoltWintersModel, Name: "day", PerSyncPeriod: 1, HoltWinters: &HoltWinters{Trend: Add, Seasonal: Mul, InitializationMethod: Estimated}},
		},
		Behavior: &hpa.Behavior{ScaleUp: rules(0, hpa.MaxSelect, percent(100, 60), pods(4, 60)), ScaleDown: rules(300, hpa.MinSelect, percent(100, 60))},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	d.Models[0].Linear.HistorySize, d.Models[1].Name = 9, "changed"
	if given.MinReplicas != nil || given.Models[0].PerSyncPeriod != 0 || given.Models[0].Linear.HistorySize != 6 ||
		given.Models[1].Name != "day" || given.Models[1].HoltWinters.Trend != Additive || given.Behavior.ScaleUp != nil {
		t.Errorf("the object itself was changed: %+v", given)
	}
	if diff := cmp.Diff(want.Behavior, Spec{Behavior: want.Behavior}.WithDefaults().Behavior); diff != "" {
		t.Error(diff)
	}
}

func TestHPAConfig(t *testing.T) {
	cfg := HPAConfig()
	if err := cfg.Validate(); err != nil || cfg.CPUInitializationPeriod != 30*second || cfg.InitialReadinessDelay != 30*second ||
		cfg.Tolerance != (hpa.Tolerance{Up: 0.1, Down: 0.1, Rule: hpa.ToleranceDistance}) {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func TestValidate(t *testing.T) {
	seasons := func(change func(*HoltWinters)) func(*Spec) {
		return func(s *Spec) {
			h := hw(0.5, 0.5, 0.5, 6)
			change(h)
			s.Models = []ModelSpec{{Type: HoltWintersModel, Name: "day", HoltWinters: h}}
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*Spec)
		want   string // all of the error, or "" for none
	}{
		{"valid", func(*Spec) {}, ""},
		{"seasons", seasons(func(*HoltWinters) {}), ""},
		{"known", seasons(func(h *HoltWinters) { h.known(1, 2, 3) }), ""},
		{"the smallest that predicts", seasons(func(h *HoltWinters) { h.SeasonalPeriods, h.StoredSeasons = 2, 5 }), ""},
		{"minReplicas 0", func(s *Spec) { s.MinReplicas = ptr(int32(0)) }, ""},
		{"minReplicas", func(s *Spec) { s.MinReplicas = ptr(int32(-1)) }, "minReplicas: -1: must not be negative"},
		{"maxReplicas", func(s *Spec) { s.MaxReplicas = 0 }, "maxReplicas: 0: must be at least 1 and at least minReplicas, which is 1"},
		{"bounds", func(s *Spec) { s.MinReplicas = ptr(int32(21)) }, "maxReplicas: 20: must be at least 1 and at least minReplicas, which is 21"},
		{"syncPeriod", func(s *Spec) { s.SyncPeriod = -second }, "syncPeriod: -1s: must be 1ms..87600h0m0s"},
		{"decisionType", func(s *Spec) { s.DecisionType = "max" }, `decisionType: "max": must be one of "maximum", "minimum", "mean", "median"`},
		{"no models", func(s *Spec) { s.Models = nil }, "models: 0 given: must be 1..100; without a model use an HPA"},
		{"too many models", func(s *Spec) { s.Models = make([]ModelSpec, 101) }, "models: 101 given: must be 1..100; without a model use an HPA"},
		{"name", func(s *Spec) { s.Models[0].Name = "" }, "models[0].name: must be given: histories are kept by it"},
		{"names", func(s *Spec) { s.Models = append(s.Models, s.Models[0]) },
			`models[1].name: "line": models[0] has that name, and would share its history; give each model its own`},
		{"type", func(s *Spec) { s.Models[0].Type = "linear" }, `models[0].type: "linear": must be "Linear" or "HoltWinters"`},
		{"settings missing", func(s *Spec) { s.Models[0].Linear = nil },
			"models[0]: the settings of type Linear are missing: give linear or holtWinters by the type"},
		{"settings of another type", func(s *Spec) { s.Models[0].HoltWinters = hw(0, 0, 0, 6) },
			"models[0]: only the settings of type Linear may be given"},
		{"perSyncPeriod", func(s *Spec) { s.Models[0].PerSyncPeriod = -2 }, "models[0].perSyncPeriod: -2: must be at least 1"},
		{"startInterval", func(s *Spec) { s.Models[0].StartInterval = -second }, "models[0].startInterval: -1s: must be 0s..87600h0m0s"},
		{"resetDuration", func(s *Spec) { s.Models[0].ResetDuration = math.MaxInt64 },
			"models[0].resetDuration: 2562047h47m16.854775807s: must be 0s..87600h0m0s"},
		{"lookAhead", func(s *Spec) { s.Models[0].Linear.LookAhead = time.Microsecond }, "models[0].linear.lookAhead: 1µs: must be 1ms..87600h0m0s"},
		{"historySize", func(s *Spec) { s.Models[0].Linear.HistorySize = 0 }, "models[0].linear.historySize: 0: must be 1..20000"},
		{"histories together", func(s *Spec) {
			for _, name := range []string{"a", "b"} {
				s.Models = append(s.Models, ModelSpec{Type: LinearModel, Name: name, Linear: &Linear{LookAhead: second, HistorySize: 10000}})
			}
		}, "models: they store up to 20006 counts together: must be at most 20000, or they do not fit upstream's ConfigMap; " +
			"lower historySize, seasonalPeriods or storedSeasons"},
		{"alpha", seasons(func(h *HoltWinters) { h.Alpha = nil }),
			"models[0].holtWinters.alpha: must be given, 0..1: runtimeTuningFetchHook, which would fetch it, is not supported"},
		{"beta", seasons(func(h *HoltWinters) { h.Beta = ptr(1.5) }), "models[0].holtWinters.beta: 1.5: must be 0..1"},
		{"gamma", seasons(func(h *HoltWinters) { h.Gamma = ptr(math.NaN()) }), "models[0].holtWinters.gamma: NaN: must be 0..1"},
		{"trend", seasons(func(h *HoltWinters) { h.Trend = "" }),
			`models[0].holtWinters.trend: "": must be one of "add", "additive", "mul", "multiplicative"`},
		{"seasonal", seasons(func(h *HoltWinters) { h.Seasonal = "none" }),
			`models[0].holtWinters.seasonal: "none": must be one of "add", "additive", "mul", "multiplicative"`},
		{"dampedTrend", seasons(func(h *HoltWinters) { h.DampedTrend = true }),
			"models[0].holtWinters.dampedTrend: true: must be false; upstream passes no damping coefficient, and every prediction fails"},
		{"seasonalPeriods", seasons(func(h *HoltWinters) { h.SeasonalPeriods = 1 }), "models[0].holtWinters.seasonalPeriods: 1: must be 2..20000"},
		{"storedSeasons", seasons(func(h *HoltWinters) { h.StoredSeasons = math.MaxInt }),
			"models[0].holtWinters.storedSeasons: 9223372036854775807: must be 1..20000"},
		{"seasons too few", seasons(func(h *HoltWinters) { h.SeasonalPeriods, h.StoredSeasons = 3, 2 }),
			"models[0].holtWinters.storedSeasons: 2: must be at least 3; with 3 seasonalPeriods " +
				"a prediction needs 12 counts, and never are there more than 9"},
		{"seasons too many", seasons(func(h *HoltWinters) { h.SeasonalPeriods, h.StoredSeasons = 20000, 20000 }),
			"models: they store up to 400019999 counts together: must be at most 20000, or they do not fit upstream's ConfigMap; " +
				"lower historySize, seasonalPeriods or storedSeasons"},
		{"initializationMethod", seasons(func(h *HoltWinters) { h.InitializationMethod = "simple" }),
			`models[0].holtWinters.initializationMethod: "simple": must be one of "estimated", "heuristic", "legacy-heuristic", "known"`},
		{"known, nothing given", seasons(func(h *HoltWinters) { h.InitializationMethod = Known }),
			`models[0].holtWinters.initialLevel: must be given for initializationMethod "known"` + "\n" +
				`models[0].holtWinters.initialTrend: must be given for initializationMethod "known"` + "\n" +
				`models[0].holtWinters.initialSeasonal: must be given for initializationMethod "known"`},
		{"given, not known", seasons(func(h *HoltWinters) { h.InitialTrend = ptr(1.0) }),
			`models[0].holtWinters.initialTrend: 1: must not be given for initializationMethod "heuristic"; statsmodels refuses it`},
		{"known, not finite", seasons(func(h *HoltWinters) { h.known(math.Inf(1), 0, math.NaN()) }),
			"models[0].holtWinters.initialLevel: +Inf: must be a finite number\nmodels[0].holtWinters.initialSeasonal: NaN: must be a finite number"},
		{"behavior", func(s *Spec) {
			s.Behavior = &hpa.Behavior{ScaleUp: rules(3601, "Most", pods(0, 1)), ScaleDown: &hpa.ScalingRules{Tolerance: ptr(0.1)}}
		}, "behavior.scaleDown.tolerance: 0.1: must not be given; tolerance belongs to the calculated count\n" +
			"behavior.scaleUp.stabilizationWindowSeconds: 3601: must be 0..3600\n" +
			`behavior.scaleUp.selectPolicy: "Most": must be one of "Max", "Min", "Disabled"` + "\n" +
			"behavior.scaleUp.policies[0].value: 0: must be at least 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := oneModel()
			s.Name = "web"
			tc.change(&s)
			got := ""
			if err := s.Validate(); err != nil {
				got = err.Error()
			}
			const prefix = `predictive hpa "web": spec.`
			for _, line := range strings.Split(got, "\n") {
				if got != "" && !strings.HasPrefix(line, prefix) {
					t.Errorf("%q does not begin with the name", line)
				}
			}
			if got = strings.ReplaceAll(got, prefix, ""); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			if _, err := New(s); (err == nil) != (tc.want == "") {
				t.Errorf("New: %v", err)
			}
		})
	}
	if err := (Spec{}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "predictive hpa spec.maxReplicas: 0") {
		t.Error(err)
	}
}

func TestNewModelPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a model of no type was made")
		}
	}()
	NewModel(ModelSpec{})
}
