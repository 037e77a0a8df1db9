package trace

import "time"

// This file turns the seconds of replicas, and of the machine, of a recorded run into rows of services and nodes.

// serviceSum adds up the seconds of one service and interval, each weighted by its part inside.
type serviceSum struct {
	cpu, mem               float64 // millicore-seconds, MiB-seconds
	periods, throttled     float64
	started, done, errored float64
	latency                float64       // ms, summed over the done
	last                   time.Duration // end of the last second that ends in the interval
	replicas, ready        float64       // in that second
}

// sampling says which part of an interval was sampled.
type sampling struct {
	seconds float64
	last    time.Duration // end of the last second that ends in the interval; 0 = none does
}

// addServices fills the services table. It returns how many seconds of replicas had counters that cannot be of one second.
func (w *window) addServices(rec *Recording, seconds []rawSecond, requests []outcome, calls map[string][]outcome) (glitches int) {
	sums := map[string][]serviceSum{}
	sampled := make([]sampling, w.steps)
	known := map[time.Duration]bool{}
	for i := range seconds {
		s := &seconds[i]
		if sums[s.service] == nil {
			sums[s.service] = make([]serviceSum, w.steps)
		}
		to := s.end + w.shift
		from := to - time.Second
		glitch := s.periods > mostPeriods
		first, end := w.touched(from, to)
		for k := first; k < end; k++ {
			part := w.overlap(k, from, to)
			ends := to <= w.start(k+1)
			sums[s.service][k].add(s, part, glitch)
			if ends {
				sums[s.service][k].sample(s.state, to)
				sampled[k].last = max(sampled[k].last, to)
			}
			if !known[to] {
				sampled[k].seconds += part
			}
		}
		known[to] = true
		if glitch && first < end {
			glitches++
		}
	}
	for k := range w.steps {
		for _, name := range sortedKeys(sums) {
			row := sums[name][k].row(sampled[k])
			row.At, row.Service = w.start(k), name
			if calls[name] != nil {
				c := calls[name][k].row(w.interval)
				row.P50Ms, row.P95Ms, row.P99Ms = c.P50Ms, c.P95Ms, c.P99Ms
			}
			switch name {
			case "frontend": // its requests are those that the client measured
				r := requests[k].row(w.interval)
				row.P50Ms, row.P95Ms, row.P99Ms, row.MeanMs = r.P50Ms, r.P95Ms, r.P99Ms, r.MeanMs
			case "redis": // its calls were not counted
				row.RPS, row.ErrorRate = NoValue(), NoValue()
			}
			rec.Services = append(rec.Services, row)
		}
	}
	return glitches
}

// addNodes fills the nodes table: the machine, if it was watched.
func (w *window) addNodes(rec *Recording, system []rawSystem) {
	if len(system) == 0 {
		return
	}
	busy, sampled := make([]float64, w.steps), make([]float64, w.steps)
	for _, s := range system {
		to := s.end + w.shift
		first, end := w.touched(to-time.Second, to)
		for k := first; k < end; k++ {
			part := w.overlap(k, to-time.Second, to)
			busy[k] += part * s.busyCores
			sampled[k] += part
		}
	}
	for k := range w.steps {
		row := NodeRow{At: w.start(k), Node: machineNode, CPUMillis: machineMillis, MemMiB: machineMiB, CPUUsedMillis: NoValue(), MemUsedMiB: NoValue()}
		if sampled[k] > 0 {
			row.CPUUsedMillis = round(1000*busy[k]/sampled[k], 1)
		}
		rec.Nodes = append(rec.Nodes, row)
	}
}

// add adds a replica's second, of which part is in the interval.
func (s *serviceSum) add(r *rawSecond, part float64, glitch bool) {
	s.mem += part * r.memMiB
	s.started += part * r.started
	s.done += part * r.done
	s.errored += part * r.errored
	s.latency += part * r.done * r.meanMs
	if !glitch {
		s.cpu += part * r.cpuMillis
		s.periods += part * r.periods
		s.throttled += part * r.throttled
	}
}

// sample counts a replica by its state at the end of a second in the interval. Replicas that drain or are parked
// do not count.
func (s *serviceSum) sample(state string, at time.Duration) {
	if at < s.last {
		return
	}
	if at > s.last {
		s.last, s.replicas, s.ready = at, 0, 0
	}
	switch state {
	case "active":
		s.replicas++
		s.ready++
	case "starting":
		s.replicas++
	}
}

// row turns the sums into means over the time that was sampled.
func (s *serviceSum) row(sampled sampling) ServiceRow {
	no := NoValue()
	row := ServiceRow{Replicas: no, Ready: no, CPUMillis: no, MemMiB: no, RPS: no, P50Ms: no, P95Ms: no, P99Ms: no,
		ErrorRate: no, RxKbps: no, TxKbps: no, Throttled: no, MeanMs: no}
	if sampled.last > 0 {
		row.Replicas, row.Ready = 0, 0 // unless the last second shows some
		if s.last == sampled.last {
			row.Replicas, row.Ready = s.replicas, s.ready
		}
	}
	if sampled.seconds > 0 {
		row.CPUMillis = round(s.cpu/sampled.seconds, 2)
		row.MemMiB = round(s.mem/sampled.seconds, 2)
		row.RPS = round(s.started/sampled.seconds, 3)
	}
	if s.done > 0 {
		row.ErrorRate = round(s.errored/s.done, 6)
		row.MeanMs = round(s.latency/s.done, 3)
	}
	if s.periods > 0 {
		row.Throttled = round(s.throttled/s.periods, 4)
	}
	return row
}
