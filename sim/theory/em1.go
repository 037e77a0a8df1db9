package theory

import "math"

// EM1 is the E_k/M/1 queue: the times between arrivals are sums of Stages exponential times of rate StageRate, one
// exponential server of rate Mu, first come first served. Dealing a Poisson stream of rate StageRate in turn to
// Stages replicas gives each of them this queue.
type EM1 struct {
	StageRate float64
	Stages    int
	Mu        float64
}

// Utilisation is ρ = λ/μ with λ = StageRate/Stages.
func (q EM1) Utilisation() float64 { return q.StageRate / float64(q.Stages) / q.Mu }

// root is the share of customers that find the server busy: the root σ in (0, 1) of σ = A(μ(1 - σ)), A the Laplace
// transform of the time between arrivals, here (r/(r + s))^k. Iterating from 0 climbs to the smallest root.
func (q EM1) root() float64 {
	sigma := 0.0
	for range 1_000_000 {
		next := math.Pow(q.StageRate/(q.StageRate+q.Mu*(1-sigma)), float64(q.Stages))
		if next-sigma <= 1e-16 {
			return next
		}
		sigma = next
	}
	return sigma
}

// MeanSojourn is 1/(μ(1 - σ)): the sojourn is exponential (Kleinrock, Queueing Systems I, 1975, section 6.4, G/M/1).
func (q EM1) MeanSojourn() float64 {
	if !(q.Utilisation() < 1) {
		return math.Inf(1)
	}
	return 1 / (q.Mu * (1 - q.root()))
}

// SojournCDF is P(W + S <= t) = 1 - exp(-μ(1 - σ)t).
func (q EM1) SojournCDF(t float64) float64 {
	if t <= 0 || !(q.Utilisation() < 1) {
		return 0
	}
	return -math.Expm1(-t / q.MeanSojourn())
}

// SojournQuantile is the time within which share p of the customers leave.
func (q EM1) SojournQuantile(p float64) float64 { return -math.Log1p(-p) * q.MeanSojourn() }
