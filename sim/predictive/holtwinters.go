package predictive

import (
	"slices"
	"time"
)

var _ Model = (*holtWinters)(nil)

// holtWinters is triple exponential smoothing with given weights, as statsmodels 0.14 computes it
// (tsa.holtwinters.ExponentialSmoothing, fit with optimized=False, and then forecast of one step).
type holtWinters struct {
	HoltWinters
	alpha, beta, gamma float64
	mulTrend, mulSeas  bool
	ys, trend, seasons []float64 // buffers: the series, its moving average, one value per season
	filled             []int     // buffer: how many values went into each season
}

func newHoltWinters(h *HoltWinters) *holtWinters {
	return &holtWinters{
		HoltWinters: *h, alpha: *h.Alpha, beta: *h.Beta, gamma: *h.Gamma,
		mulTrend: h.Trend.short() == Mul, mulSeas: h.Seasonal.short() == Mul,
		seasons: make([]float64, h.SeasonalPeriods), filled: make([]int, h.SeasonalPeriods),
	}
}

// Predict smooths the series y_0, y_1, ... and returns the value after its last. With level l, trend b, m seasons s, what is
// expected without season e = l + b (trend "mul": l b), the step for y_t is
//
//	seasonal "add": l' = a (y_t - s_t) + (1 - a) e      s_t+m = g (y_t - e) + (1 - g) s_t
//	seasonal "mul": l' = a y_t / s_t + (1 - a) e        s_t+m = g y_t / e + (1 - g) s_t
//	trend "add":    b' = c (l' - l) + (1 - c) b         trend "mul": b' = c l' / l + (1 - c) b
//
// with a, c, g for alpha, beta and gamma (statsmodels ExponentialSmoothing._predict). A season is updated by the level before the
// step, not after it as in Holt's and Winters' own form.
func (h *holtWinters) Predict(_ time.Duration, history []Point) (float64, error) {
	if len(history) < h.MinObservations() {
		return 0, ErrTooFew
	}
	h.fillSeries(history)
	if h.mulTrend || h.mulSeas {
		for _, y := range h.ys {
			if !(y > 0) {
				return 0, ErrNotPositive
			}
		}
	}
	l, b := h.start()
	season := 0
	for _, y := range h.ys {
		s, e := h.seasons[season], h.expected(l, b)
		var next, growth float64
		if h.mulSeas {
			next = float64(h.alpha*y/s) + float64((1-h.alpha)*e)
			s = float64(h.gamma*y/e) + float64((1-h.gamma)*s)
		} else {
			next = float64(h.alpha*y) - float64(h.alpha*s) + float64((1-h.alpha)*e)
			s = float64(h.gamma*y) - float64(h.gamma*e) + float64((1-h.gamma)*s)
		}
		if h.mulTrend {
			growth = next / l
		} else {
			growth = next - l
		}
		b = float64(h.beta*growth) + float64((1-h.beta)*b)
		h.seasons[season] = s
		l = next
		season = (season + 1) % len(h.seasons)
	}
	if h.mulSeas {
		return h.expected(l, b) * h.seasons[season], nil
	}
	return h.expected(l, b) + h.seasons[season], nil
}

// expected is what level and trend lead to, one step on.
func (h *holtWinters) expected(level, trend float64) float64 {
	if h.mulTrend {
		return level * trend
	}
	return level + trend
}

// fillSeries puts the history in the order in which statsmodels gets it: stored counts from the newest to the oldest, because
// PruneHistory sorts them so before they are stored, and the present one appended.
func (h *holtWinters) fillSeries(history []Point) {
	h.ys = h.ys[:0]
	for _, p := range history {
		h.ys = append(h.ys, float64(p.Replicas))
	}
	if !h.Chronological {
		slices.Reverse(h.ys[:len(h.ys)-1])
	}
}

// Keep drops whole seasons, the oldest, once there are more than StoredSeasons (upstream holtwinters.PruneHistory): a season more
// than these fills up first.
func (h *holtWinters) Keep(n int) int {
	return n - max(n/h.SeasonalPeriods-h.StoredSeasons, 0)*h.SeasonalPeriods
}
