package benchmark

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// oracleDir is where the reference numbers lie: ORACLES, or the copy in the repository.
func oracleDir() string {
	if dir := os.Getenv("ORACLES"); dir != "" {
		return dir
	}
	return filepath.Join("..", "testdata", "oracles")
}

type oracleTensor struct {
	Shape []int     `json:"shape"`
	Data  []float64 `json:"data"`
}

// byTask turns runs x tasks into tasks[t][run]; one-dimensional scores are one task.
func (o *oracleTensor) byTask(t *testing.T) [][]float64 {
	t.Helper()
	if len(o.Shape) == 1 {
		return [][]float64{o.Data}
	}
	if len(o.Shape) != 2 || o.Shape[0]*o.Shape[1] != len(o.Data) {
		t.Fatalf("tensor of shape %v with %d numbers; runs x tasks wanted", o.Shape, len(o.Data))
	}
	tasks := make([][]float64, o.Shape[1])
	for i, v := range o.Data {
		tasks[i%o.Shape[1]] = append(tasks[i%o.Shape[1]], v)
	}
	return tasks
}

type oracleInterval struct {
	Low, High, Atol float64
	Reps            int
}

type statsOracle struct {
	Tolerance struct{ Rtol, Atol float64 }
	Cases     []struct {
		Name     string
		Inputs   map[string]*oracleTensor
		Expected map[string]json.RawMessage
	}
}

// TestOracleStats compares with rliable's and scipy's numbers. Every expected field must be one that the test
// knows, so that a set with more fields cannot pass unread.
func TestOracleStats(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(oracleDir(), "torch", "stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file statsOracle
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			near := func(field string, got float64, raw json.RawMessage) {
				t.Helper()
				var want float64
				if err := json.Unmarshal(raw, &want); err != nil {
					t.Fatalf("%s: %v", field, err)
				}
				if !(math.Abs(got-want) <= file.Tolerance.Atol+file.Tolerance.Rtol*math.Abs(want)) {
					t.Errorf("%s = %.17g, want %.17g", field, got, want)
				}
			}
			var scores, a, b [][]float64
			if o := c.Inputs["scores"]; o != nil {
				scores = o.byTask(t)
			}
			for _, names := range [][2]string{{"a", "b"}, {"x", "y"}} {
				if c.Inputs[names[0]] != nil {
					a, b = c.Inputs[names[0]].byTask(t), c.Inputs[names[1]].byTask(t)
				}
			}
			for field, raw := range c.Expected {
				if a != nil {
					checkPairField(t, field, raw, a, b, near)
				} else {
					checkScoreField(t, field, raw, scores, near)
				}
			}
		})
	}
}

func checkScoreField(t *testing.T, field string, raw json.RawMessage, scores [][]float64, near func(string, float64, json.RawMessage)) {
	t.Helper()
	n := 0
	for _, runs := range scores {
		n += len(runs)
	}
	switch field {
	case "trimmed_each_side":
		near(field, float64(n/4), raw)
	case "iqm":
		near(field, IQM()(scores), raw)
	case "median":
		near(field, MedianOfTasks()(scores), raw)
	case "mean":
		near(field, MeanOfTasks(scores), raw)
	case "optimality_gap":
		near(field, OptimalityGap(1)(scores), raw)
	case "iqm_ci95_percentile":
		checkInterval(t, field, raw, scores, IQM())
	case "mean_ci95_percentile":
		checkInterval(t, field, raw, scores, MeanOfTasks)
	case "performance_profile":
		var p struct {
			Tau           []float64
			FractionAbove []json.RawMessage `json:"fraction_above"`
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		for i, tau := range p.Tau {
			near(field, ShareAbove(scores, tau), p.FractionAbove[i])
		}
	default:
		t.Errorf("field %q is not known to this test", field)
	}
}

func checkInterval(t *testing.T, field string, raw json.RawMessage, scores [][]float64, stat Statistic) {
	t.Helper()
	var want oracleInterval
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	got, err := Bootstrap(scores, stat, want.Reps, rng.New(1, "oracle", field))
	if err != nil {
		t.Fatal(err)
	}
	// atol is six standard deviations of what another seed changes.
	if !got.Valid || !(math.Abs(got.Low-want.Low) <= want.Atol) || !(math.Abs(got.High-want.High) <= want.Atol) {
		t.Errorf("%s = %+v, want [%g, %g] within %g", field, got, want.Low, want.High, want.Atol)
	}
}

func checkPairField(t *testing.T, field string, raw json.RawMessage, a, b [][]float64, near func(string, float64, json.RawMessage)) {
	t.Helper()
	greater, less, equal := Pairs(a[0], b[0])
	switch field {
	case "greater":
		near(field, float64(greater), raw)
	case "less":
		near(field, float64(less), raw)
	case "equal":
		near(field, float64(equal), raw)
	case "cliffs_delta":
		near(field, CliffsDeltaOfTasks(a, b), raw)
	case "mann_whitney_u":
		near(field, float64(greater)+float64(equal)/2, raw)
	case "probability_of_improvement":
		near(field, ProbabilityOfImprovement(a, b), raw)
	case "mann_whitney_p_two_sided_asymptotic_with_continuity":
		// Not ours: no table claims significance from a p-value.
	default:
		t.Errorf("field %q is not known to this test", field)
	}
}
