package keda

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pollStep is one poll of a story, with the replicas as found: those of the poll before, unless something else set them.
type pollStep struct {
	at      int       // seconds since epoch
	found   *int32    // replicas, where the HPA or somebody changed them
	reading []Reading // default: none of the triggers has a value above 0
	want    int32
	reason  Reason
}

// quiet and busy are readings of one trigger.
var (
	quiet  = []Reading{{}}
	busy   = []Reading{{Value: 1}}
	failed = []Reading{{Err: errSource}}
)

// TestExecutorRules plays polls of a ScaledObject, each story being a rule of KEDA's executor (pkg/scaling/executor) or of its
// documentation.
func TestExecutorRules(t *testing.T) {
	one := []Trigger{prometheus(10)}
	cpu := Trigger{Type: CPUTrigger, MetricType: "Utilization", Resource: Resource{Utilization: 60}}
	for _, c := range []struct {
		name  string
		spec  Spec
		start int32
		steps []pollStep
	}{
		{
			"the cooldown counts from the last active poll and is over after more than its length, from any count", Spec{Triggers: one}, 0,
			[]pollStep{
				{0, nil, quiet, 0, Inactive},
				{30, nil, busy, 1, Activated},
				{60, ptr(int32(40)), busy, 40, Active},
				{90, nil, quiet, 40, CoolingDown},
				{360, nil, quiet, 40, CoolingDown}, // exactly 300 s after 60
				{361, nil, quiet, 0, Deactivated},
				{390, nil, quiet, 0, Inactive},
			},
		}, {
			"the initial cooldown holds an object that was never active", Spec{InitialCooldownPeriodSeconds: ptr(int32(120)), Triggers: one}, 5,
			[]pollStep{{0, nil, quiet, 5, InitialCoolingDown}, {120, nil, quiet, 5, InitialCoolingDown}, {121, nil, quiet, 0, Deactivated}},
		}, {
			"without an initial cooldown a fresh object goes to zero as soon as any time has passed", Spec{Triggers: one}, 5,
			[]pollStep{{0, nil, quiet, 5, InitialCoolingDown}, {1, nil, quiet, 0, Deactivated}},
		}, {
			"after an activity the cooldown holds, however short the initial one is", Spec{Triggers: one}, 5,
			[]pollStep{{0, nil, busy, 5, Active}, {30, nil, quiet, 5, CoolingDown}, {301, nil, quiet, 0, Deactivated}},
		}, {
			"above a minimum the cooldown has no effect", Spec{MinReplicaCount: ptr(int32(2)), Triggers: one}, 9,
			[]pollStep{{0, nil, quiet, 9, Inactive}, {1000, nil, quiet, 9, Inactive}, {1030, ptr(int32(1)), quiet, 2, BelowMinimum}},
		}, {
			"below a minimum an active object is left to the HPA, except at zero", Spec{MinReplicaCount: ptr(int32(3)), Triggers: one}, 2,
			[]pollStep{{0, nil, busy, 2, Active}, {30, ptr(int32(0)), busy, 3, Activated}},
		}, {
			"an idle count is stepped to from any count and left for the minimum at once",
			Spec{MinReplicaCount: ptr(int32(5)), IdleReplicaCount: ptr(int32(1)), CooldownPeriodSeconds: ptr(int32(60)), Triggers: one}, 5,
			[]pollStep{
				{0, nil, busy, 5, Active},
				{30, ptr(int32(20)), quiet, 20, CoolingDown},
				{61, nil, quiet, 1, Deactivated},
				{90, nil, quiet, 1, Inactive},
				{120, nil, busy, 5, Activated},
			},
		}, {
			"with an idle count nobody is raised to the minimum while nothing is active",
			Spec{MinReplicaCount: ptr(int32(5)), IdleReplicaCount: ptr(int32(0)), Triggers: one}, 0,
			[]pollStep{{0, nil, quiet, 0, Inactive}},
		}, {
			"only cpu and memory: always active", Spec{MinReplicaCount: ptr(int32(1)), Triggers: []Trigger{cpu}}, 0,
			[]pollStep{{0, nil, quiet, 1, Activated}, {30, nil, quiet, 1, Active}, {60, nil, failed, 1, Active}},
		}, {
			"cpu beside another trigger does not keep the object active", Spec{Triggers: []Trigger{cpu, prometheus(10)}}, 3,
			[]pollStep{{0, nil, []Reading{{Value: 99}, {}}, 3, InitialCoolingDown}, {30, nil, []Reading{{Value: 99}, {}}, 0, Deactivated}},
		}, {
			"paused: nothing at all", Spec{Annotations: Annotations{Paused: true}, Triggers: one}, 3,
			[]pollStep{{0, nil, busy, 3, Paused}, {1000, nil, quiet, 3, Paused}, {1030, ptr(int32(0)), busy, 0, Paused}},
		}, {
			"paused at a count: one step there", Spec{Annotations: Annotations{Paused: true, PausedReplicas: ptr(int32(7))}, Triggers: one}, 3,
			[]pollStep{{0, nil, busy, 7, PausedAtReplicas}, {30, nil, quiet, 7, Paused}, {60, ptr(int32(9)), quiet, 7, PausedAtReplicas}},
		}, {
			"scale-in paused: no step to zero, but steps from it", Spec{Annotations: Annotations{PausedScaleIn: true}, Triggers: one}, 0,
			[]pollStep{{0, nil, busy, 1, Activated}, {1000, nil, quiet, 1, ScaleInPaused}},
		}, {
			"scale-out paused: no step from zero, but steps to it", Spec{Annotations: Annotations{PausedScaleOut: true}, Triggers: one}, 2,
			[]pollStep{{0, nil, busy, 2, Active}, {301, nil, quiet, 0, Deactivated}, {330, nil, busy, 0, ScaleOutPaused}, {331, nil, quiet, 0, Inactive}},
		}, {
			"a step that is paused notes no activity", Spec{Annotations: Annotations{PausedScaleOut: true}, Triggers: one}, 0,
			[]pollStep{{0, nil, busy, 0, ScaleOutPaused}, {30, ptr(int32(2)), quiet, 0, Deactivated}},
		}, {
			"activation by force", Spec{Annotations: Annotations{ForceActivation: true}, MinReplicaCount: ptr(int32(4)), Triggers: one}, 0,
			[]pollStep{{0, nil, quiet, 4, Activated}, {1000, nil, quiet, 4, Active}},
		}, {
			"a failed trigger without fallback stops the step to zero", Spec{Triggers: one}, 4,
			[]pollStep{{0, nil, failed, 4, TriggerError}, {1000, nil, failed, 4, TriggerError}, {1030, nil, quiet, 0, Deactivated}},
		}, {
			"a failed trigger below the minimum is not raised", Spec{MinReplicaCount: ptr(int32(3)), Triggers: one}, 1,
			[]pollStep{{0, nil, failed, 1, TriggerError}, {30, nil, quiet, 3, BelowMinimum}},
		}, {
			"some active, some failed: the time is not noted, the step from zero is done and noted", Spec{Triggers: []Trigger{prometheus(1), prometheus(1)}}, 4,
			[]pollStep{
				{0, nil, []Reading{{Value: 5}, {}}, 4, Active},
				{30, nil, []Reading{{Value: 5}, {Err: errSource}}, 4, PartialTriggerError},
				{301, nil, []Reading{{}, {}}, 0, Deactivated}, // 301 s after 0, not after 30
				{330, nil, []Reading{{Value: 5}, {Err: errSource}}, 1, Activated},
				{630, nil, []Reading{{}, {}}, 1, CoolingDown},
			},
		}, {
			"a fallback with replicas stops the step to zero until it comes, and then is active",
			Spec{Fallback: &Fallback{FailureThreshold: 2, Replicas: 6}, Triggers: one}, 4,
			[]pollStep{
				{30, nil, failed, 4, AwaitingFallback},
				{60, nil, failed, 4, AwaitingFallback},
				{90, nil, failed, 4, Active},
				{120, ptr(int32(0)), failed, 1, Activated}, // kedacore/keda#7239
				{150, nil, quiet, 1, CoolingDown},
				{180, nil, failed, 1, AwaitingFallback}, // counted anew after a success
			},
		}, {
			"a fallback of no replicas does not stop it", Spec{Fallback: &Fallback{FailureThreshold: 9}, Triggers: one}, 4,
			[]pollStep{{30, nil, failed, 0, Deactivated}},
		}, {
			"cron: active from start to end in its time zone", Spec{Triggers: []Trigger{{Type: CronTrigger, Cron: Cron{
				Timezone: "Europe/Berlin", Start: "30 10 * * *", End: "0 11 * * *", DesiredReplicas: 10, // 09:30 to 10:00 UTC
			}}}}, 0,
			[]pollStep{
				{0, nil, quiet, 0, Inactive},
				{1799, nil, quiet, 0, Inactive},
				{1800, nil, quiet, 1, Activated},
				{3599, ptr(int32(10)), quiet, 10, Active},
				{3600, nil, quiet, 10, CoolingDown},
				{3900, nil, quiet, 0, Deactivated}, // 301 s after 3599
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newExecutor(t, c.spec, epoch)
			replicas := c.start
			for _, s := range c.steps {
				if s.found != nil {
					replicas = *s.found
				}
				d := e.Poll(&Inputs{At: epoch.Add(time.Duration(s.at) * time.Second), Replicas: replicas, Readings: s.reading})
				if d.Desired != s.want || d.Reason != s.reason {
					t.Fatalf("%d s: %s (%s); want %d (%s)", s.at, d.Explain(), d.Reason, s.want, s.reason)
				}
				if sentences[d.Reason] == "" {
					t.Fatalf("no sentence for %s", d.Reason)
				}
				replicas = d.Desired
			}
		})
	}
}

