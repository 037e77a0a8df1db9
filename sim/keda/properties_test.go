package keda

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// genTrigger draws a trigger that KEDA takes.
func genTrigger(t *rapid.T) Trigger {
	external := rapid.SampledFrom([]hpa.TargetType{"", hpa.AverageValueTarget, hpa.ValueTarget})
	switch rapid.IntRange(0, 3).Draw(t, "type") {
	case 0:
		return Trigger{Type: CPUTrigger, MetricType: hpa.UtilizationTarget, Resource: Resource{Utilization: rapid.Int32Range(1, 200).Draw(t, "percent")}}
	case 1:
		return Trigger{Type: MemoryTrigger, MetricType: hpa.AverageValueTarget, Resource: Resource{AverageValueMillis: 1 << 40, ContainerName: "server"}}
	case 2:
		start, end := genCron(t, "start"), genCron(t, "end")
		if start == end {
			end += " " // the same times, which only as the same text are refused
		}
		return Trigger{Type: CronTrigger, MetricType: external.Draw(t, "metric type"), Cron: Cron{
			Timezone: rapid.SampledFrom(testZones).Draw(t, "zone"), Start: start, End: end,
			DesiredReplicas: rapid.Int32Range(1, 30).Draw(t, "desired"),
		}}
	}
	trigger := prometheus(float64(rapid.IntRange(1, 100_000).Draw(t, "threshold")) / 1000)
	trigger.MetricType, trigger.UseCachedMetrics = external.Draw(t, "metric type"), rapid.Bool().Draw(t, "cached")
	trigger.Prometheus.ActivationThreshold = rapid.Float64Range(-5, 5).Draw(t, "activation")
	return trigger
}

// genSpec draws a ScaledObject that KEDA takes.
func genSpec(t *rapid.T) Spec {
	s := Spec{Name: "web", Triggers: rapid.SliceOfN(rapid.Custom(genTrigger), 1, 3).Draw(t, "triggers")}
	external := false
	for i := range s.Triggers {
		external = external || s.Triggers[i].External()
	}
	lowest := int32(1)
	if external {
		lowest = 0
	}
	minR := rapid.Int32Range(lowest, 6).Draw(t, "min")
	maxR := max(minR, 1) + rapid.Int32Range(0, 20).Draw(t, "max above min")
	s.MinReplicaCount, s.MaxReplicaCount = &minR, &maxR
	if minR > 0 && rapid.Bool().Draw(t, "idle") {
		s.IdleReplicaCount = ptr(rapid.Int32Range(0, minR-1).Draw(t, "idle count"))
	}
	seconds := rapid.Int32Range(0, 200)
	s.CooldownPeriodSeconds, s.InitialCooldownPeriodSeconds = ptr(seconds.Draw(t, "cooldown")), ptr(seconds.Draw(t, "initial cooldown"))
	if external && rapid.Bool().Draw(t, "fallback") {
		s.Fallback = &Fallback{
			FailureThreshold: rapid.Int32Range(0, 3).Draw(t, "failure threshold"), Replicas: rapid.Int32Range(0, 30).Draw(t, "fallback replicas"),
			Behavior: rapid.SampledFrom([]FallbackBehavior{
				"", FallbackStatic, FallbackCurrentReplicas, FallbackCurrentReplicasIfHigher, FallbackCurrentReplicasIfLower,
			}).Draw(t, "behavior"),
		}
	}
	if external && rapid.Bool().Draw(t, "formula") {
		genModifiers(t, &s)
	}
	rarely := func(what string) bool { return rapid.IntRange(0, 5).Draw(t, what) == 0 }
	s.Annotations = Annotations{
		Paused: rarely("paused"), PausedScaleIn: rarely("paused scale-in"), PausedScaleOut: rarely("paused scale-out"), ForceActivation: rarely("force"),
	}
	if rarely("paused at a count") {
		s.Annotations.PausedReplicas = ptr(rapid.Int32Range(0, 40).Draw(t, "paused count"))
	}
	return s
}

