package benchmark

// Profile is a performance profile (Dolan and Moré 2002; Agarwal et al. 2021): the share of a controller's runs that are at least as good
// as each of several levels. A controller whose profile is nowhere below another's is better whatever level one asks for.
type Profile struct {
	Controller *ControllerSpec
	Key        string
	Points     []ProfilePoint
}

// ProfilePoint is the share of runs in which the metric is at most Tau.
type ProfilePoint struct {
	Tau      float64 // in printed units
	Share    float64
	Interval // Wilson's, each point on its own; it takes runs of different scenarios as draws of one kind, which makes it wide rather than narrow
}

// profiled lists the metrics and levels of profiles.
var profiled = []struct {
	key  string
	taus []float64
}{
	{"caf", levels(1, 4, 0.05)},
	{"slo_violate_pct", []float64{0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100}},
}

// levels are those from low to high.
func levels(low, high, step float64) []float64 {
	var out []float64
	for k := 0; low+float64(k)*step < high+step/2; k++ {
		out = append(out, roundTo(low+float64(k)*step, 1e6))
	}
	return out
}

// profiles are those of a controller.
func (g *grouped) profiles(part *Part, c int) []Profile {
	var out []Profile
	for i := range profiled {
		tasks := scores(g.tasks(c, part.Scenarios), ColumnByKey(profiled[i].key))
		runs := 0
		for _, t := range tasks {
			runs += len(t)
		}
		p := Profile{Controller: &g.plan.Controllers[c], Key: profiled[i].key}
		for _, tau := range profiled[i].taus {
			if runs == 0 {
				continue
			}
			share := 1 - ShareAbove(tasks, tau)
			p.Points = append(p.Points, ProfilePoint{tau, share, wilson(share, runs)})
		}
		out = append(out, p)
	}
	return out
}
