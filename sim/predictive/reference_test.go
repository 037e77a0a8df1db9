package predictive

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"
	"time"
)

// The reference: testdata/statsmodels.json, which testdata/reference.py makes with statsmodels 0.13.5 (the functions used are the
// same in 0.14.0).
type reference struct {
	HoltWinters []referenceModel `json:"holt_winters"`
	Failures    []referenceModel `json:"failures"`
	Linear      []struct {
		NowS        int64      `json:"now_s"`
		LookAheadMs int64      `json:"look_ahead_ms"`
		Points      [][2]int64 `json:"points"`
		Value       float64    `json:"value"`
	} `json:"linear"`
	Syncs []struct {
		Models      []referenceModel `json:"models"`
		PeriodS     int64            `json:"period_s"`
		Counts      []int32          `json:"counts"`
		Predictions [][][2]any       `json:"predictions"`
	} `json:"syncs"`
}

type referenceModel struct {
	Name            string         `json:"name"`
	Type            ModelType      `json:"type"`
	Alpha           float64        `json:"alpha"`
	Beta            float64        `json:"beta"`
	Gamma           float64        `json:"gamma"`
	SeasonalPeriods int            `json:"seasonal_periods"`
	StoredSeasons   int            `json:"stored_seasons"`
	Trend           Method         `json:"trend"`
	Seasonal        Method         `json:"seasonal"`
	Method          Initialization `json:"initialization_method"`
	DampedTrend     bool           `json:"damped_trend"`
	InitialLevel    *float64       `json:"initial_level"`
	InitialTrend    *float64       `json:"initial_trend"`
	InitialSeasonal *float64       `json:"initial_seasonal"`
	Series          []int32        `json:"series"`
	FirstLevel      float64        `json:"first_level"`
	FirstTrend      float64        `json:"first_trend"`
	FirstSeasonal   []float64      `json:"first_seasonal"`
	Value           float64        `json:"value"`

	PerSyncPeriod int   `json:"per_sync_period"`
	LookAheadMs   int64 `json:"look_ahead_ms"`
	HistorySize   int   `json:"history_size"`
}

