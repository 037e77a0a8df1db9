package sim

import "math"

// connection leads to a replica, as long as it is the same pod.
type connection struct {
	replica int32
	gen     uint32
	open    bool
}

// clientConnections is how many connections the clients of the entry service hold where it balances by connection;
// each request takes one at random.
const clientConnections = 128

// choose picks the replica of service s that visit v goes to; -1 if none is ready.
func (d *DES) choose(s int32, v *visit) int32 {
	st := &d.stats[s]
	n := uint32(len(st.ready))
	switch {
	case n == 0:
		return -1
	case n == 1:
		return st.ready[0]
	}
	switch st.balancing {
	case balanceRandom:
		root := &d.visits[v.root]
		root.random++
		return st.ready[int(unitOf(mix64(root.random))*float64(n))]
	case balanceLeast:
		// Ties go round in turn.
		st.turn++
		best := st.ready[st.turn%n]
		for k := uint32(1); k < n && d.replicas[best].inside > 0; k++ {
			if i := st.ready[(st.turn+k)%n]; d.replicas[i].inside < d.replicas[best].inside {
				best = i
			}
		}
		return best
	case balanceConnection:
		return d.connected(s, v)
	}
	st.turn++
	return st.ready[st.turn%n]
}

// connected follows the connection of the caller's replica, or of a client, and opens one if there is none: plain gRPC
// through a Service balances when it connects, and never again while the pod at the other end lives.
func (d *DES) connected(s int32, v *visit) int32 {
	var c *connection
	if v.parent >= 0 {
		c = &d.replicas[d.visits[v.parent].replica].pinned[s]
	} else {
		root := &d.visits[v.root]
		root.random++
		c = &d.clients[int(unitOf(mix64(root.random))*clientConnections)]
	}
	if r := &d.replicas[max(c.replica, 0)]; !c.open || r.gen != c.gen || r.phase != PodReady {
		ready := d.stats[s].ready
		c.replica = ready[d.balance.IntN(len(ready))]
		c.gen, c.open = d.replicas[c.replica].gen, true
	}
	return c.replica
}

type balancing uint8

const (
	balanceRound balancing = iota
	balanceLeast
	balanceRandom
	balanceConnection
)

var balancings = map[string]balancing{
	"round_robin": balanceRound, "least_outstanding": balanceLeast, "random": balanceRandom, "per_connection": balanceConnection,
}

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

// later carries out a retry after its back-off.
func (d *DES) later(s step) {
	var i uint32
	if n := len(d.freeRetries); n > 0 {
		i = d.freeRetries[n-1]
		d.freeRetries = d.freeRetries[:n-1]
		d.retries[i] = s
	} else {
		i = uint32(len(d.retries))
		d.retries = append(d.retries, s)
	}
	longest := math.Min(retryBackoffMs*(math.Exp2(float64(s.attempt))-1), maxRetryBackoffMs)
	d.timers.push(timer{d.now + d.balance.Float64()*longest, retryTimer, i})
}
