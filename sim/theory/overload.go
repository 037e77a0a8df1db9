package theory

import "math"

// Overload is a server of rate Mu that is offered Lambda, which may be more than it can serve.
type Overload struct {
	Lambda float64
	Mu     float64
}

// Growth is the rate at which a backlog grows while there is one, λ - μ: below 0 it drains.
func (o Overload) Growth() float64 { return o.Lambda - o.Mu }

// DrainTime is the mean time until a backlog is gone, backlog/(μ - λ): the fluid limit, and exact for the M/M/1
// queue with that many customers, whose busy period is the sum of as many independent ones of mean 1/(μ - λ).
func (o Overload) DrainTime(backlog float64) float64 { return backlog / (o.Mu - o.Lambda) }

// MeanNumberMM1 is the mean number of customers in an overloaded M/M/1 queue long after it started empty, (λ - μ)t
// + μ/(λ - μ). The second term makes up for the services missed while it was still empty now and then: it returns
// to being empty with probability μ/λ each time, so λ/(λ - μ) times in all, for 1/λ each.
func (o Overload) MeanNumberMM1(t float64) float64 {
	return o.Growth()*t + o.Mu/o.Growth()
}

// SharedOverload is an overloaded replica that serves all its visits at once, Mean of work each of gamma distribution with
// coefficient of variation CV (1 exponential, 0 deterministic).
type SharedOverload struct {
	Lambda float64
	Mean   float64
	CV     float64
}

// Growth is the rate at which the number of visits grows in the long run. They are partly done, so it is not what the work
// asks for: at rate a there are as many as a t at time t, and who came at s has received the integral of 1/(a u) from s to
// t, ln(t/s)/a. So a share E[exp(-a S)] of those that came is gone, and a is the positive root of a = λ (1 - E[exp(-a S)])
// (Jean-Marie and Robert, "On the transient behavior of the processor sharing queue", Queueing Systems 17, 1994). For
// exponential work it is λ - μ, as first come first served; more variable work leaves fewer.
func (o SharedOverload) Growth() float64 {
	lo, hi := 0.0, o.Lambda
	if o.Lambda*o.Mean <= 1 {
		return 0
	}
	// λ (1 - E[exp(-a S)]) is concave and starts at 0 with a slope above 1: below the root it is above a.
	for range 200 {
		a := lo + (hi-lo)/2
		if o.Lambda*(1-o.left(a)) > a {
			lo = a
		} else {
			hi = a
		}
	}
	return lo
}

// left is E[exp(-a S)].
func (o SharedOverload) left(a float64) float64 {
	if o.CV == 0 {
		return math.Exp(-a * o.Mean)
	}
	scv := o.CV * o.CV
	return math.Pow(1+a*o.Mean*scv, -1/scv)
}
