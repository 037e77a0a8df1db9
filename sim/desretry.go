package sim

import "math"

// retryBudget bounds retries to a share of the calls made anew. Both counts fade with a time constant of 10 s, the
// window of Finagle's and Linkerd's retry budgets.
type retryBudget struct {
	at, calls, retries float64
}

const retryBudgetMs = 10_000

func (b *retryBudget) fade(now float64) {
	if now > b.at {
		f := math.Exp((b.at - now) / retryBudgetMs)
		b.calls *= f
		b.retries *= f
		b.at = now
	}
}

func (b *retryBudget) fresh(now float64) {
	b.fade(now)
	b.calls++
}

// take asks for one retry.
func (b *retryBudget) take(now, share float64) bool {
	b.fade(now)
	if b.retries+1 > share*b.calls {
		return false
	}
	b.retries++
	return true
}

// Retries wait a random time before they go, up to 25 ms for the first and twice that and 25 ms more for each further
// one, at most 250 ms: Envoy's default, documented for the router filter's x-envoy-max-retries.
const (
	retryBackoffMs    = 25
	maxRetryBackoffMs = 250
)

// later carries out a retry, of a call or a request to service, after its back-off. It refuses one (false) where so many
// wait already that memory must be bounded.
func (d *DES) later(s step, service int32) bool {
	if len(d.retries)-len(d.freeRetries) >= d.maxInside {
		d.stats[service].overflow++
		return false
	}
	var i uint32
	if n := len(d.freeRetries); n > 0 {
		i = d.freeRetries[n-1]
		d.freeRetries = d.freeRetries[:n-1]
	} else {
		i = uint32(len(d.retries))
		d.retries = append(d.retries, step{})
	}
	longest := math.Min(retryBackoffMs*(math.Exp2(float64(s.attempt))-1), maxRetryBackoffMs)
	d.timers.push(timer{d.now + drawFor(s.random, forBackoff)*longest, retryTimer, i})
	s.random = retryRandom(s.random)
	d.retries[i] = s
	return true
}
