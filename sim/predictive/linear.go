package predictive

import "time"

var _ Model = (*Linear)(nil)

// Predict fits replicas = a + b * time by least squares and returns its value at now + LookAhead
// (upstream algorithms/linear_regression/linear_regression.py, which hands the same points to statsmodels' OLS):
//
//	b = sum (t_i - mean t) (y_i - mean y) / sum (t_i - mean t)^2
//	value = mean y + b (at + LookAhead - mean t)
//
// One point is its own prediction (upstream linear.GetPrediction).
func (l *Linear) Predict(at time.Duration, history []Point) (float64, error) {
	if len(history) == 0 {
		return 0, ErrNoHistory
	}
	if len(history) == 1 {
		return float64(history[0].Replicas), nil
	}
	// Times count from the oldest point: they are small whole numbers then, and their sums exact.
	origin, n := history[0].At, float64(len(history))
	sumT, sumY := 0.0, 0.0
	for _, p := range history {
		sumT += (p.At - origin).Seconds()
		sumY += float64(p.Replicas)
	}
	meanT, meanY := sumT/n, sumY/n
	tt, ty := 0.0, 0.0
	for _, p := range history {
		t := (p.At - origin).Seconds() - meanT
		tt += float64(t * t)
		ty += float64(t * (float64(p.Replicas) - meanY))
	}
	if history[len(history)-1].At == origin {
		// All times are the same: add_constant takes such a column for the constant and adds none, and predict fails.
		return 0, ErrSameTime
	}
	return meanY + float64(ty/tt*((at+l.LookAhead-origin).Seconds()-meanT)), nil
}

// Keep stores the newest HistorySize counts (upstream linear.PruneHistory).
func (l *Linear) Keep(n int) int { return min(n, l.HistorySize) }
