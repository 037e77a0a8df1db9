package sim

import "math"

// maxSpared is the largest number of replicas for which spared wake-ups are worked out; more spare as little.
const maxSpared = 64

// compileSleep finds which share of its wake-up cost a service's work is spared at low load, because it comes before the
// replica sleeps (Service.SleepMs): spared[service][replicas-1], nothing for services without SleepMs.
//
// Two kinds of work come soon after other work. A visit goes on when a call is answered: its replica then was idle for the
// time of that call. And calls come in trains: a caller makes the next one after a chunk of its own work, and with n
// replicas in turn the same one is called again after n calls. What comes otherwise comes late.
func (a *App) compileSleep() {
	g := &a.graph
	g.spared = make([][]float64, len(a.Services))
	var alone []float64
	for s := range a.Services {
		if a.Services[s].SleepMs <= 0 {
			continue
		}
		if alone == nil {
			alone = a.aloneMs()
		}
		for n := range min(a.Services[s].MaxReplicas, maxSpared) {
			g.spared[s] = append(g.spared[s], a.sparedShare(s, float64(n+1), alone))
		}
	}
}

// aloneMs is the time of a visit of each operation without load, calls included, and wake-ups paid in full.
func (a *App) aloneMs() []float64 {
	alone := make([]float64, len(a.Ops))
	for i := len(a.graph.opOrder) - 1; i >= 0; i-- { // callees first
		o := a.graph.opOrder[i]
		alone[o] = a.Ops[o].CPUMs + a.Ops[o].WakeMs + a.Ops[o].WaitMs
		longest := 0.0
		for _, c := range a.Ops[o].Calls {
			if a.Ops[o].Parallel {
				longest = max(longest, alone[c.Op])
			} else {
				alone[o] += c.Mean * alone[c.Op]
			}
		}
		alone[o] += longest
	}
	return alone
}

// chunksOf is the mean number of chunks that a visit's work is cut into.
func (op *Operation) chunksOf() float64 {
	if len(op.Calls) == 0 {
		return 1
	}
	if op.Parallel {
		return 2
	}
	chunks := 1.0
	for _, c := range op.Calls {
		chunks += c.Mean
	}
	return chunks
}

// sparedShare is the mean over a service's operations, weighted by the wake-up cost that the default mix makes.
func (a *App) sparedShare(s int, replicas float64, alone []float64) float64 {
	weight := make([]float64, len(a.Ops)) // visits of each operation per request of the mix
	for e := range a.Endpoints {
		for o := range a.Ops {
			weight[o] += a.Endpoints[e].Weight * a.graph.visits[e*len(a.Ops)+o]
		}
	}
	sleep := a.Services[s].SleepMs
	spared, total := 0.0, 0.0
	for _, o := range a.graph.opsOf[s] {
		op := &a.Ops[o]
		share := a.sparedInTrain(o, replicas, weight, alone, sleep)
		for _, c := range op.Calls {
			n := c.Mean
			if op.Parallel {
				n = 1 / float64(len(op.Calls)) // one chunk after all of them
			}
			share += n * math.Exp(-alone[c.Op]/sleep)
		}
		spared += weight[o] * op.WakeMs * share / op.chunksOf()
		total += weight[o] * op.WakeMs
	}
	return ratio(spared, total)
}

// sparedInTrain is what the first chunk of a visit of o is spared, on average over the operations that call it in sequence:
// of k calls in a row k - replicas are not the first of their train at their replica.
func (a *App) sparedInTrain(o int, replicas float64, weight, alone []float64, sleep float64) float64 {
	spared, total := 0.0, 0.0
	for p := range a.Ops {
		caller := &a.Ops[p]
		for _, c := range caller.Calls {
			if c.Op != o {
				continue
			}
			n := weight[p] * c.Mean
			total += n
			if caller.Parallel || c.Mean <= replicas {
				continue
			}
			chunk := (caller.CPUMs + caller.WakeMs) / caller.chunksOf()
			gap := replicas*(chunk+alone[o]) - alone[o]
			spared += n * (1 - replicas/c.Mean) * math.Exp(-gap/sleep)
		}
	}
	return ratio(spared, max(total, weight[o])) // clients' visits are in no train
}
