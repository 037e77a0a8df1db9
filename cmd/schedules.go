package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/internal/strictyaml"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
	"github.com/grlscaler/grlscaler/sim/predictive"
)

// scheduleFile is the file of a schedule.
type scheduleFile struct {
	Timezone string                    `yaml:"timezone"` // of the time zone database; default UTC
	Start    string                    `yaml:"start"`    // when a run begins, RFC 3339; default a Monday, midnight UTC
	Services map[string][]scheduleRule `yaml:"services"`
}

type scheduleRule struct {
	Cron     string `yaml:"cron"` // minute hour day-of-month month day-of-week
	Replicas int    `yaml:"replicas"`
}

// scheduleSpec reads a schedule.
func scheduleSpec(word, path string, app *loadedApp) (*benchmark.ControllerSpec, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("schedule: %w", err), "write schedule:FILE.yaml (docs/manifests.md)")
	}
	file := scheduleFile{Timezone: "UTC"}
	doc, err := strictyaml.Decode(bytes.NewReader(data), path, &file)
	if err != nil {
		return nil, err
	}
	var start time.Time
	if file.Start != "" {
		if start, err = time.Parse(time.RFC3339, file.Start); err != nil {
			return nil, doc.Errorf("start", "%q must be a time such as 2024-11-29T00:00:00Z", file.Start)
		}
	}
	if len(file.Services) == 0 {
		return nil, doc.Errorf("services", "is missing: rules {cron, replicas} by service")
	}
	var errs []error
	services := map[string]*keda.Schedule{}
	for _, name := range slices.Sorted(maps.Keys(file.Services)) {
		key := "services." + name
		s := app.ServiceIndex(name)
		if s < 0 {
			errs = append(errs, doc.Errorf(key, "application %s has no such service; it has %s", app.Name, strings.Join(serviceNames(app.App), ", ")))
			continue
		}
		var rules []keda.ScheduleRule
		for i, r := range file.Services[name] {
			if lo, hi := app.Services[s].MinReplicas, app.Services[s].MaxReplicas; r.Replicas < lo || r.Replicas > hi {
				errs = append(errs, doc.Errorf(fmt.Sprintf("%s[%d].replicas", key, i), "%d: must be from %d to %d", r.Replicas, lo, hi))
			}
			rules = append(rules, keda.ScheduleRule{Cron: r.Cron, Replicas: r.Replicas})
		}
		schedule, err := keda.NewSchedule(file.Timezone, rules)
		for _, e := range strictyaml.Split(err) {
			errs = append(errs, doc.Errorf(key, "%v", e))
		}
		services[name] = schedule
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindAutoscaler, Hash: hashOf(data), New: func() (sim.Controller, error) { return sim.NewSchedule(word, start, services), nil }}, nil
}

// What phpa:cpu-T predicts with: a line through the counts of a minute and a half, read off as far ahead as replicas take to start.
const (
	phpaAhead   = time.Minute
	phpaHistory = 6

	// Of seasons: weights and stored seasons as in the project's own example.
	phpaWeight        = 0.9
	phpaSeasons       = 4
	phpaLongestSeason = 24 * time.Hour
)

// predictiveSpec reads phpa:cpu-T, predictive HPAs with a linear model, and phpa:cpu-T-season-D, with Holt-Winters.
func predictiveSpec(word, rest string, app *loadedApp) (*benchmark.ControllerSpec, error) {
	target, ok := strings.CutPrefix(rest, "cpu-")
	target, season, seasonal := strings.Cut(target, "-season-")
	percent, err := strconv.Atoi(target)
	if err != nil || !ok || percent < 1 || percent > hpa.MaxSetPercent {
		return nil, usagef("--controller %s: must be phpa:cpu-T or phpa:cpu-T-season-D with T from 1 to %d", word, hpa.MaxSetPercent)
	}
	model := predictive.ModelSpec{Type: predictive.LinearModel, Name: "line", Linear: &predictive.Linear{LookAhead: phpaAhead, HistorySize: phpaHistory}}
	if seasonal {
		d, err := time.ParseDuration(season)
		if err != nil || d < 2*sim.ControlInterval || d > phpaLongestSeason || d%sim.ControlInterval != 0 {
			return nil, usagef("--controller %s: the season must be a multiple of %v from %v to %v, such as 10m", word, sim.ControlInterval, 2*sim.ControlInterval, phpaLongestSeason)
		}
		weight := phpaWeight
		model = predictive.ModelSpec{Type: predictive.HoltWintersModel, Name: "season", HoltWinters: &predictive.HoltWinters{
			Alpha: &weight, Beta: &weight, Gamma: &weight, Trend: predictive.Add, Seasonal: predictive.Add,
			SeasonalPeriods: int(d / sim.ControlInterval), StoredSeasons: phpaSeasons,
		}}
	}
	original := app.original()
	return &benchmark.ControllerSpec{Name: word, Kind: benchmark.KindAutoscaler, Hash: fmt.Sprint(phpaAhead, phpaHistory, phpaWeight, phpaSeasons), New: func() (sim.Controller, error) {
		return sim.NewPredictive(word, predictive.HPAConfig(), func(_ *sim.App, s int) *sim.PredictiveSpec {
			svc := &original.Services[s]
			least := int32(max(svc.MinReplicas, 1))
			return &sim.PredictiveSpec{
				Metrics: []hpa.MetricSpec{{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: int32(percent)}}},
				Rules:   predictive.Spec{Name: svc.Name, MinReplicas: &least, MaxReplicas: int32(svc.MaxReplicas), Models: []predictive.ModelSpec{model}},
			}
		})
	}}, nil
}
