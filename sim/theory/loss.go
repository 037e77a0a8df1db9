package theory

// MMCK is the M/M/c/K queue: [MMC] with room for Room customers, those in service included. Who finds it full is
// turned away.
//
// The number of customers, and so losses and means, are the same where the Servers cores are shared by all
// customers at once (see [PS]), and then for every distribution of the service; with Room = Servers (Erlang's loss
// system) they are so in either case.
type MMCK struct {
	Lambda  float64
	Mu      float64
	Servers int
	Room    int
}

// Numbers returns P(N = n) for n = 0..Room: p(n) = p(n-1) λ/(min(n, c) μ), normalised.
func (q MMCK) Numbers() []float64 {
	p := make([]float64, q.Room+1)
	p[0] = 1
	sum := 1.0
	for n := 1; n <= q.Room; n++ {
		p[n] = p[n-1] * q.Lambda / (float64(min(n, q.Servers)) * q.Mu)
		sum += p[n]
	}
	for n := range p {
		p[n] /= sum
	}
	return p
}

// Loss is the share of customers that are turned away: Poisson arrivals see time averages.
func (q MMCK) Loss() float64 { return q.Numbers()[q.Room] }

// Throughput is the rate of customers served.
func (q MMCK) Throughput() float64 { return q.Lambda * (1 - q.Loss()) }

// MeanNumber is the mean number in queue and service.
func (q MMCK) MeanNumber() float64 {
	mean := 0.0
	for n, p := range q.Numbers() {
		mean += float64(n) * p
	}
	return mean
}

// MeanSojourn is the mean time in queue and service of those let in, by Little's law.
func (q MMCK) MeanSojourn() float64 { return q.MeanNumber() / q.Throughput() }

// SojournCDF is P(W + S <= t) of those let in, first come first served: who finds n waits for n-c+1 departures at
// rate cμ.
func (q MMCK) SojournCDF(t float64) float64 {
	if t <= 0 {
		return 0
	}
	p, cdf := q.Numbers(), 0.0
	for n := range q.Room {
		rates := []float64{q.Mu}
		for range n - q.Servers + 1 {
			rates = append(rates, float64(q.Servers)*q.Mu)
		}
		cdf += p[n] * Hypoexponential(rates).CDF(t)
	}
	return cdf / (1 - p[q.Room])
}

// SojournQuantile is the time within which share p of those let in leave.
func (q MMCK) SojournQuantile(p float64) float64 {
	return quantile(q.SojournCDF, p, q.MeanSojourn())
}
