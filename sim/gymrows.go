package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// This file is gym-hpa's own simulation (simulation_update of its environments): no cluster runs, and what a step shows is a recorded row,
// drawn among those that have as many replicas as the agent chose. Of the rows only usage, traffic and latency count.
//
// Upstream narrows the rows for one service after the other and keeps the last answer alone, so it is the last service (email;
// redis' follower) whose replicas and last change a row must share. That is kept, for what is learnt there depends on it.

// GymRows are recorded rows for one application, prepared for drawing. Environments share them.
type GymRows struct {
	print string                 // names the numbers
	rows  [][]trace.GymSample    // [row][service of the task]
	like  [gymMaxPods + 1][]rows // [replicas][change + gymMaxMove] of the last service: rows to draw from
}

// rows are places in GymRows.rows.
type rows []int

// NewGymRows takes from a table the services of an application that gym_hpa is about. Those of the table in all are needed.
func NewGymRows(app *App, table *trace.GymTable) (*GymRows, error) {
	g := &GymRows{}
	var from []int
	var missing []string
	for _, s := range gymServices(app) {
		i := slices.Index(table.Services, app.Services[s].Name)
		if i < 0 {
			missing = append(missing, app.Services[s].Name)
		}
		from = append(from, i)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: no columns of %s, which %s has; it has those of %s", table.File, strings.Join(missing, ", "), app.Name, strings.Join(table.Services, ", "))
	}
	if len(table.Rows) == 0 {
		return nil, fmt.Errorf("%s: no rows", table.File)
	}
	sum := sha256.New()
	for _, all := range table.Rows {
		row := make([]trace.GymSample, len(from))
		for k, i := range from {
			row[k] = all[i]
			// Upstream reads all but the latency as whole numbers.
			for _, v := range []*float64{&row[k].CPUMillis, &row[k].MemMiB, &row[k].TrafficIn, &row[k].TrafficOut} {
				*v = math.Trunc(*v)
			}
		}
		g.rows = append(g.rows, row)
		for _, x := range row { // writing to a hash does not fail
			_ = binary.Write(sum, binary.LittleEndian, []float64{float64(x.Pods), x.CPUMillis, x.MemMiB, x.TrafficIn, x.TrafficOut, x.LatencyMs})
		}
	}
	g.print = fmt.Sprintf("%x", sum.Sum(nil))
	g.sort()
	return g, nil
}

// Hash names the numbers.
func (g *GymRows) Hash() string { return g.print }

// sort prepares like: rows of the same replicas of the last service and the same change of them since the row before; where there are none,
// of the same replicas; where there are none (upstream ends with an error then), of the nearest number of replicas.
func (g *GymRows) sort() {
	last := len(g.rows[0]) - 1
	pods := func(r int) int { return g.rows[r][last].Pods }
	var same [gymMaxPods + 1]rows
	for r := range g.rows {
		same[pods(r)] = append(same[pods(r)], r)
	}
	for n := gymMinPods; n <= gymMaxPods; n++ {
		g.like[n] = make([]rows, 2*gymMaxMove+1)
		near := same[n]
		for away := 1; len(near) == 0; away++ {
			if n-away >= gymMinPods {
				near = same[n-away]
			}
			if len(near) == 0 && n+away <= gymMaxPods {
				near = same[n+away]
			}
		}
		for _, r := range same[n] {
			if r > 0 {
				k := n - pods(r-1) + gymMaxMove
				g.like[n][k] = append(g.like[n][k], r)
			}
		}
		for k := range g.like[n] {
			if len(g.like[n][k]) == 0 {
				g.like[n][k] = near
			}
		}
	}
}

// gymSampled is the task gym_hpa on recorded rows. It plays the part of the cluster in an Env.
type gymSampled struct {
	*gymHPA
	rows      *GymRows
	random    *rng.Stream
	change    []int // [service] by the last action on it
	latencyMs float64
	steps     int // taken in this episode
	end       int
}

func newGymSampled(app *App, cfg *EnvConfig, rows *GymRows) *gymSampled {
	g := &gymSampled{gymHPA: newGymHPA(app, cfg.Reward), rows: rows, random: rng.New(0, "gym-rows"), end: cfg.MaxIntervals}
	g.change = make([]int, len(g.services))
	for i := range g.services {
		g.services[i].min, g.services[i].max = gymMinPods, gymMaxPods // there is no cluster whose bounds could be narrower
	}
	return g
}

// start begins an episode at a row drawn from all.
func (g *gymSampled) start(seed uint64) {
	g.random.Reseed(seed, "gym-rows")
	r := g.random.IntN(len(g.rows.rows))
	for i := range g.services {
		g.services[i].pods = g.rows.rows[r][i].Pods
	}
	clear(g.change)
	g.steps, g.blocked = 0, false
	g.show(r)
}

// step takes an action and draws the row that follows.
func (g *gymSampled) step(action []int32) (reward float64, err error) {
	i, want, err := g.move(action)
	if err != nil {
		return 0, err
	}
	if d := &g.services[i]; !g.blocked && want != d.pods {
		g.change[i] = want - d.pods
		d.pods = want
	}
	last := len(g.services) - 1
	like := g.rows.like[g.services[last].pods][g.change[last]+gymMaxMove]
	g.show(like[g.random.IntN(len(like))])
	g.steps++
	return g.judge(g.latencyMs), nil
}

func (g *gymSampled) done() bool { return g.steps >= g.end }

// show takes a row's numbers, all but the replicas. The latency is one for all services and upstream reads the first one's.
func (g *gymSampled) show(r int) {
	for i := range g.services {
		d, x := &g.services[i], &g.rows.rows[r][i]
		d.cpu, d.mem, d.in, d.out = x.CPUMillis, x.MemMiB, x.TrafficIn, x.TrafficOut
	}
	g.latencyMs = g.rows.rows[r][0].LatencyMs
}
