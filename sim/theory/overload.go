package theory

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
