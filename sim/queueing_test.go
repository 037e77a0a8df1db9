package sim

import (
	"math"
	"testing"
)

func TestPowerTable(t *testing.T) {
	for u := 0.05; u <= 1; u += 0.00037 {
		for _, k := range []float64{2.5, 3.1, 4.9, 8, 26} {
			if k*(1-u) > negligibleExponent {
				continue
			}
			want := math.Pow(u, k)
			if got := powers.of(u, k); math.Abs(got-want) > 2e-4*want+1e-9 {
				t.Fatalf("%v^%v = %v, want %v", u, k, got, want)
			}
		}
	}
	if got := powers.of(1, 5); got != 1 {
		t.Errorf("1^5 = %v", got)
	}
}

// The utilisation solves u = lambda c(u) / capacity with c(u) = c_min + w (1 - u^6).
func TestUtilisationIsAFixedPoint(t *testing.T) {
	c := serviceCapacity{replicas: 3, quotaMillis: 200, baseMillis: 10, speed: 1, cold: 1, share: 1, burst: 1}
	capacity := 3 * 190.0
	for rps := 1.0; rps < 250; rps += 1.7 {
		l := serviceLoad{visits: rps, cpuMs: 2.1 * rps, wakeMs: 1.8 * rps}
		var p servicePerf
		p.solve(l, &c)
		want := min(1, (l.cpuMs+l.wakeMs*(1-math.Pow(p.util, 6)))/capacity)
		if math.Abs(p.util-want) > 1e-9 && l.cpuMs < capacity {
			t.Errorf("%v visits/s: utilisation %v, the equation gives %v", rps, p.util, want)
		}
		if math.Abs(p.overload-l.cpuMs/capacity) > 1e-12 {
			t.Errorf("%v visits/s: overload %v, want %v", rps, p.overload, l.cpuMs/capacity)
		}
	}
}

// Without a binding quota and without waking costs a visit takes S/(1-rho), as in M/G/1-PS.
func TestUnthrottledVisitIsProcessorSharing(t *testing.T) {
	c := serviceCapacity{replicas: 1, quotaMillis: 1e6, speed: 1, cold: 1, share: 1, burst: 1}
	op := Operation{CPUMs: 4, CV: 1}
	for _, rho := range []float64{0.1, 0.5, 0.9} {
		var p servicePerf
		p.solve(serviceLoad{visits: 250 * rho, cpuMs: 1000 * rho}, &c)
		if got, want := visitMoments(&op, &p).mean, 4/(1-rho); math.Abs(got/want-1) > 1e-9 {
			t.Errorf("rho %v: a visit takes %v ms, want %v", rho, got, want)
		}
	}
}
