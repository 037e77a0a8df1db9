package theory

import "math"

// MMC is the M/M/c queue: Poisson arrivals at rate Lambda, Servers servers with exponential service at rate Mu each,
// first come first served, room for all.
type MMC struct {
	Lambda  float64
	Mu      float64
	Servers int
}

// MM1 is the M/M/1 queue.
func MM1(lambda, mu float64) MMC { return MMC{Lambda: lambda, Mu: mu, Servers: 1} }

// Utilisation is ρ = λ/(cμ), the share of time that a server is busy.
func (q MMC) Utilisation() float64 { return q.Lambda / (float64(q.Servers) * q.Mu) }

func (q MMC) stable() bool { return q.Utilisation() < 1 }

// spare is cμ - λ, at which a queue that has formed empties.
func (q MMC) spare() float64 { return float64(q.Servers)*q.Mu - q.Lambda }

// ErlangB is the share of customers that c servers without a waiting room turn away when offered a load of a erlangs:
// B(0) = 1, 1/B(k) = 1 + k/(a B(k-1)) (Erlang 1917, in the form that adds positive terms only).
func ErlangB(a float64, servers int) float64 {
	inverse := 1.0
	for k := 1; k <= servers; k++ {
		inverse = 1 + float64(k)/a*inverse
	}
	return 1 / inverse
}

// ProbWait is Erlang's C formula, the share of customers that find all servers busy: C = B/(1 - ρ(1 - B)).
func (q MMC) ProbWait() float64 {
	if !q.stable() {
		return 1
	}
	b := ErlangB(q.Lambda/q.Mu, q.Servers)
	return b / (1 - q.Utilisation()*(1-b))
}

// MeanWait is the mean time in the queue, C/(cμ - λ).
func (q MMC) MeanWait() float64 {
	if !q.stable() {
		return math.Inf(1)
	}
	return q.ProbWait() / q.spare()
}

// MeanSojourn is the mean time in queue and service.
func (q MMC) MeanSojourn() float64 { return q.MeanWait() + 1/q.Mu }

// MeanNumber is the mean number in queue and service.
func (q MMC) MeanNumber() float64 { return Little(q.Lambda, q.MeanSojourn()) }

// WaitCDF is P(W <= t) = 1 - C exp(-(cμ - λ)t), t >= 0 (Kleinrock, Queueing Systems I, 1975, section 3.5; the wait
// of those that wait is exponential).
func (q MMC) WaitCDF(t float64) float64 {
	if t < 0 || !q.stable() {
		return 0
	}
	return 1 - q.ProbWait()*math.Exp(-q.spare()*t)
}

// WaitQuantile is the time that share p of the customers wait at most.
func (q MMC) WaitQuantile(p float64) float64 {
	c := q.ProbWait()
	switch {
	case !q.stable():
		return math.Inf(1)
	case p <= 1-c:
		return 0
	}
	return math.Log(c/(1-p)) / q.spare()
}

// SojournCDF is P(W + S <= t). The wait of those that wait is exponential with rate θ = cμ - λ and independent of
// the service, so P(T > t) = exp(-μt) (1 + C μ (1 - exp(-dt))/d) with d = θ - μ, whose limit at d = 0 is exp(-μt)
// (1 + C μ t).
func (q MMC) SojournCDF(t float64) float64 {
	if t <= 0 || !q.stable() {
		return 0
	}
	d := q.spare() - q.Mu
	waited := t
	if d != 0 {
		waited = -math.Expm1(-d*t) / d
	}
	return 1 - math.Exp(-q.Mu*t)*(1-q.ProbWait()) - q.ProbWait()*math.Exp(-q.Mu*t)*(1+q.Mu*waited)
}

// SojournQuantile is the time within which share p of the customers leave.
func (q MMC) SojournQuantile(p float64) float64 {
	if !q.stable() {
		return math.Inf(1)
	}
	return quantile(q.SojournCDF, p, q.MeanSojourn())
}