func TestActivationIsStrictlyAbove(t *testing.T) {
	for _, c := range []struct {
		name             string
		value, threshold float64
		want             bool
	}{
		{"default: 0 is not active", 0, 0, false},
		{"default: anything above 0 is", 0.0001, 0, true},
		{"at the threshold", 5.5, 5.5, false},
		{"just above it", 5.5000001, 5.5, true},
		{"below the scaling threshold too", 7, 5.5, true},
		{"a negative threshold", -1, -2, true},
		{"a negative value", -1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			trigger := prometheus(100)
			trigger.Prometheus.ActivationThreshold = c.threshold
			e := newExecutor(t, Spec{Triggers: []Trigger{trigger}}, epoch)
			d := e.Poll(&Inputs{At: epoch, Readings: []Reading{{Value: c.value}}})
			if d.Active != c.want || d.Triggers[0].Active != c.want {
				t.Errorf("active %v, trigger %v; want %v", d.Active, d.Triggers[0].Active, c.want)
			}
		})
	}
}

func TestExecutorReset(t *testing.T) {
	trigger := prometheus(10)
	trigger.UseCachedMetrics = true
	e := newExecutor(t, Spec{Fallback: &Fallback{Replicas: 3}, Triggers: []Trigger{trigger}}, epoch)
	in := &Inputs{At: epoch, Replicas: 2, Readings: failed}
	e.Poll(in)
	if _, ok := e.LastActive(); !ok || e.Failures(0) != 1 {
		t.Fatalf("not active by its fallback: %d failures", e.Failures(0))
	}
	created := epoch.Add(time.Hour)
	e.Reset(created)
	fresh := newExecutor(t, e.Spec(), created)
	in = &Inputs{At: created, Replicas: 2, Readings: quiet}
	if diff := cmp.Diff(fresh.Metrics(in, nil), e.Metrics(in, nil)); diff != "" {
		t.Errorf("metrics after a reset (-fresh +reset):\n%s", diff)
	}
	a, b := fresh.Poll(in), e.Poll(in)
	if diff := cmp.Diff(a, b); diff != "" || b.Reason != InitialCoolingDown || e.Failures(0) != 0 {
		t.Errorf("%s, %d failures (-fresh +reset):\n%s", b.Explain(), e.Failures(0), diff)
	}
}

