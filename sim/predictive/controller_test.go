package predictive

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// stub predicts what it is told to, so that a test sees the controller's own rules.
type stub struct {
	value float64
	err   error
	keep  int
	got   []Point
}

func (s *stub) Predict(_ time.Duration, h []Point) (float64, error) {
	s.got = append(s.got[:0], h...)
	return s.value, s.err
}

func (s *stub) Keep(n int) int { return min(n, s.keep) }

// withStub returns a controller whose one model is a stub, with the times of spec.
func withStub(t *testing.T, spec ModelSpec) (*Controller, *stub) {
	t.Helper()
	spec.Type, spec.Name, spec.Linear = LinearModel, "stub", &Linear{LookAhead: second, HistorySize: 1}
	c, err := New(Spec{MaxReplicas: 100, Models: []ModelSpec{spec}})
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{value: 50, keep: 4}
	c.models[0].model = s
	return c, s
}

// outcomes says what became of the model at each time, and how many counts it has stored then.
func outcomes(c *Controller, times ...float64) string {
	var out []string
	for _, s := range times {
		d := c.Sync(time.Duration(s*float64(second)), 7)
		name := map[Outcome]string{Predicted: "predicts", TooFew: "few", NotDue: "rests", Waiting: "waits", Failed: "fails"}[d.Predictions[0].Outcome]
		out = append(out, fmt.Sprintf("%s %d", name, len(c.History(0, nil))))
	}
	return strings.Join(out, ", ")
}