// genModifiers gives the external triggers names and a formula over some of them.
func genModifiers(t *rapid.T, s *Spec) {
	var names []string
	for i := range s.Triggers {
		if tr := &s.Triggers[i]; tr.External() {
			tr.Name = fmt.Sprintf("t%d", i)
			names = append(names, tr.Name)
		}
	}
	name := rapid.SampledFrom(names)
	a, b := name.Draw(t, "first"), name.Draw(t, "second")
	formula := rapid.SampledFrom([]string{"A", "A + B", "A / B", "A > B ? 1 : 2.5", "max([A, B])", "A ?? B ?? 5", "A * 1e300 * B"}).Draw(t, "formula text")
	s.Modifiers = &ScalingModifiers{
		Formula: strings.NewReplacer("A", a, "B", b).Replace(formula), Target: float64(rapid.IntRange(1, 100_000).Draw(t, "target")) / 1000,
		ActivationTarget: rapid.Float64Range(-5, 5).Draw(t, "activation target"), MetricType: rapid.SampledFrom([]hpa.TargetType{"", hpa.AverageValueTarget, hpa.ValueTarget}).Draw(t, "formula's type"),
	}
	if s.Fallback != nil && rapid.Bool().Draw(t, "nil in the formula") {
		s.Fallback.Behavior = FallbackScalingModifiers
	}
}

func genReading(t *rapid.T) Reading {
	switch rapid.IntRange(0, 3).Draw(t, "reading") {
	case 0:
		return Reading{Err: errSource}
	case 1:
		return Reading{Value: rapid.Float64().Draw(t, "any value")}
	case 2:
		return Reading{NoValue: true}
	}
	return Reading{Value: rapid.Float64Range(-10, 10).Draw(t, "value")}
}

// checkStep holds a decision against the rules that bind all of them.
func checkStep(t *rapid.T, s Spec, e *Executor, d *Decision, created, lastActive time.Time) {
	minR, maxR, a := *s.MinReplicaCount, *s.MaxReplicaCount, s.Annotations
	if d.Desired < 0 || (d.Scaled() && s.HasHPA() && d.Desired > maxR) {
		t.Fatalf("%s, outside 0..%d", d.Explain(), maxR)
	}
	var allowed []int32
	switch d.Reason {
	case PausedAtReplicas:
		allowed = []int32{*a.PausedReplicas}
	case Activated:
		allowed = []int32{max(1, minR)}
	case BelowMinimum:
		allowed = []int32{minR}
	case Deactivated:
		allowed = []int32{0}
		if s.IdleReplicaCount != nil {
			allowed[0] = *s.IdleReplicaCount
		}
	default:
		allowed = []int32{d.Current}
	}
	if d.Desired != allowed[0] || d.Scaled() == (allowed[0] == d.Current) {
		t.Fatalf("%s (%s) sets %d, not %d", d.Explain(), d.Reason, d.Desired, allowed[0])
	}
	up, down := s.HasHPA() && d.Desired > d.Current, s.HasHPA() && d.Desired < d.Current
	if (up && a.PausedScaleOut && d.Active) || (down && a.PausedScaleIn) {
		t.Fatalf("%s, but that is paused", d.Explain())
	}
	waited := d.At.Sub(created) > time.Duration(*s.InitialCooldownPeriodSeconds)*time.Second
	if !lastActive.IsZero() {
		waited = d.At.Sub(lastActive) > time.Duration(*s.CooldownPeriodSeconds)*time.Second
	}
	if down && (d.Active || !waited) {
		t.Fatalf("%s, but it is active or the cooldown is not over", d.Explain())
	}
	if at, ok := e.LastActive(); d.Noted != (ok && at.Equal(d.At)) || (d.Noted && !d.Active) {
		t.Fatalf("%s: noted %v, but the last activity is %v", d.Explain(), d.Noted, at)
	}
}