func readReference(t *testing.T) *reference {
	t.Helper()
	data, err := os.ReadFile("testdata/statsmodels.json")
	if err != nil {
		t.Fatal(err)
	}
	r := &reference{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *referenceModel) holtWinters() *HoltWinters {
	return &HoltWinters{
		Alpha: &r.Alpha, Beta: &r.Beta, Gamma: &r.Gamma, Trend: r.Trend, Seasonal: r.Seasonal,
		SeasonalPeriods: r.SeasonalPeriods, StoredSeasons: max(r.StoredSeasons, 8), DampedTrend: r.DampedTrend,
		InitializationMethod: r.Method, InitialLevel: r.InitialLevel, InitialTrend: r.InitialTrend, InitialSeasonal: r.InitialSeasonal,
	}
}

func (r *referenceModel) spec(name string) ModelSpec {
	s := ModelSpec{Type: r.Type, Name: name, PerSyncPeriod: r.PerSyncPeriod}
	if r.Type == LinearModel {
		s.Linear = &Linear{LookAhead: time.Duration(r.LookAheadMs) * time.Millisecond, HistorySize: r.HistorySize}
	} else {
		s.HoltWinters = r.holtWinters()
		s.HoltWinters.StoredSeasons = r.StoredSeasons
	}
	return s
}

// TestHoltWintersReference: every mix of trend, season and start, for even and odd seasons.
func TestHoltWintersReference(t *testing.T) {
	cases := readReference(t).HoltWinters
	if len(cases) != 6*2*2*4 {
		t.Fatalf("%d cases", len(cases))
	}
	for i := range cases {
		c := &cases[i]
		h := newHoltWinters(c.holtWinters())
		h.Chronological = true // the series is as statsmodels got it
		got, err := h.Predict(0, pointsOf(c.Series))
		if err != nil || !near(got, c.Value) {
			t.Errorf("case %d, %s trend, %s season of %d, %s: %v %v, statsmodels %v", i, c.Trend, c.Seasonal, c.SeasonalPeriods, c.Method, got, err, c.Value)
		}
		level, trend := h.start() // the series is still there
		if !near(level, c.FirstLevel) || !near(trend, c.FirstTrend) {
			t.Errorf("case %d, %s: starts at level %v, trend %v, statsmodels %v and %v", i, c.Method, level, trend, c.FirstLevel, c.FirstTrend)
		}
		for j, s := range h.seasons {
			if !near(s, c.FirstSeasonal[j]) {
				t.Errorf("case %d, %s: season %d starts at %v, statsmodels %v", i, c.Method, j, s, c.FirstSeasonal[j])
			}
		}
	}
}

// TestReferenceFailures: what makes statsmodels fail is refused beforehand, or fails in the prediction if it is the counts.
func TestReferenceFailures(t *testing.T) {
	cases := readReference(t).Failures
	if len(cases) != 7 {
		t.Fatalf("%d cases", len(cases))
	}
	inPrediction := map[string]error{
		"multiplicative season with a 0": ErrNotPositive,
		"multiplicative trend with a 0":  ErrNotPositive,
		"known, dividing by 0":           ErrNotFinite,
	}
	for i := range cases {
		c := &cases[i]
		spec := Spec{MaxReplicas: 9, Models: []ModelSpec{{Type: HoltWintersModel, Name: "m", HoltWinters: c.holtWinters()}}}
		want, inCounts := inPrediction[c.Name]
		if err := spec.Validate(); (err == nil) != inCounts {
			t.Errorf("%s: Validate says %v", c.Name, err)
		}
		if !inCounts {
			continue
		}
		value, err := NewModel(spec.Models[0]).Predict(0, pointsOf(c.Series))
		if err == nil {
			_, err = ceilReplicas(value)
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: predicts %v, %v, want %v", c.Name, value, err, want)
		}
	}
}

func TestLinearReference(t *testing.T) {
	cases := readReference(t).Linear
	if len(cases) != 21 {
		t.Fatalf("%d cases", len(cases))
	}
	for i, c := range cases {
		l := &Linear{LookAhead: time.Duration(c.LookAheadMs) * time.Millisecond, HistorySize: len(c.Points)}
		var h []Point
		for _, p := range c.Points {
			h = append(h, Point{time.Duration(p[0]) * time.Second, int32(p[1])})
		}
		got, err := l.Predict(time.Duration(c.NowS)*time.Second, h)
		if err != nil || !near(got, c.Value) {
			t.Errorf("case %d, %d points: %v %v, statsmodels %v", i, len(h), got, err, c.Value)
		}
	}
}

// TestSyncsReference: the whole loop over the models, on histories that are kept as lists, newest first.
func TestSyncsReference(t *testing.T) {
	outcomes := map[Outcome]string{Predicted: "predicted", TooFew: "too few", NotDue: "not due", Failed: "failed"}
	seen := map[string]int{}
	for i, trace := range readReference(t).Syncs {
		spec := Spec{MaxReplicas: 100}
		for j := range trace.Models {
			spec.Models = append(spec.Models, trace.Models[j].spec(string(rune('a'+j))))
		}
		c, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		for k, calculated := range trace.Counts {
			d := c.Sync(time.Duration(int64(k)*trace.PeriodS)*time.Second, calculated)
			for j := range d.Predictions {
				p, want := &d.Predictions[j], trace.Predictions[k][j]
				seen[outcomes[p.Outcome]]++
				value, _ := want[1].(float64)
				if outcomes[p.Outcome] != want[0] || !near(p.Value, value) {
					t.Fatalf("trace %d, sync %d: %s, reference %v", i, k, p, want)
				}
				if p.Outcome == Predicted && math.Abs(value-math.Round(value)) > 1e-6 && float64(p.Replicas) != math.Ceil(value) {
					t.Fatalf("trace %d, sync %d: %s, reference %v", i, k, p, math.Ceil(value))
				}
			}
		}
	}
	for _, outcome := range outcomes {
		if seen[outcome] == 0 {
			t.Errorf("no model was %q", outcome)
		}
	}
}