func TestSyncRules(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spec  ModelSpec
		times []float64
		want  string
	}{
		{"every sync by default", ModelSpec{}, []float64{0, 15, 30}, "predicts 1, predicts 2, predicts 3"},
		{"every other sync, not the first", ModelSpec{PerSyncPeriod: 2}, []float64{0, 15, 30, 45}, "rests 1, predicts 2, rests 3, predicts 4"},
		{"every third", ModelSpec{PerSyncPeriod: 3}, []float64{0, 15, 30, 45, 60, 75}, "rests 1, rests 2, predicts 3, rests 4, rests 4, predicts 4"},
		{"start at the next minute", ModelSpec{StartInterval: time.Minute},
			[]float64{20, 35, 50, 65, 80}, "waits 0, waits 0, waits 0, predicts 1, predicts 2"},
		{"the first sync waits even at the start", ModelSpec{StartInterval: time.Minute}, []float64{60, 75}, "waits 0, predicts 1"},
		{"a start between two syncs", ModelSpec{StartInterval: time.Minute}, []float64{59, 60, 61}, "waits 0, predicts 1, predicts 2"},
		{"a start in fractions of a second is cut off", ModelSpec{StartInterval: 2500 * time.Millisecond},
			[]float64{1, 1.9, 2, 2.2}, "waits 0, waits 0, predicts 1, predicts 2"},
		{"as old as resetDuration is not too old", ModelSpec{ResetDuration: time.Minute},
			[]float64{0, 15, 75, 90}, "predicts 1, predicts 2, predicts 3, predicts 4"},
		{"older is cleared, and recorded anew at once", ModelSpec{ResetDuration: time.Minute},
			[]float64{0, 15, 76, 90}, "predicts 1, predicts 2, predicts 1, predicts 2"},
		{"recorded times are whole seconds", ModelSpec{ResetDuration: time.Minute}, []float64{0.9, 60.5, 61}, "predicts 1, predicts 1, predicts 2"},
		{"a reset sets a new start", ModelSpec{StartInterval: time.Minute, ResetDuration: time.Minute},
			[]float64{0, 15, 30, 100, 115, 120, 135}, "waits 0, predicts 1, predicts 2, waits 0, waits 0, predicts 1, predicts 2"},
		{"a reset leaves the count of syncs", ModelSpec{PerSyncPeriod: 3, ResetDuration: time.Minute},
			[]float64{0, 15, 100, 115}, "rests 1, rests 2, predicts 1, rests 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := withStub(t, tc.spec)
			if got := outcomes(c, tc.times...); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			c.Reset()
			if got := outcomes(c, tc.times...); got != tc.want {
				t.Errorf("after Reset %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestSyncHistory: a model sees the present count, and what is pruned goes afterwards, the oldest first.
func TestSyncHistory(t *testing.T) {
	c, s := withStub(t, ModelSpec{})
	for i := range 7 {
		c.Sync(time.Duration(i)*15*second+700*time.Millisecond, int32(i+1))
	}
	if want := at(30, 3, 45, 4, 60, 5, 75, 6, 90, 7); !slices.Equal(s.got, want) {
		t.Errorf("the model saw %v, want %v", s.got, want)
	}
	if want := at(45, 4, 60, 5, 75, 6, 90, 7); !slices.Equal(c.History(0, nil), want) {
		t.Errorf("stored %v, want %v", c.History(0, nil), want)
	}
}

// TestSyncFailed: a sync that fails leaves no trace, neither in the history nor in the count of syncs.
func TestSyncFailed(t *testing.T) {
	c, s := withStub(t, ModelSpec{PerSyncPeriod: 2})
	if got := outcomes(c, 0); got != "rests 1" {
		t.Fatal(got)
	}
	for _, err := range []error{ErrNotPositive, ErrSameTime} {
		s.err = err
		d := c.Sync(15*second, 3)
		if p := d.Predictions[0]; p.Outcome != Failed || p.Err != err || p.Counts() || d.Replicas != 3 || len(c.History(0, nil)) != 1 {
			t.Errorf("%+v, %d counts stored", d, len(c.History(0, nil)))
		}
	}
	s.err, s.value = nil, 1e12
	if d := c.Sync(30*second, 3); d.Predictions[0].Err != ErrOutOfRange || d.Predictions[0].Value != 0 || d.Replicas != 3 {
		t.Errorf("%+v", d)
	}
	s.value = 50
	if got := outcomes(c, 45, 60, 75); got != "predicts 2, rests 3, predicts 4" { // due since the second sync
		t.Error(got)
	}
	s.err = ErrTooFew
	if got := outcomes(c, 90, 105); got != "rests 4, few 4" {
		t.Error(got)
	}
}

// TestSyncZeroInSeasons: multiplicative Holt-Winters passes over a 0, but never gets over one that it stored before it could
// predict, until the history is cleared.
func TestSyncZeroInSeasons(t *testing.T) {
	for _, tc := range []struct {
		zero int // the sync that calculates 0
		want string
	}{
		{14, "few 11, predicts 12, predicts 13, predicts 14, fails 14, predicts 15, predicts 16"},
		{3, "few 11, fails 11, fails 11, fails 11, fails 11, few 1, few 2"}, // the newest count is 5 syncs old then: 75 s
	} {
		h := hw(0.5, 0.5, 0.5, 2).with(Add, Mul)
		c, err := New(Spec{MaxReplicas: 9, Models: []ModelSpec{{Type: HoltWintersModel, Name: "m", HoltWinters: h, ResetDuration: 74 * second}}})
		if err != nil {
			t.Fatal(err)
		}
		var last []string
		for i := range 17 {
			calculated := int32(2 + i%2)
			if i == tc.zero {
				calculated = 0
			}
			d := c.Sync(time.Duration(i)*15*second, calculated)
			if i >= 10 {
				name := map[Outcome]string{Predicted: "predicts", TooFew: "few", Failed: "fails"}[d.Predictions[0].Outcome]
				last = append(last, fmt.Sprintf("%s %d", name, len(c.History(0, nil))))
			}
		}
		if got := strings.Join(last, ", "); got != tc.want {
			t.Errorf("0 at sync %d: %s\nwant %s", tc.zero, got, tc.want)
		}
	}
}

// TestSyncTooFew: until Holt-Winters can predict it pulls the minimum to 0 and the mean half way there.
func TestSyncTooFew(t *testing.T) {
	for of, want := range map[DecisionType]int32{DecideMaximum: 6, DecideMinimum: 0, DecideMean: 3, DecideMedian: 3} {
		c, err := New(Spec{MaxReplicas: 9, DecisionType: of, Models: []ModelSpec{{Type: HoltWintersModel, Name: "m", HoltWinters: hw(0.5, 0.5, 0.5, 2)}}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 12 {
			d := c.Sync(time.Duration(i)*15*second, 6)
			if got := d.Replicas; i < 11 && got != want || i == 11 && got != 6 {
				t.Errorf("%s, sync %d: %s", of, i, d.Explain())
			}
		}
	}
}

// TestSyncLinear goes through a rise as a user would: historySize 3, so that 4 points make the line.
func TestSyncLinear(t *testing.T) {
	c, err := New(Spec{MaxReplicas: 9, Models: []ModelSpec{{Type: LinearModel, Name: "line", Linear: &Linear{LookAhead: 30 * second, HistorySize: 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct{ calculated, want int32 }{
		{2, 2}, {2, 2},
		{4, 6},  // 2, 2, 4: slope 1 each sync, mean 8/3: 8/3 + 3, two syncs ahead
		{6, 9},  // 2, 2, 4, 6: slope 1.4, 3.5 + 1.4 * 3.5 = 8.4
		{6, 10}, // 2, 4, 6, 6: slope 1.4, 4.5 + 1.4 * 3.5 = 9.4
	} {
		if d := c.Sync(time.Duration(i)*15*second, step.calculated); d.Replicas != step.want {
			t.Errorf("sync %d: %s, want %d", i, d.Explain(), step.want)
		}
	}
}

// TestPropertyConstant: once every model has enough to predict from, constant counts are decided on, whatever the settings; two
// controllers with the models in another order agree at every sync before as well.
func TestPropertyConstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := oneModel()
		spec.DecisionType = rapid.SampledFrom([]DecisionType{DecideMaximum, DecideMinimum, DecideMean, DecideMedian}).Draw(t, "decision")
		spec.Models[0].PerSyncPeriod = rapid.IntRange(1, 3).Draw(t, "per sync")
		h := genHoltWinters(t)
		spec.Models = append(spec.Models, ModelSpec{
			Type: HoltWintersModel, Name: "season", HoltWinters: h, StartInterval: time.Duration(rapid.IntRange(0, 90).Draw(t, "start")) * second,
		})
		a, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		spec.Models = []ModelSpec{spec.Models[1], spec.Models[0]}
		b, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		replicas := rapid.Int32Range(1, 500).Draw(t, "replicas")
		for i := range h.MinObservations() + 20 {
			now := time.Duration(i) * 15 * second
			d, e := a.Sync(now, replicas), b.Sync(now, replicas)
			if d.Replicas != e.Replicas || d.Reason != e.Reason {
				t.Fatalf("%s; in another order %s", d.Explain(), e.Explain())
			}
			if i > h.MinObservations()+8 && d.Replicas != replicas { // 8 syncs are more than 90 s
				t.Fatal(d.Explain())
			}
		}
	})
}
