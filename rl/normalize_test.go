package rl

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// However the rows come in batches, the result is that of all rows at once, beside 1e-4 rows' worth of the prior
// (mean 0, variance 1).
func TestRunningMeanStdOfBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 3).Draw(t, "width")
		rows := rapid.SliceOfN(rapid.Float32Range(-100, 100), width, 20*width).Draw(t, "rows")
		rows = rows[:len(rows)/width*width]
		whole, parts := NewRunningMeanStd(width), NewRunningMeanStd(width)
		whole.Update(rows)
		for rest := rows; len(rest) > 0; {
			n := width * rapid.IntRange(1, len(rest)/width).Draw(t, "batch")
			parts.Update(rest[:n])
			rest = rest[n:]
		}
		for c := range width {
			if math.Abs(whole.Mean[c]-parts.Mean[c]) > 1e-9 || math.Abs(whole.Var[c]-parts.Var[c]) > 1e-7 {
				t.Fatalf("column %d: mean %v and %v, variance %v and %v", c, whole.Mean[c], parts.Mean[c], whole.Var[c], parts.Var[c])
			}
		}
	})
}

func TestRunningMeanStdByHand(t *testing.T) {
	r := &RunningMeanStd{Mean: []float64{0}, Var: []float64{1}, Count: 0} // no prior
	r.Update([]float32{1, 2, 3, 6})
	// mean 3, squared deviations 4+1+0+9 = 14 over 4
	if r.Mean[0] != 3 || r.Var[0] != 3.5 || r.Count != 4 {
		t.Errorf("mean %v, variance %v, count %v", r.Mean[0], r.Var[0], r.Count)
	}
	x := []float32{3, 1000}
	r.Normalize(x, 10)
	if x[0] != 0 || x[1] != 10 {
		t.Errorf("normalised: %v", x)
	}
}

// A feature's statistics are those of all services together; pod counts and masks are not touched.
func TestObsNormalizerSharesFeatures(t *testing.T) {
	spec := rltest.NewBandit(rltest.BanditConfig{Envs: 2, Services: 3, Choices: 1}).Spec()
	n, o := NewObsNormalizer(spec, 10), sim.NewObs(spec, 2)
	for i := range o.Services {
		o.Services[i] = float32(i)
	}
	for i := range o.RunsOn {
		o.RunsOn[i] = 7
	}
	n.Update(o)
	// Feature 0 of six services: 0, 2, 4, 6, 8, 10.
	if n.Services.Count != 6+1e-4 || math.Abs(n.Services.Mean[0]-5) > 1e-3 || len(n.Services.Mean) != 2 {
		t.Errorf("count %v, mean %v", n.Services.Count, n.Services.Mean)
	}
	n.Normalize(o)
	sum := float32(0)
	for i := 0; i < len(o.Services); i += 2 {
		sum += o.Services[i]
	}
	if math.Abs(float64(sum)) > 1e-3 {
		t.Errorf("the normalised feature adds up to %v", sum)
	}
	if o.RunsOn[0] != 7 || slices.Contains(o.Mask, true) {
		t.Error("pod counts or masks changed")
	}
}

// A feature that never varies becomes 0, not NaN.
func TestConstantFeature(t *testing.T) {
	r := NewRunningMeanStd(1)
	x := []float32{0.1, 0.1, 0.1, 0.1}
	for range 100 {
		r.Update(x)
	}
	r.Normalize(x, 10)
	if math.Abs(float64(x[0])) > 0.1 {
		t.Errorf("normalised to %v", x[0])
	}
}

// Rewards are scaled, not centred: their sign stays.
func TestRewardNormalizerKeepsSigns(t *testing.T) {
	n := NewRewardNormalizer(2, 0.9, 10)
	for range 50 {
		n.Update([]float32{-3, -5}, make([]bool, 2), make([]bool, 2))
	}
	r := []float32{-3, 1, 0}
	n.Normalize(r)
	if r[0] >= 0 || r[1] <= 0 || r[2] != 0 {
		t.Errorf("normalised: %v", r)
	}
	n.Update([]float32{1, 1}, []bool{true, false}, []bool{false, true})
	if n.Sums[0] != 0 || n.Sums[1] != 0 {
		t.Errorf("sums after both episodes ended: %v", n.Sums)
	}
}

func TestNormalizingAllocatesNothing(t *testing.T) {
	env := rltest.NewSynthetic(4)
	n, o := NewObsNormalizer(env.Spec(), 10), sim.NewObs(env.Spec(), 4)
	if err := env.Reset(1, o); err != nil {
		t.Fatal(err)
	}
	if a := testing.AllocsPerRun(20, func() {
		n.Update(o)
		n.Normalize(o)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
