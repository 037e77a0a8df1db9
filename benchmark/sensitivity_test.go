package benchmark

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"pgregory.net/rapid"
)

// TestPoolUseGivesTheMetrics: at κ = 5 and the prices of the file CAF and cost are those of the run, for services in two pools; half the
// price of everything bought is twice κ; and other prices give what a run under them would have given.
func TestPoolUseGivesTheMetrics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := drawScript(t)
		a := NewAccumulator(sc.app)
		sc.play(a)
		m, use := a.Metrics(), a.Pools()
		near := func(what string, got, want float64) {
			t.Helper()
			if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) && !(math.IsNaN(got) && math.IsNaN(want)) {
				t.Fatalf("%s = %.12g, want %.12g", what, got, want)
			}
		}
		plain := Variation{Kappa: Kappa}
		near("CAF", plain.caf(use), m.CAF)
		near("cost", plain.cost(use), m.Cost)
		half := Variation{Kappa: Kappa, Factors: []float64{0.5, 0.5}}
		double := Variation{Kappa: 2 * Kappa}
		near("CAF at half the prices", half.caf(use), double.caf(use))
		near("cost at half the prices", half.cost(use), m.Cost/2)

		factor := rapid.Float64Range(0.1, 10).Draw(t, "factor")
		dear := Variation{Kappa: 1, Factors: []float64{1, factor}} // κ would not be priced alike
		sc.app.Pools = []sim.Pool{{PricePerCoreHour: 0.03}, {PricePerCoreHour: 0.08 * factor}}
		sc.nodes[1].PricePerCoreHour *= factor
		b := NewAccumulator(sc.app)
		sc.play(b)
		near("cost at another price of a pool", dear.cost(use), b.Metrics().Cost)
	})
}

func TestVerdicts(t *testing.T) {
	sum := summarise(t, madeTuned(1, 2, 3, 4, 5, 6, 7, 8))
	overall := &sum.Parts[2]
	if got := len(overall.Sensitivity); got != 5*9 {
		t.Fatalf("%d verdicts, want 9 variations (3 of κ, 2 of all prices, 2 of each of 2 pools) of 5 controllers", got)
	}
	for i := range overall.Sensitivity {
		v := &overall.Sensitivity[i]
		want := map[string]string{"mlp_ppo": Lower, "gat_ppo": Lower, "oracle": Lower, "static": Higher}[v.Controller.Name]
		if got := v.Difference.Judge(0, 8); want != "" && got != want {
			t.Errorf("%s at %s: CAF is %s, want %s", v.Controller.Name, v.Variation.Name, got, want)
		}
	}
	if e := (&Estimate{Value: 1, Interval: Interval{-1, 3, true}}); e.Judge(0, 8) != Undecided || e.Judge(0, 3) != "" {
		t.Error("an interval round 0 decides nothing")
	}
}

// TestSensitivityOfRealRuns: the verdict at κ = 5 is about the CAF that the tables show.
func TestSensitivityOfRealRuns(t *testing.T) {
	p := realPlan(t)
	p.Controllers[0].Name, p.Controllers[0].Kind = TunedHPA, KindAutoscaler
	store := openStore(t)
	for range 2 { // run, then from the store
		res, err := Run(t.Context(), p, Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		sum := summarise(t, res)
		for i := range sum.Parts {
			found := 0
			for k := range sum.Parts[i].Sensitivity {
				if v := &sum.Parts[i].Sensitivity[k]; v.Variation.Factors == nil && v.Variation.Kappa == Kappa {
					found++
					near(t, "difference of CAF", v.Difference.Value, sum.Parts[i].Against(v.Controller.Name, "caf").Difference.Value)
					near(t, "ratio of cost", v.CostRatio.Value, sum.Parts[i].Against(v.Controller.Name, "cost").Ratio.Value)
				}
			}
			if found != 2 {
				t.Errorf("%s: %d verdicts at κ = 5, want 2", sum.Parts[i].Name, found)
			}
		}
	}
}

func TestProfiles(t *testing.T) {
	sum := summarise(t, madeResults(1, 2, 3, 4))
	part := &sum.Parts[0]
	for i := range part.Profiles {
		p := &part.Profiles[i]
		if p.Key != "caf" || p.Controller.Name != "static" {
			continue
		}
		for k, q := range p.Points {
			within := 0.0
			for _, r := range sum.Results.Rows {
				if r.Controller == "static" && r.Scenario == "peak" && r.CAF <= q.Tau {
					within += 0.25
				}
			}
			if q.Share != within || !q.Valid || q.Low > q.Share || q.High < q.Share || k > 0 && q.Share < p.Points[k-1].Share {
				t.Errorf("profile at %g: %+v, want %g", q.Tau, q, within)
			}
		}
		return
	}
	t.Error("no profile of static")
}