// TestPropertyExecutor drives an executor together with its HPA, with any readings, pauses and hands that meddle.
func TestPropertyExecutor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSpec(t)
		object, err := s.HPA()
		if err != nil {
			t.Fatal(err)
		}
		controller, err := hpa.New(object, hpa.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(s, epoch)
		if err != nil {
			t.Fatal(err)
		}
		replicas, now := rapid.Int32Range(0, 30).Draw(t, "start"), epoch
		var lastActive time.Time
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "pause")) * time.Second)
			in := &Inputs{At: now, Replicas: replicas, ReadyReplicas: rapid.Int32Range(0, replicas).Draw(t, "ready")}
			for range s.Triggers {
				in.Readings = append(in.Readings, genReading(t))
			}
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				replicas = rapid.Int32Range(0, 30).Draw(t, "set by hand")
			case 1, 2:
				data := e.Metrics(in, nil)
				if s.HasHPA() {
					d := controller.Sync(now.Sub(epoch), &hpa.Inputs{SpecReplicas: replicas, StatusReplicas: in.ReadyReplicas, Metrics: data})
					if replicas != 0 && (d.Desired < max(1, *s.MinReplicaCount) || d.Desired > *s.MaxReplicaCount) {
						t.Fatalf("the HPA sets %d", d.Desired)
					}
					replicas = d.Desired
				}
			default:
				d := e.Poll(in)
				checkStep(t, s, e, &d, epoch, lastActive)
				if d.Noted {
					lastActive = now
				}
				replicas = d.Desired
			}
		}
	})
}

// TestPropertyFallback: the value that a trigger falls back to leads the HPA to the fallback's replicas, whatever the target.
// Truncated thousandths and floating point only ever take away less than what rounding up gives back.
func TestPropertyFallback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int32Range(1, 500).Draw(t, "replicas")
		trigger := prometheus(float64(rapid.Int64Range(1, 10_000_000).Draw(t, "threshold")) / 1000)
		s := Spec{MaxReplicaCount: ptr(int32(1000)), Fallback: &Fallback{Replicas: want}, Triggers: []Trigger{trigger}}
		e, err := New(s, epoch)
		if err != nil {
			t.Fatal(err)
		}
		object, err := s.HPA()
		if err != nil {
			t.Fatal(err)
		}
		cfg := hpa.DefaultConfig()
		cfg.Tolerance, cfg.ScaleUpMinimum = hpa.Tolerance{}, 1000
		controller, err := hpa.New(object, cfg)
		if err != nil {
			t.Fatal(err)
		}
		current := rapid.Int32Range(1, 1000).Draw(t, "current")
		data := e.Metrics(&Inputs{At: epoch, Replicas: current, Readings: failed}, nil)
		d := controller.Sync(0, &hpa.Inputs{SpecReplicas: current, StatusReplicas: current, Metrics: data})
		if d.Proposed != want {
			t.Fatalf("%+v leads to %d replicas, not %d: %s", data, d.Proposed, want, d.Explain())
		}
	})
}

// TestPropertyCooldown: while polls follow each other within the cooldown of an active one, nothing steps down; with the first
// poll after it, the workload is at zero.
func TestPropertyCooldown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cooldown := rapid.Int32Range(0, 600).Draw(t, "cooldown")
		e, err := New(Spec{CooldownPeriodSeconds: &cooldown, Triggers: []Trigger{prometheus(10)}}, epoch)
		if err != nil {
			t.Fatal(err)
		}
		replicas := rapid.Int32Range(1, 100).Draw(t, "replicas")
		e.Poll(&Inputs{At: epoch, Replicas: replicas, Readings: busy})
		period := rapid.IntRange(1, 90).Draw(t, "polling interval")
		for at := period; ; at += period {
			d := e.Poll(&Inputs{At: epoch.Add(time.Duration(at) * time.Second), Replicas: replicas, Readings: quiet})
			if over := at > int(cooldown); over != (d.Desired == 0) {
				t.Fatalf("%d s after the last activity: %s", at, d.Explain())
			}
			if d.Scaled() {
				return
			}
		}
	})
}
