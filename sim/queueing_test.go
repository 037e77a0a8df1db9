package sim

import (
	"math"
	"testing"
)

func TestPowerTable(t *testing.T) {
	for u := 0.001; u <= 1; u += 0.00037 {
		for _, k := range []float64{0.5, 2.5, 3.1, 4.9, 8, 26} {
			want := math.Pow(u, k)
			if got := powers.of(u, k); math.Abs(got-want) > 2e-3 {
				t.Fatalf("%v^%v = %v, want %v", u, k, got, want)
			}
		}
	}
	if got := powers.of(1, 5); got != 1 {
		t.Errorf("1^5 = %v", got)
	}
}

// What is used is the floor and the wake-ups that are paid, never more than there is; more load leaves fewer idle.
func TestUtilisation(t *testing.T) {
	for _, core := range []float64{0.05, 0.2, 1} {
		for _, k := range []float64{0.7, 3, 16} {
			for _, wake := range []float64{0, 0.1, 1, 3} { // times the floor
				before := 1.0
				for floor := 0.001; floor < 1.2; floor += 0.013 {
					u, idle, _ := utilisation(floor, wake*floor, core, k, 1)
					if floor >= 1 {
						if u != 1 || idle != 0 {
							t.Fatalf("overloaded: utilisation %v, idle %v", u, idle)
						}
						continue
					}
					if math.Abs(u-floor-wake*floor*idle) > 1e-12 || u > 1 || idle > before {
						t.Fatalf("floor %v, wake %v, core %v, k %v: u %v, idle %v after %v", floor, wake, core, k, u, idle, before)
					}
					before = idle
				}
			}
		}
	}
	// By hand: half the cores at a floor of 0.5, 1 - 0.5^2 of the rest.
	if u, idle, _ := utilisation(0.5, 0.2, 0.5, 2, 1); math.Abs(idle-0.75*0.75) > 1e-3 || math.Abs(u-0.5-0.2*idle) > 1e-12 {
		t.Errorf("u %v, idle %v", u, idle)
	}
}

// Without a quota that binds and without wake-ups a visit takes S/(1-rho), as in M/G/1-PS, on two cores S/(1-rho^2), the
// mean of M/M/2.
func TestUnthrottledVisitIsProcessorSharing(t *testing.T) {
	x := neutralResponse(onlineBoutique(t)).services[0]
	for _, rho := range []float64{0.1, 0.5, 0.9} {
		for k, want := range map[float64]float64{1: 4 / (1 - rho), 2: 4 / (1 - rho*rho)} {
			c := serviceCapacity{replicas: 1, cores: k, quotaMillis: 1e6, speed: 1, cold: 1, share: 1, stretch: 1, perBatch: 1, sheet: new(stallSheet)}
			op := Operation{CPUMs: 4, CV: 1}
			var p servicePerf
			p.solve(serviceLoad{visits: 250 * rho * k, cpuMs: 1000 * rho * k}, &c, &x, 0)
			if got := visitTime(&op, 1, &p).mean; math.Abs(got/want-1) > 1e-9 {
				t.Errorf("rho %v on %v cores: a visit takes %v ms, want %v", rho, k, got, want)
			}
		}
	}
}

// Exponential work leaves rho - 1 partly done requests for each one's worth of capacity and time, as in order of arrival.
// Deterministic work leaves the root of a = rho (1 - e^-a): at rho = 1.5 it is 0.8742, by bisection.
func TestCrowdGrowth(t *testing.T) {
	for _, rho := range []float64{1.05, 1.5, 3} {
		if got := crowdGrowth(rho, 1); math.Abs(got-1) > 1e-9 {
			t.Errorf("exponential work at %v: %v, want 1", rho, got)
		}
	}
	if got := crowdGrowth(1.5, 0) * 0.5; math.Abs(got-0.8742) > 0.015 { // taken to vary a little
		t.Errorf("nearly deterministic work: a = %v, want about 0.8742", got)
	}
}
