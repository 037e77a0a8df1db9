package sim

import (
	"math"
	"slices"
)

// RewardMeter computes [RewardTerms] from the states and demand curve of an interval: Reset at the start of a run,
// Tick after every engine step, Take at the end of each interval. It allocates nothing after NewRewardMeter.
type RewardMeter struct {
	app *App
	cfg RewardConfig

	offered, bad, latency float64 // requests, late or failed ones, requests × mean latency
	unused                float64
	sum                   rewardSums
	window                []float64 // [service] price-weighted allocation in the open window

	// Pods and need seldom change from one tick to the next: what one tick adds is kept, and the ticks are counted.
	run    float64     // ticks since the last change, not yet in sum and window
	seen   []podCounts // [service] what tick and alloc were computed for
	pods   uint64      // State.version of seen
	needed []int
	at     *int // where the demand curve was read, which does not change during a run
	tick   rewardSums
	alloc  []float64 // [service] price-weighted allocation in one tick

	prices   priceWeights
	stateful []replication
}

// rewardSums are the sums over ticks of [RewardTerms].
type rewardSums struct{ allocated, above, missing, wanted, needed, below float64 }

// podCounts is what the sums of one service depend on.
type podCounts struct {
	spec, ready, starting int
	request               float64
}

// NewRewardMeter makes a meter. cfg has passed Validate.
func NewRewardMeter(app *App, cfg RewardConfig) *RewardMeter {
	nS := len(app.Services)
	m := &RewardMeter{app: app, cfg: cfg, window: make([]float64, nS), seen: make([]podCounts, nS), needed: make([]int, nS),
		alloc: make([]float64, nS), prices: newPriceWeights(app)}
	for s := range app.Services {
		if app.Services[s].Stateful {
			m.stateful = append(m.stateful, replication{service: s, left: make([]float64, 0, app.Services[s].MaxReplicas)})
		}
	}
	return m
}

// Reset starts a run in state st: replicas that are ready then have their data.
func (m *RewardMeter) Reset(st *State) {
	m.clear()
	clear(m.window)
	m.run, m.pods = 0, 0
	m.at = nil
	m.needed[0] = math.MinInt // differs from any demand curve, so that the first tick counts as a change
	m.prices.reset()
	for i := range m.stateful {
		r := &m.stateful[i]
		r.left, r.ready = r.left[:0], st.Services[r.service].Ready
	}
}

func (m *RewardMeter) clear() {
	m.offered, m.bad, m.latency, m.unused, m.sum = 0, 0, 0, 0, rewardSums{}
}

// Tick adds one tick. needed is the demand curve at it, one number per service.
func (m *RewardMeter) Tick(st *State, needed []int) {
	if m.changed(st, needed) {
		m.flush()
		m.count(st)
	}
	m.run++
	for i := range m.stateful {
		if r := &m.stateful[i]; len(r.left) > 0 || r.ready != st.Services[r.service].Ready {
			m.sum.missing += r.tick(st, &m.cfg)
		}
	}
	if st.Window > 0 {
		m.flush()
		m.addWindow(st)
	}
}

// changed notes what the sums depend on and tells whether it differs from the last tick.
func (m *RewardMeter) changed(st *State, needed []int) bool {
	changed := false
	if m.at != &needed[0] {
		m.at = &needed[0]
		if !slices.Equal(needed, m.needed) {
			copy(m.needed, needed)
			changed = true
		}
	}
	if st.version != 0 && st.version == m.pods {
		return changed
	}
	m.pods = st.version
	changed = changed || !m.prices.equal // placement counts then, too
	for s := range m.seen {
		x, seen := &st.Services[s], &m.seen[s]
		if now := (podCounts{x.Spec, x.Ready, x.Starting, x.RequestMillis}); now != *seen {
			*seen, changed = now, true
		}
	}
	return changed
}

// count computes what one tick adds.
func (m *RewardMeter) count(st *State) {
	m.prices.update(st)
	m.tick = rewardSums{}
	for s := range m.seen {
		x, w := &m.seen[s], m.prices.of[s]
		a := w * x.request * float64(x.ready+x.starting)
		m.alloc[s] = a
		m.tick.allocated += a
		need := w * m.app.Services[s].CPURequestMillis * float64(m.needed[s])
		m.tick.needed += need
		m.tick.above += max(0, a-need)
		m.tick.below += max(0, need-w*x.request*float64(x.ready))
		m.tick.missing += float64(max(0, x.spec-x.ready))
		m.tick.wanted += float64(x.spec)
	}
}

