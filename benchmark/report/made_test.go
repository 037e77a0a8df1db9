package report

import (
	"fmt"
	"math"
	"strings"
)

// oddName needs escaping wherever it stands.
const oddName = `hpa<b>"60"&'x'</b>`

// made is a report by formula: no simulation stands behind it, so the golden file changes with the page alone.
func made(controllers, scenarios, services, intervals int) *Data {
	d := &Data{Title: "made", Config: []byte("format: 1\nversion: v1.2.3\n"), CostLabel: "cost of a run"}
	kinds := []string{KindPolicy, "autoscaler", KindBound, KindStatic}
	for c := range controllers {
		d.Controllers = append(d.Controllers, Controller{Name: fmt.Sprintf("controller-%d", c), Kind: kinds[c%len(kinds)], Shown: c < 2})
	}
	if controllers > 1 {
		d.Controllers[1].Name = oddName
	}
	md := "# Benchmark made\n\n- Application shop\\_1, version v1.2.3.\n- Command: grlscaler benchmark --seeds 3\n\nNumbers in brackets are the ends of the interval.\n"
	for s := range scenarios + 1 {
		sec := Section{Name: fmt.Sprintf("load-%d", s-1), Seed: 1001, SLOs: []float64{200, 500}}
		if s == 0 {
			sec.Name = "overall"
		}
		md += "\n## " + sec.Name + "\n\n" + sec.Name + ": 3 runs of each controller.\n\n| controller | CAF |\n|---|---:|\n"
		for c := range controllers {
			x := float64(c) + 0.1*float64(s)
			sec.Points = append(sec.Points, Point{c, Value{1 + x, 0.9 + x, 1.2 + x}, Value{9 / (1 + x), 8 / (1 + x), 11 / (1 + x)}})
			name := strings.ReplaceAll(d.Controllers[c].Name, "<", "&lt;")
			md += fmt.Sprintf("| %s | %.3f [%.3f, %.3f]\\* |\n", name, x, x-0.1, x+0.1)
			if s > 0 {
				sec.Runs = append(sec.Runs, madeRun(c, services, intervals))
			}
		}
		d.Sections = append(d.Sections, sec)
	}
	d.Summary = []byte(md + "\n## verdict\n\nUnder any price.\n")
	steps, reward := []float64{}, []float64{}
	for i := range 30 {
		steps, reward = append(steps, float64(1000*(i+1))), append(reward, -250+40*math.Log(float64(i+1)))
	}
	reward[0] = math.NaN()
	d.Curves = []Curve{{Controller: d.Controllers[0].Name, Steps: steps, Reward: reward}, {Controller: "elsewhere", Missing: "no progress.csv lies beside the policy"}}
	return d
}

func madeRun(c, services, intervals int) Run {
	r := Run{Controller: c}
	for s := range services + 1 {
		name := fmt.Sprintf("service-%d", s)
		if s == 0 {
			name = "*"
		}
		x := Series{Name: name}
		for i := range intervals {
			t := float64(i)
			needed := math.Round(2 + 1.5*math.Sin(t/9+float64(s)))
			if i >= intervals/3 {
				needed += 4
			}
			wanted := needed
			if i%17 < c%5 {
				wanted = max(needed-2, 1)
			}
			ready := max(wanted-float64(i%3), 1)
			load := 100 * (1.5 + math.Sin(t/11+float64(s)) + 0.3*math.Sin(37*t+float64(c)))
			p95 := math.Exp(3 + 2*math.Sin(t/7+float64(c+s)))
			if i%50 == 49 {
				p95 = 0 // nothing completed
			}
			for _, f := range []struct {
				to *[]float64
				v  float64
			}{{&x.At, 15 * (t + 1)}, {&x.Needed, needed}, {&x.Spec, wanted}, {&x.Ready, ready}, {&x.Starting, wanted - ready}, {&x.Pending, float64(i % 2)}, {&x.RPS, load}, {&x.P95Ms, p95}} {
				*f.to = append(*f.to, f.v)
			}
		}
		r.Services = append(r.Services, x)
	}
	return r
}
