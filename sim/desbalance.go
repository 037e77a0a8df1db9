package sim

// connection leads to a replica, as long as it is the same pod.
type connection struct {
	replica int32
	gen     uint32
	open    bool
}

// clientConnections is how many connections the clients of the entry service hold where it balances by connection;
// each request takes one at random.
const clientConnections = 128

// choose picks the replica of service s for a call of visit parent, or a client's request (-1); -1 if none is ready.
// random is where the new visit's generator starts.
func (d *DES) choose(s, parent int32, random uint64) int32 {
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
		return st.ready[int(drawFor(random, forReplica)*float64(n))]
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
		return d.connected(s, parent, random)
	}
	st.turn++
	return st.ready[st.turn%n]
}

// connected follows the connection of the caller's replica, or of a client, and opens one if there is none: plain gRPC
// through a Service balances when it connects, and never again while the pod at the other end lives. It connects
// at random, as kube-proxy does.
func (d *DES) connected(s, parent int32, random uint64) int32 {
	var c *connection
	if parent >= 0 {
		c = &d.replicas[d.visits[parent].replica].pinned[s]
	} else {
		c = &d.clients[int(drawFor(random, forConnection)*clientConnections)]
	}
	if r := &d.replicas[max(c.replica, 0)]; !c.open || r.gen != c.gen || !r.balanced {
		ready := d.stats[s].ready
		c.replica = ready[int(drawFor(random, forReplica)*float64(len(ready)))]
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
	balanceQueue
)

var balancings = map[string]balancing{
	"round_robin": balanceRound, "least_outstanding": balanceLeast, "random": balanceRandom, "per_connection": balanceConnection,
	"shared_queue": balanceQueue,
}