// flush takes the counted ticks into the sums.
func (m *RewardMeter) flush() {
	if m.run == 0 {
		return
	}
	m.sum.allocated += m.run * m.tick.allocated
	m.sum.above += m.run * m.tick.above
	m.sum.needed += m.run * m.tick.needed
	m.sum.below += m.run * m.tick.below
	m.sum.missing += m.run * m.tick.missing
	m.sum.wanted += m.run * m.tick.wanted
	for s, a := range m.alloc {
		m.window[s] += m.run * a
	}
	m.run = 0
}

func (m *RewardMeter) addWindow(st *State) {
	ticks := float64(st.Window)
	for s := range m.window {
		m.unused += max(0, m.window[s]-m.prices.of[s]*st.Services[s].CPUUsedMillis*ticks)
		m.window[s] = 0
	}
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		m.offered += e.Offered
		m.bad += e.Late + e.Failed
		m.latency += e.Offered * e.MeanMs
	}
}

// MeanLatencyMs is the mean latency of the requests since the last Take.
func (m *RewardMeter) MeanLatencyMs() float64 { return ratio(m.latency, m.offered) }

// Bad is the number of requests late or failed since the last Take.
func (m *RewardMeter) Bad() float64 { return m.bad }

// Take returns the terms since the last Take and starts a new interval.
func (m *RewardMeter) Take() RewardTerms {
	m.flush()
	t := RewardTerms{
		SLOViolation: ratio(m.bad, max(m.bad, m.offered)),
		Slack:        unit(ratio(m.unused, m.sum.allocated)),
		Overshoot:    unit(ratio(m.sum.above, m.sum.allocated)),
		ReplicaLag:   unit(ratio(m.sum.missing, m.sum.wanted)),
		Undershoot:   unit(ratio(m.sum.below, m.sum.needed)),
	}
	m.clear()
	return t
}

// unit clamps to [0, 1].
func unit(x float64) float64 { return min(max(x, 0), 1) }

// replication follows the new replicas of a stateful service while they copy its data.
type replication struct {
	service int
	ready   int       // at the last tick
	left    []float64 // seconds that each copying replica still needs, oldest first
}

// tick moves on by one tick and returns what the copying replicas lack: min(1, lag / bound) each.
func (r *replication) tick(st *State, cfg *RewardConfig) float64 {
	s := &st.Services[r.service]
	for ; r.ready < s.Ready; r.ready++ {
		if len(r.left) < cap(r.left) {
			r.left = append(r.left, s.MemMiB/cfg.ReplicationMiBPerS)
		}
	}
	for ; r.ready > s.Ready; r.ready-- {
		// Scaling down ends the youngest first, and those are the ones that copy.
		if len(r.left) > 0 {
			r.left = r.left[:len(r.left)-1]
		}
	}
	lag, kept := 0.0, r.left[:0]
	for _, left := range r.left {
		lag += min(1, left/cfg.ReplicationLagBound.Seconds())
		if left -= Tick.Seconds(); left > 0 {
			kept = append(kept, left)
		}
	}
	r.left = kept
	return lag
}

// priceWeights are the prices of a core-hour by service: the mean over the nodes its pods are on.
type priceWeights struct {
	of    []float64
	first float64 // price of the first pool, for services without pods on nodes
	equal bool    // every node costs the same: no update is needed
}

func newPriceWeights(app *App) priceWeights {
	p := priceWeights{of: make([]float64, len(app.Services)), first: app.Pools[0].PricePerCoreHour, equal: true}
	for _, pool := range app.Pools {
		p.equal = p.equal && pool.PricePerCoreHour == p.first
	}
	p.reset()
	return p
}

func (p *priceWeights) reset() {
	for i := range p.of {
		p.of[i] = p.first
	}
}

// update takes the present placement; a service without pods on nodes keeps its weight.
func (p *priceWeights) update(st *State) {
	if p.equal {
		return
	}
	for i := range p.of {
		sum, pods := 0.0, 0
		for n, k := range st.Placed[i*len(st.Nodes) : (i+1)*len(st.Nodes)] {
			sum += float64(k) * st.Nodes[n].PricePerCoreHour
			pods += k
		}
		if pods > 0 {
			p.of[i] = sum / float64(pods)
		}
	}
}
