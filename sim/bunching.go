package sim

import "math"

// bunching is how much requests are held up at other services, [service], in units of what one takes on an idle system.
// Requests that a stall or a queue lets go at once call what is next at once, and return at once: fewer of a service's chunks
// then find its replica idle, and wake-ups are saved. A service's idle chunks are 1/(1 + c B) of what they would be, c
// fitted (serviceResponse.bunched).
type bunching struct {
	of      []float64
	delayed []float64 // [service] scratch: ms of delay per second
}

func newBunching(services int) bunching {
	return bunching{of: make([]float64, services), delayed: make([]float64, services)}
}

const (
	mostBunched   = 20   // more makes no difference that was ever measured
	bunchingMoves = 0.03 // of 1 + B: less is no reason to solve again
	bunchingSteps = 3    // solutions of a window at most
)

// update finds B from the services' delays and tells by how much some 1 + B changed, relative. bareMs is what the requests
// of a second take on an idle system.
func (b *bunching) update(load []serviceLoad, perf []servicePerf, bareMs float64) (moved float64) {
	total := 0.0
	for s := range load {
		l, p := &load[s], &perf[s]
		d := (l.cpuMs+l.wakeMs*p.idle)*(p.scale-p.lone) + l.visits*p.stallMs
		b.delayed[s] = d
		total += d
	}
	if !(bareMs > 0) {
		bareMs = math.Inf(1)
	}
	for s, d := range b.delayed {
		now := min(max(0, total-d)/bareMs, mostBunched)
		was := b.of[s]
		if change := math.Abs(now-was) / (1 + was); change > moved {
			moved = change
		}
		b.of[s] = now
	}
	return moved
}
