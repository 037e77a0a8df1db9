package benchmark

import (
	"fmt"
	"math"
)

// PoolUse is what a run came to in one node pool, in core-hours of the counted part. A service counts in the pools in the shares of its
// pods there; while it has none, where it was last, at first in the cheapest pool. With it the CAF and the cost of a run are known for any κ and any
// prices, without running it again.
type PoolUse struct {
	Pool    string  `json:"pool"`
	Price   float64 `json:"price"`   // weight of a core-hour: the pool's price, 1 when all pools are free
	Supply  float64 `json:"supply"`  // ∫ s
	Needed  float64 `json:"needed"`  // ∫ d
	Missing float64 `json:"missing"` // ∫ (d - s)⁺
	Held    float64 `json:"held"`    // CPU requests of all pods that hold room on a node
}

// valid tells whether its numbers are those that a run can have.
func (u *PoolUse) valid() bool {
	for _, x := range []float64{u.Price, u.Supply, u.Needed, u.Missing, u.Held} {
		if !(x >= 0) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// Variation is another opinion on what things cost.
type Variation struct {
	Name  string
	Kappa float64 // price of a missing CPU-second, in bought ones at the prices of the application file
	// Factors multiply the price of bought CPU, by pool; what a missing CPU-second costs does not change with them. nil for none.
	Factors []float64
}

func (v *Variation) factor(pool int) float64 {
	if v.Factors == nil {
		return 1
	}
	return v.Factors[pool]
}

// caf is the cost amplification factor of a run: NaN if nothing was needed.
func (v *Variation) caf(use []PoolUse) float64 {
	paid, needed := 0.0, 0.0
	for p := range use {
		u := &use[p]
		paid += u.Price * (v.factor(p)*u.Supply + v.Kappa*u.Missing)
		needed += u.Price * v.factor(p) * u.Needed
	}
	if needed <= 0 {
		return math.NaN()
	}
	return paid / needed
}

// cost is what a run's pods cost; core-hours when all pools are free.
func (v *Variation) cost(use []PoolUse) float64 {
	sum := 0.0
	for p := range use {
		sum += use[p].Price * v.factor(p) * use[p].Held
	}
	return sum
}

// variations are those of an application: κ, then the prices of all pools, then, where there are several, those of each.
func variations(pools []PoolUse) []Variation {
	var out []Variation
	for _, kappa := range []float64{2, Kappa, 10} {
		out = append(out, Variation{Name: fmt.Sprintf("κ = %g", kappa), Kappa: kappa})
	}
	factors := []float64{0.5, 2}
	for _, f := range factors {
		all := make([]float64, len(pools))
		for p := range all {
			all[p] = f
		}
		out = append(out, Variation{fmt.Sprintf("prices × %g", f), Kappa, all})
	}
	for p := range pools {
		for _, f := range factors {
			if len(pools) < 2 {
				continue
			}
			one := make([]float64, len(pools))
			for q := range one {
				one[q] = 1
			}
			one[p] = f
			out = append(out, Variation{fmt.Sprintf("%s × %g", pools[p].Pool, f), Kappa, one})
		}
	}
	return out
}

// Verdict says who is cheaper under a variation, on common random numbers.
type Verdict struct {
	Controller *ControllerSpec
	Variation  Variation
	CAF        float64  // the controller's mean
	Difference Estimate // its CAF minus the opponent's, run by run; IQM is NaN
	CostRatio  Estimate // its mean cost over the opponent's; IQM is NaN
}

// Words of a verdict.
const (
	Lower     = "lower"
	Higher    = "higher"
	Undecided = "undecided"
)

// Judge tells on which side of a value the interval is; "" when nothing is claimed from so few seeds.
func (e *Estimate) Judge(around float64, seeds int) string {
	switch {
	case seeds < leastClaimSeeds || math.IsNaN(e.Value):
		return ""
	case e.Valid && e.High < around:
		return Lower
	case e.Valid && e.Low > around:
		return Higher
	default:
		return Undecided
	}
}

// sensitivity judges controller c against the opponent under all variations. Runs without PoolUse give none.
func (g *grouped) sensitivity(part *Part, c, opponent int) ([]Verdict, error) {
	own, other := g.tasks(c, part.Scenarios), g.tasks(opponent, part.Scenarios)
	if len(own) == 0 || len(own[0][0].Pools) == 0 {
		return nil, nil
	}
	spec := &g.plan.Controllers[c]
	var out []Verdict
	for _, v := range variations(own[0][0].Pools) {
		a, b := g.priced(own, v.caf), g.priced(other, v.caf)
		diff, err := PairedDifferences(a, b)
		if err != nil {
			return nil, fmt.Errorf("sensitivity: %w", err)
		}
		x := Verdict{Controller: spec, Variation: v, CAF: math.NaN(), Difference: Estimate{Value: math.NaN(), IQM: math.NaN()}}
		if len(diff) > 0 {
			x.CAF, x.Difference.Value = MeanOfTasks(a), MeanOfTasks(diff)
			for _, runs := range diff {
				x.Difference.Runs += len(runs)
			}
			if x.Difference.Interval, err = Studentized(diff, MeasureMean, g.reps, stream(part, spec, "sensitivity caf")); err != nil {
				return nil, fmt.Errorf("sensitivity: %w", err)
			}
		}
		x.CostRatio = g.ratioOfMeans(g.priced(own, v.cost), g.priced(other, v.cost), part, spec, "sensitivity cost")
		out = append(out, x)
	}
	return out, nil
}

// priced gives a number of each run, those left out in which it is not defined.
func (g *grouped) priced(tasks [][]*Row, of func([]PoolUse) float64) [][]float64 {
	var out [][]float64
	for _, runs := range tasks {
		var values []float64
		for _, row := range runs {
			if v := of(row.Pools); !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		if values != nil {
			out = append(out, values)
		}
	}
	return out
}
