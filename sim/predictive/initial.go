package predictive

import "math"

// heuristicObservations is the number of values to which the first level and trend are fitted.
const heuristicObservations = 10

// start fills h.seasons with the first values of the seasons and returns the first level and trend.
func (h *holtWinters) start() (level, trend float64) {
	switch h.InitializationMethod {
	case Known:
		for j := range h.seasons {
			h.seasons[j] = *h.InitialSeasonal
		}
		return *h.InitialLevel, *h.InitialTrend
	case LegacyHeuristic:
		return h.startLegacy()
	}
	return h.startHeuristic()
}

// startLegacy is statsmodels' ExponentialSmoothing.initial_values: the level is the mean of the first season's value over all
// cycles, the trend the mean change from the first cycle to the second, the seasons are the first cycle against the level.
func (h *holtWinters) startLegacy() (level, trend float64) {
	m, n := len(h.seasons), 0
	for i := 0; i < len(h.ys); i += m {
		level += h.ys[i]
		n++
	}
	level /= float64(n)
	first, second := mean(h.ys[:m]), mean(h.ys[m:2*m])
	trend = (second - first) / float64(m)
	if h.mulTrend {
		trend = math.Exp((math.Log(second) - math.Log(first)) / float64(m))
	}
	for j := range h.seasons {
		h.seasons[j] = h.against(h.ys[j], level)
	}
	return level, trend
}

// startHeuristic is statsmodels' _initialization_heuristic (after Hyndman et al., Forecasting with Exponential Smoothing, section
// 2.6): a centred moving average over one season takes the seasons out of the first cycles; what is left of each season,
// averaged over the cycles and normalised, are the seasons; a line through the first ten values of the moving average, at
// 1, 2, ..., 10, gives the level at 0 and the trend.
func (h *holtWinters) startHeuristic() (level, trend float64) {
	m, n := len(h.seasons), len(h.ys)
	need := heuristicObservations + 2*(m/2)
	cycles := max(min(5, n/m), (need+m-1)/m)
	ys := h.ys[:min(n, cycles*m)]
	h.movingAverage(ys)
	for j := range h.seasons {
		h.seasons[j], h.filled[j] = 0, 0
	}
	for i, average := range h.trend {
		j := (i + m/2) % m
		h.seasons[j] += h.against(ys[i+m/2], average)
		h.filled[j]++
	}
	for j := range h.seasons {
		h.seasons[j] /= float64(h.filled[j])
	}
	norm := mean(h.seasons)
	for j := range h.seasons {
		h.seasons[j] = h.against(h.seasons[j], norm)
	}
	level, slope := lineOfTen(h.trend[:heuristicObservations])
	if h.mulTrend {
		return level, 1 + slope/level
	}
	return level, slope
}

// against takes a base out of a value, in the way that seasons go in.
func (h *holtWinters) against(value, base float64) float64 {
	if h.mulSeas {
		return value / base
	}
	return value - base
}

// movingAverage fills h.trend with the centred moving average of ys over one season of m values. Element i belongs to
// ys[i+m/2]. For an even m it is the mean of the two windows that lie half a step to either side.
func (h *holtWinters) movingAverage(ys []float64) {
	m := len(h.seasons)
	half, sum := m/2, 0.0
	for _, y := range ys[:2*half] {
		sum += y
	}
	h.trend = h.trend[:0]
	for i := half; i < len(ys)-half; i++ {
		sum += ys[i+half] // of ys[i-half] to ys[i+half]; counts are whole numbers, so that this stays exact
		average := sum
		if m%2 == 0 {
			average -= (ys[i-half] + ys[i+half]) / 2
		}
		h.trend = append(h.trend, average/float64(m))
		sum -= ys[i-half]
	}
}

// lineOfTen fits a line to ten values at 1, 2, ..., 10 by least squares and returns its value at 0 and its slope. The mean of these
// places is 5.5, the sum of their squared distances from it 82.5.
func lineOfTen(ys []float64) (level, slope float64) {
	for i, y := range ys {
		slope += float64((float64(i+1) - 5.5) * y)
	}
	slope /= 82.5
	return mean(ys) - float64(5.5*slope), slope
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}
