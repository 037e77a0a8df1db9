package benchmark

import (
	"math"
	"slices"
)

// Kappa is the price of a missing CPU-second in the CAF, in CPU-seconds bought.
const Kappa = 5.0

// supplyDemand integrates, tick by tick, what the services have against what they need. Supply s_i is the ready
// CPU of service i, demand d_i the demand curve, both in millicores; w_i is the price of a CPU-second where the
// service runs. All integrals are sums over ticks of 1 s.
type supplyDemand struct {
	ticks    float64
	services []serviceBalance
	lags     []float64 // seconds of the scaling-lag episodes that have ended
}

// serviceBalance holds the integrals of one service.
type serviceBalance struct {
	supply, demand, over, under float64 // ∫ w s, ∫ w d, ∫ w (s-d)⁺, ∫ w (d-s)⁺
	thetaU, thetaO              float64 // ∫ (d-s)⁺/d, ∫ (s-d)⁺/d
	tauU, tauO                  float64 // ∫ [d > s], ∫ [s > d]
	lag                         float64 // length so far of the open episode, 0 if none is open

	lastS, lastD         float64 // at the latest tick
	sampledS, sampledD   float64 // at the end of the previous control interval
	unstable, comparable float64 // seconds that moved apart, seconds compared
	sampled              bool
}

func newSupplyDemand(services int) supplyDemand {
	return supplyDemand{services: make([]serviceBalance, services)}
}

// balanceTick is what one tick adds to a service's integrals, over and under also without the weight.
type balanceTick struct {
	weightedS, weightedD        float64
	over, under                 float64
	weightedOver, weightedUnder float64
	thetaU, thetaO              float64
}

// newBalanceTick works one tick out. unit is the CPU request of one nominal replica: where nothing is needed
// (a service that may scale to zero), the shares of theta are of one replica rather than of nothing.
func newBalanceTick(supply, demand, weight, unit float64) balanceTick {
	over, under := math.Max(supply-demand, 0), math.Max(demand-supply, 0)
	t := balanceTick{weightedS: weight * supply, weightedD: weight * demand, over: over, under: under,
		weightedOver: weight * over, weightedUnder: weight * under}
	base := demand
	if base <= 0 {
		base = unit
	}
	if base > 0 {
		t.thetaU, t.thetaO = under/base, over/base
	}
	return t
}

// add adds n ticks of service i, one after the other.
func (b *supplyDemand) add(i int, t *balanceTick, n int) {
	v := &b.services[i]
	supply, demand, over, under, thetaO, thetaU := v.supply, v.demand, v.over, v.under, v.thetaO, v.thetaU
	for range n { // in the order of single ticks; what a tick lacks is 0
		supply += t.weightedS
		demand += t.weightedD
		over += t.weightedOver
		under += t.weightedUnder
		thetaO += t.thetaO
		thetaU += t.thetaU
	}
	v.supply, v.demand, v.over, v.under, v.thetaO, v.thetaU = supply, demand, over, under, thetaO, thetaU
	switch {
	case t.under > 0:
		v.tauU += float64(n)
		v.lag += float64(n)
	case t.over > 0:
		v.tauO += float64(n)
	}
	if t.under == 0 && v.lag > 0 {
		b.lags = append(b.lags, v.lag)
		v.lag = 0
	}
}

// last notes the supply and demand of the latest tick.
func (b *supplyDemand) last(i int, supply, demand float64) {
	b.services[i].lastS, b.services[i].lastD = supply, demand
}

// interval ends a control interval of the given seconds, the sampling step of the instability.
func (b *supplyDemand) interval(seconds float64) {
	for i := range b.services {
		v := &b.services[i]
		if v.sampled {
			v.comparable += seconds
			if sign(v.lastS-v.sampledS) != sign(v.lastD-v.sampledD) {
				v.unstable += seconds
			}
		}
		v.sampledS, v.sampledD, v.sampled = v.lastS, v.lastD, true
	}
}

// fill works the integrals out.
func (b *supplyDemand) fill(m *Metrics) {
	var sum serviceBalance
	n := float64(len(b.services))
	open := 0.0
	lags := slices.Clone(b.lags)
	for i := range b.services {
		v := &b.services[i]
		sum.supply += v.supply
		sum.demand += v.demand
		sum.over += v.over
		sum.under += v.under
		if b.ticks > 0 {
			m.ThetaU += v.thetaU / b.ticks / n
			m.ThetaO += v.thetaO / b.ticks / n
			m.TauU += v.tauU / b.ticks / n
			m.TauO += v.tauO / b.ticks / n
		}
		if v.comparable > 0 {
			m.Instability += v.unstable / v.comparable / n
		}
		if v.lag > 0 {
			lags = append(lags, v.lag)
			open++
		}
	}
	slices.Sort(lags)
	m.LagMeanS, m.LagP95S = Mean(lags), Quantile(lags, 0.95)
	m.LagCount, m.LagOpen = float64(len(lags)), open
	m.CAF, m.OverShare, m.UnderShare = math.NaN(), math.NaN(), math.NaN()
	if sum.demand > 0 {
		m.CAF = (sum.supply + Kappa*sum.under) / sum.demand
		m.OverShare = sum.over / sum.demand
		m.UnderShare = sum.under / sum.demand
	}
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	default:
		return 0
	}
}
