package rl

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/sim/rng"
)

func TestNewPartsFindsThePeriod(t *testing.T) {
	for _, c := range []struct {
		nvec    []int
		period  int
		repeats int
	}{
		{[]int{5}, 1, 1}, {[]int{5, 5, 5}, 1, 3}, {[]int{5, 3, 5, 3}, 2, 2}, {[]int{11, 15}, 2, 1}, {[]int{2, 2, 3, 2, 2, 3}, 3, 2}, {[]int{2, 3, 2}, 3, 1},
	} {
		p, err := NewParts(c.nvec)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.period) != c.period || p.repeats != c.repeats {
			t.Errorf("%v: period %v, %d times", c.nvec, p.period, p.repeats)
		}
	}
	for _, bad := range [][]int{nil, {}, {3, 0}} {
		if _, err := NewParts(bad); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

// drawParts makes a random action space with logits and a mask that leaves every part something.
func drawParts(t *rapid.T, rows int) (*Parts, []float32, []bool) {
	period := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 3).Draw(t, "period")
	var nvec []int
	for range rapid.IntRange(1, 3).Draw(t, "repeats") {
		nvec = append(nvec, period...)
	}
	p, err := NewParts(nvec)
	if err != nil {
		t.Fatal(err)
	}
	logits := rapid.SliceOfN(rapid.Float32Range(-8, 8), rows*p.Width, rows*p.Width).Draw(t, "logits")
	mask := make([]bool, rows*p.Width)
	at := 0
	for range rows {
		for _, n := range nvec {
			only := rapid.IntRange(0, n-1).Draw(t, "allowed")
			for a := range n {
				mask[at+a] = a == only || rapid.Bool().Draw(t, "mask")
			}
			at += n
		}
	}
	return p, logits, mask
}

// The distribution with gradients and the one that draws are the same: for any action space, mask and logits the
// sampler never leaves the mask, and the loss finds the log-probability that the sampler said.
func TestSamplerAgreesWithLoss(t *testing.T) {
	stream := rng.New(1, "property")
	rapid.Check(t, func(t *rapid.T) {
		const rows = 3
		p, logits, mask := drawParts(t, rows)
		sampler, n := NewSampler(p), len(p.NVec)
		b := &ppoMinibatch{mask: mask, actions: make([]int32, rows*n)}
		l := newPPOLoss(&PPOConfig{}, p, rows)
		copy(l.logits, logits)
		for r := range rows {
			drawn := b.actions[r*n : (r+1)*n]
			from, to := r*p.Width, (r+1)*p.Width
			logp, err := sampler.Sample(stream, logits[from:to], mask[from:to], drawn)
			if err != nil {
				t.Fatal(err)
			}
			at := from
			for i, a := range drawn {
				if !mask[at+int(a)] {
					t.Fatalf("action %d of part %d is masked", a, i)
				}
				at += p.NVec[i]
			}
			if err := l.row(b, r); err != nil {
				t.Fatal(err)
			}
			if math.Abs(l.logProb[r]-logp) > 1e-9 {
				t.Fatalf("row %d: log-probability %v, the sampler said %v", r, l.logProb[r], logp)
			}
			// Entropy lies between 0 and that of uniform choice among the allowed actions.
			most := make([]float32, 1)
			p.targetEntropies(1, mask[from:to], most)
			if l.entropy[r] < -1e-9 || l.entropy[r] > float64(most[0])+1e-6 {
				t.Fatalf("row %d: entropy %v of at most %v", r, l.entropy[r], most[0])
			}
		}
	})
}

// Actions come up as often as their probabilities say. With n draws a count is binomial; 5 standard deviations are
// left by chance once in 1.7 million comparisons.
func TestSampleFrequencies(t *testing.T) {
	const n = 100_000
	p, err := NewParts([]int{4, 2})
	if err != nil {
		t.Fatal(err)
	}
	logits := []float32{0, 1, 2, 9, float32(math.Log(3)), 0}
	mask := []bool{true, true, true, false, true, true}
	e := math.E
	want := []float64{1 / (1 + e + e*e), e / (1 + e + e*e), e * e / (1 + e + e*e), 0, 0.75, 0.25}
	count := make([]int, 6)
	sampler, stream, actions := NewSampler(p), rng.New(1, "frequencies"), make([]int32, 2)
	for range n {
		if _, err := sampler.Sample(stream, logits, mask, actions); err != nil {
			t.Fatal(err)
		}
		count[actions[0]]++
		count[4+actions[1]]++
	}
	for a, w := range want {
		if d := math.Abs(float64(count[a]) - n*w); d > 5*math.Sqrt(n*w*(1-w)) {
			t.Errorf("action %d came up %d times of %d, expected %.0f", a, count[a], n, n*w)
		}
	}
}

func TestSamplerRefuses(t *testing.T) {
	p, err := NewParts([]int{2, 2})
	if err != nil {
		t.Fatal(err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name   string
		logits []float32
		mask   []bool
		want   string
	}{
		{"nothing allowed", []float32{0, 0, 0, 0}, []bool{true, true, false, false}, "action part 1 has no allowed action"},
		{"NaN", []float32{0, nan, 0, 0}, nil, "logits of action part 0 are not finite"},
		{"infinity", []float32{0, 0, inf, 0}, nil, "logits of action part 1 are not finite"},
	} {
		sampler, actions := NewSampler(p), make([]int32, 2)
		_, err := sampler.Sample(rng.New(1, "x"), c.logits, c.mask, actions)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Sample says %v", c.name, err)
		}
		if err := sampler.Mode(c.logits, c.mask, actions); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Mode says %v", c.name, err)
		}
	}
}

func TestSamplingAllocatesNothing(t *testing.T) {
	p, err := NewParts([]int{5, 5, 5, 5})
	if err != nil {
		t.Fatal(err)
	}
	sampler, stream, logits, actions := NewSampler(p), rng.New(1, "x"), make([]float32, 20), make([]int32, 4)
	if a := testing.AllocsPerRun(20, func() {
		if _, err := sampler.Sample(stream, logits, nil, actions); err != nil {
			t.Fatal(err)
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

func TestTargetEntropyCountsAllowedActions(t *testing.T) {
	p, err := NewParts([]int{4, 2})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 2)
	p.targetEntropies(0.5, []bool{true, true, true, false, true, true, false, true, false, false, true, false}, got)
	// Row 0: three and two allowed; row 1: one and one.
	if want := float32(0.5 * (math.Log(3) + math.Log(2))); math.Abs(float64(got[0]-want)) > 1e-6 || got[1] != 0 {
		t.Errorf("got %v, want %v and 0", got, want)
	}
}
