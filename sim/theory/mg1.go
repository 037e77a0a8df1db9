package theory

import "math"

// Time holds the first two moments of a non-negative random time, which is all that the mean wait of M/G/1 asks for.
type Time struct {
	Mean   float64
	Second float64 // E[X^2]
}

// ExponentialTime has a second moment of twice the mean squared.
func ExponentialTime(mean float64) Time { return timeOf(mean, 1) }

// DeterministicTime is always the same.
func DeterministicTime(mean float64) Time { return timeOf(mean, 0) }

// GammaTime and LogNormalTime are given by their mean and coefficient of variation; so the first two moments do not tell
// them apart, nor does the mean wait.
func GammaTime(mean, cv float64) Time { return timeOf(mean, cv) }

// LogNormalTime: see [GammaTime].
func LogNormalTime(mean, cv float64) Time { return timeOf(mean, cv) }

func timeOf(mean, cv float64) Time { return Time{Mean: mean, Second: mean * mean * (1 + cv*cv)} }

// Plus is the sum of two independent times.
func (x Time) Plus(y Time) Time {
	return Time{Mean: x.Mean + y.Mean, Second: x.Second + 2*x.Mean*y.Mean + y.Second}
}

// Or is x with probability p, else y.
func (x Time) Or(p float64, y Time) Time {
	return Time{Mean: p*x.Mean + (1-p)*y.Mean, Second: p*x.Second + (1-p)*y.Second}
}

// Variance is E[X^2] - E[X]^2.
func (x Time) Variance() float64 { return x.Second - x.Mean*x.Mean }

// MG1 is the M/G/1 queue, first come first served: Poisson arrivals at rate Lambda, one server. Where First is set, it is
// the service of a customer that finds the server idle: service and set-up together for a server that must be set up.
type MG1 struct {
	Lambda  float64
	Service Time
	First   *Time
}

// Utilisation is the share of time that the server is busy (or being set up).
func (q MG1) Utilisation() float64 { return 1 - q.ProbIdle() }

// ProbIdle is the share of time that the server is idle, and of customers that find it so: p = 1 - λ(p E[S0] +
// (1-p) E[S]), so p = (1 - ρ)/(1 - ρ + λ E[S0]), S0 the first service of a busy period; without one, 1 - ρ.
func (q MG1) ProbIdle() float64 {
	rho := q.Lambda * q.Service.Mean
	if rho >= 1 {
		return 0
	}
	if q.First == nil {
		return 1 - rho
	}
	return (1 - rho) / (1 - rho + q.Lambda*q.First.Mean)
}

// MeanWait is the mean time in the queue (Pollaczek 1930, Khinchine 1932; with an exceptional first service Welch,
// "On a generalized M/G/1 queuing process in which the first customer of each busy period receives exceptional
// service", Operations Research 12, 1964):
//
//	E[W] = λ E[S^2]/(2(1 - ρ)) + λ (E[S0^2] - E[S^2])/(2(1 - ρ + λ E[S0])),   ρ = λ E[S]
func (q MG1) MeanWait() float64 {
	rho := q.Lambda * q.Service.Mean
	if !(rho < 1) {
		return math.Inf(1)
	}
	wait := q.Lambda * q.Service.Second / (2 * (1 - rho))
	if q.First != nil {
		wait += q.Lambda * (q.First.Second - q.Service.Second) / (2 * (1 - rho + q.Lambda*q.First.Mean))
	}
	return wait
}

// MeanService is the mean time in service over all customers.
func (q MG1) MeanService() float64 {
	if q.First == nil {
		return q.Service.Mean
	}
	return q.First.Or(q.ProbIdle(), q.Service).Mean
}

// MeanSojourn is the mean time in queue and service.
func (q MG1) MeanSojourn() float64 { return q.MeanWait() + q.MeanService() }

// MeanNumber is the mean number in queue and service.
func (q MG1) MeanNumber() float64 { return Little(q.Lambda, q.MeanSojourn()) }
