package theory

import "testing"

// Two kinds of visits with different exponential needs share the cores, each running at min(1, cores/n): balance
// equations over (n1, n2). The total must be that of M/M/c at the mean need, and each kind's mean time proportional
// to its need.
func TestProcessorSharingAgainstBalanceEquations(t *testing.T) {
	const room = 90
	for _, tc := range []struct {
		cores        int
		lambda, mean [2]float64
	}{
		{1, [2]float64{0.4, 0.05}, [2]float64{0.5, 6}},
		{1, [2]float64{0.3, 0.3}, [2]float64{1, 1}},
		{2, [2]float64{0.8, 0.1}, [2]float64{0.5, 8}},
		{3, [2]float64{1, 0.5}, [2]float64{1, 2}},
	} {
		p := chain{room * room, func(s int, add func(int, float64)) {
			n := [2]int{s / room, s % room}
			step := [2]int{room, 1}
			speed := 1.0
			if all := n[0] + n[1]; all > tc.cores {
				speed = float64(tc.cores) / float64(all)
			}
			for k := range 2 {
				if n[k]+1 < room {
					add(s+step[k], tc.lambda[k])
				}
				if n[k] > 0 {
					add(s-step[k], float64(n[k])*speed/tc.mean[k])
				}
			}
		}}.stationary(t)
		lambda := tc.lambda[0] + tc.lambda[1]
		q := PS{Lambda: lambda, Mean: (tc.lambda[0]*tc.mean[0] + tc.lambda[1]*tc.mean[1]) / lambda, Cores: tc.cores}
		near(t, "number", q.MeanNumber(), mean(p, func(s int) float64 { return float64(s/room + s%room) }), 1e-6)
		near(t, "time of the first kind", q.MeanSojournOf(tc.mean[0]), mean(p, func(s int) float64 { return float64(s / room) })/tc.lambda[0], 1e-6)
		near(t, "time of the second kind", q.MeanSojournOf(tc.mean[1]), mean(p, func(s int) float64 { return float64(s % room) })/tc.lambda[1], 1e-6)
	}
	near(t, "one core", PS{0.6, 1, 1}.MeanSojournOf(3), 3/(1-0.6), 1e-14)
	near(t, "utilisation", PS{0.6, 2, 4}.Utilisation(), 0.3, 1e-15)
}

func TestLossAgainstBalanceEquations(t *testing.T) {
	for _, q := range []MMCK{{0.8, 1, 1, 4}, {2, 1, 1, 3}, {1, 1, 1, 5}, {3, 1, 2, 6}, {2.5, 1, 3, 3}, {5, 1.3, 4, 10}} {
		p := chain{q.Room + 1, func(s int, add func(int, float64)) {
			if s < q.Room {
				add(s+1, q.Lambda)
			}
			if s > 0 {
				add(s-1, float64(min(s, q.Servers))*q.Mu)
			}
		}}.stationary(t)
		near(t, "loss", q.Loss(), p[q.Room], 1e-12)
		number := mean(p, func(s int) float64 { return float64(s) })
		near(t, "number", q.MeanNumber(), number, 1e-12)
		near(t, "sojourn", q.MeanSojourn(), number/(q.Lambda*(1-p[q.Room])), 1e-12)
		// The distribution comes another way than by Little's law; their means must agree.
		near(t, "mean of the distribution", integral(func(x float64) float64 { return 1 - q.SojournCDF(x) }, 0, 60, 60), q.MeanSojourn(), 1e-9)
		near(t, "P(T <= its quantile)", q.SojournCDF(q.SojournQuantile(0.9)), 0.9, 1e-12)
	}
	near(t, "room for those in service alone is Erlang's B", MMCK{10, 1, 10, 10}.Loss(), 0.21458, 5e-6)
	near(t, "one server, ρ = 1", MMCK{1, 1, 1, 4}.Loss(), 0.2, 1e-15)
	// Much room is M/M/c.
	near(t, "much room", MMCK{1.4, 1, 2, 500}.MeanSojourn(), MMC{1.4, 1, 2}.MeanSojourn(), 1e-12)
	near(t, "much room, distribution", MMCK{1.4, 1, 2, 120}.SojournCDF(2), MMC{1.4, 1, 2}.SojournCDF(2), 1e-9)
}