func TestExplain(t *testing.T) {
	e := newExecutor(t, Spec{Fallback: &Fallback{FailureThreshold: 1, Replicas: 2}, Triggers: []Trigger{prometheus(1), prometheus(1)}}, epoch)
	readings := []Reading{{Err: errSource}, {}}
	for _, want := range []string{
		"2026-03-02T09:00:00Z: 0 replicas kept: a trigger failed, none is active; the fallback is to come; triggers[0] failed (source is down)",
		"2026-03-02T09:00:00Z: 0 -> 1 replicas: a trigger is active; triggers[0] falls back after 2 failures",
	} {
		d := e.Poll(&Inputs{At: epoch, Readings: readings})
		if got := d.Explain(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestPollPanicsOnWrongReadings(t *testing.T) {
	e := newExecutor(t, Spec{Name: "web", Triggers: []Trigger{prometheus(1)}}, epoch)
	defer func() {
		if r := recover(); r != `keda: 2 readings, but "web" has 1 triggers` {
			t.Errorf("recovered %v", r)
		}
	}()
	e.Poll(&Inputs{Readings: make([]Reading, 2)})
	t.Error("no panic")
}

// TestPollAllocates: unless something fails, nothing is allocated.
func TestPollAllocates(t *testing.T) {
	e := newExecutor(t, Spec{Triggers: []Trigger{prometheus(10), {Type: CronTrigger, Cron: Cron{"Europe/Berlin", "0 8 * * *", "0 18 * * 1-5", 4}}}}, epoch)
	in := &Inputs{At: epoch, Replicas: 1, Readings: []Reading{{Value: 3}, {}}}
	data := e.Metrics(in, nil)
	if n := testing.AllocsPerRun(100, func() {
		in.At = in.At.Add(30 * time.Second)
		d := e.Poll(in)
		in.Replicas = max(d.Desired, 1)
		data = e.Metrics(in, data[:0])
	}); n != 0 {
		t.Errorf("%v allocations a poll", n)
	}
}
