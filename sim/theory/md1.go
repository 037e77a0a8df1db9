package theory

import "math"

// MD1 is the M/D/1 queue: Poisson arrivals at rate Lambda, one server, every service takes Service.
type MD1 struct {
	Lambda  float64
	Service float64
}

// Utilisation is ρ = λD.
func (q MD1) Utilisation() float64 { return q.Lambda * q.Service }

// MeanWait is ρD/(2(1 - ρ)).
func (q MD1) MeanWait() float64 {
	return MG1{Lambda: q.Lambda, Service: DeterministicTime(q.Service)}.MeanWait()
}

// MeanSojourn is the mean time in queue and service.
func (q MD1) MeanSojourn() float64 { return q.MeanWait() + q.Service }

// numbers returns P(N = n) for n = 0..upTo, N the number in the system. Customers that leave n behind are as many as
// those that find n (level crossings): with a(k) = P(k arrivals during a service) and tails b(k) = P(more than k),
// p(n) a(0) = p(0) b(n-1) + sum over i = 1..n-1 of p(i) b(n-i). All terms are positive, so nothing cancels.
func (q MD1) numbers(upTo int) []float64 {
	rho := q.Utilisation()
	tails := poissonTails(rho, upTo+1)
	p := make([]float64, upTo+1)
	p[0] = 1 - rho
	for n := 1; n <= upTo; n++ {
		sum := p[0] * tails[n-1]
		for i := 1; i < n; i++ {
			sum += p[i] * tails[n-i]
		}
		p[n] = sum / math.Exp(-rho)
	}
	return p
}

// poissonTails returns P(A > k) for k = 0..n-1 of a Poisson count with the given mean, summed from the far end.
func poissonTails(mean float64, n int) []float64 {
	far := n + int(mean+20*math.Sqrt(mean)) + 60
	term := make([]float64, far+1)
	term[0] = math.Exp(-mean)
	for k := 1; k <= far; k++ {
		term[k] = term[k-1] * mean / float64(k)
	}
	tails, sum := make([]float64, n), 0.0
	for k := far; k >= 1; k-- {
		sum += term[k]
		if k <= n {
			tails[k-1] = sum
		}
	}
	return tails
}

// WaitCDF is P(W <= t). With (k-1)D <= t < kD and u = kD - t, a customer that arrives now starts within t exactly
// if those that queued u ago and those that have arrived since number at most k-1:
//
//	P(W <= t) = sum over j = 0..k-1 of Q(k-1-j) exp(-λu) (λu)^j/j!,   Q(m) = P(at most m in the queue)
//
// (Franx, "A simple solution for the M/D/c waiting time distribution", Operations Research Letters 29, 2001). Unlike
// Erlang's alternating sum it stays exact for long waits.
func (q MD1) WaitCDF(t float64) float64 {
	if t < 0 || !(q.Utilisation() < 1) {
		return 0
	}
	k := int(t/q.Service) + 1
	u := float64(k)*q.Service - t
	queued := q.numbers(k)
	queued[0] += queued[1] // in the queue are all but one; now queued[m] is P(m in the queue) after a shift
	copy(queued[1:], queued[2:])
	for m := 1; m < k; m++ {
		queued[m] += queued[m-1]
	}
	sum, weight := 0.0, math.Exp(-q.Lambda*u)
	for j := range k {
		sum += queued[k-1-j] * weight
		weight *= q.Lambda * u / float64(j+1)
	}
	return sum
}

// WaitQuantile is the time that share p of the customers wait at most.
func (q MD1) WaitQuantile(p float64) float64 {
	if !(q.Utilisation() < 1) {
		return math.Inf(1)
	}
	return quantile(q.WaitCDF, p, q.Service)
}

// SojournCDF is P(W + D <= t).
func (q MD1) SojournCDF(t float64) float64 { return q.WaitCDF(t - q.Service) }

// SojournQuantile is the time within which share p of the customers leave.
func (q MD1) SojournQuantile(p float64) float64 { return q.WaitQuantile(p) + q.Service }
