package manifest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/predictive"
)

// TestPHPA: all fields, and what holds where they are not given.
func TestPHPA(t *testing.T) {
	const file = "testdata/predictive/predicted.yaml"
	set, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	const version, kind = "jamiethompson.me/v1alpha1", "PredictiveHorizontalPodAutoscaler"
	all := hpa.DefaultConfig()
	all.SyncPeriod, all.CPUInitializationPeriod, all.InitialReadinessDelay = 30*time.Second, time.Minute, 20*time.Second
	all.Tolerance = hpa.Tolerance{Up: 0.2, Down: 0.2, Rule: hpa.ToleranceDistance}
	all.PerHPATolerance, all.ScaleToZero = false, true
	few := all
	few.SyncPeriod, few.CPUInitializationPeriod, few.InitialReadinessDelay = 15*time.Second, 30*time.Second, 30*time.Second
	few.Tolerance.Up, few.Tolerance.Down = 0.1, 0.1
	want := []PHPA{
		{
			Object: Object{Source: Source{file, 2}, APIVersion: version, Kind: kind, Name: "cart", Warnings: []string{
				"spec.syncPeriod: 20000: a simulation syncs at multiples of 15s, here every 30s, and the counts that models store are as far apart",
				"spec.models[0].calculationTimeout: calculations take no time in a simulation",
				"spec.models[1].holtWinters.runtimeTuningFetchHook: is not asked in a simulation: alpha, beta and gamma hold as they are given",
			}},
			Target: Target{"Deployment", "cart", "apps/v1"}, Sources: []MetricSource{{}}, Config: all,
			Metrics: []hpa.MetricSpec{{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: 50}}},
			Rules: predictive.Spec{
				Name: "cart", MinReplicas: ptr(int32(2)), MaxReplicas: 10, SyncPeriod: 20 * time.Second, DecisionType: predictive.DecideMean,
				Behavior: &hpa.Behavior{ScaleDown: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(30))}},
				Models: []predictive.ModelSpec{
					{Type: predictive.LinearModel, Name: "line", PerSyncPeriod: 2, StartInterval: time.Minute, ResetDuration: 5 * time.Minute,
						Linear: &predictive.Linear{LookAhead: 30 * time.Second, HistorySize: 6}},
					{Type: predictive.HoltWintersModel, Name: "season", HoltWinters: &predictive.HoltWinters{
						Alpha: ptr(0.9), Beta: ptr(0.8), Gamma: ptr(0.0), Trend: predictive.Additive, Seasonal: predictive.Mul, SeasonalPeriods: 6, StoredSeasons: 4,
						InitializationMethod: predictive.Known, InitialLevel: ptr(1.0), InitialTrend: ptr(2.5), InitialSeasonal: ptr(3.0),
					}},
				},
			},
		},
		{
			Object: Object{Source: Source{file, 47}, APIVersion: version, Kind: kind, Name: "ads"},
			Target: Target{"Deployment", "ads", "apps/v1"}, Config: few,
			Rules: predictive.Spec{Name: "ads", MaxReplicas: 3, Models: []predictive.ModelSpec{
				{Type: predictive.LinearModel, Name: "line", Linear: &predictive.Linear{LookAhead: time.Second, HistorySize: 1}},
			}},
		},
	}
	if diff := cmp.Diff(want, set.PHPAs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
