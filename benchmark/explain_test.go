package benchmark

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
)

// explained runs an HPA and fixed sizes and writes their results.
func explained(t *testing.T) (dir string, plan *Plan) {
	t.Helper()
	plan = realPlan(t)
	plan.Controllers[0] = ControllerSpec{Name: "hpa", Kind: KindAutoscaler, New: func() (sim.Controller, error) { return sim.NewHPASet(hpa.Set{CPUPercent: 30}) }}
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := WriteResults(dir, summarise(t, res), Info{}); err != nil {
		t.Fatal(err)
	}
	return dir, plan
}

// What is read back is what the controller said when it decided, and the interval is that of the steps.
func TestExplainIsWhatTheControllerSaid(t *testing.T) {
	dir, plan := explained(t)
	seed := uint64(1)
	var want []sim.Reason
	rec := &reasonsOf{service: plan.App.ServiceIndex("front")}
	engine, err := plan.Engine.New()
	if err != nil {
		t.Fatal(err)
	}
	var ep sim.Episode
	if err := plan.Sources[0].Source.Episode(seed, &ep); err != nil {
		t.Fatal(err)
	}
	c, err := plan.Controllers[0].New()
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.RunController(plan.App, engine, &ep, c, seed, plan.Metrics, rec); err != nil {
		t.Fatal(err)
	}
	want = rec.all
	scaled := 0
	for i, at := 0, time.Duration(0); i < len(want); i, at = i+1, at+sim.ControlInterval {
		for _, later := range []time.Duration{0, sim.ControlInterval - time.Second} {
			a, err := Explain(dir, Question{Service: "front", At: at + later, Controller: "hpa", Scenario: "step", Seed: &seed})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[i], a.Reason, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Service" }, cmp.Ignore())); diff != "" || a.Decided != at {
				t.Errorf("at %v, decided at %v (-said +read):\n%s", at+later, a.Decided, diff)
			}
			if a.From != at || a.To != at+sim.ControlInterval || a.Requests.RPS <= 0 || len(a.Ready) != len(plan.App.Services) {
				t.Errorf("at %v: interval from %v to %v, %+v, %+v", at+later, a.From, a.To, a.Requests, a.Ready)
			}
		}
		if want[i].From != want[i].To {
			scaled++
		}
	}
	if scaled == 0 {
		t.Error("nothing was scaled; the test says little")
	}
}

type reasonsOf struct {
	service int
	all     []sim.Reason
}

func (r *reasonsOf) RecordTick(*sim.TickRecord)         {}
func (r *reasonsOf) RecordInterval(*sim.IntervalRecord) {}
func (r *reasonsOf) RecordDecision(d *sim.DecisionRecord) {
	for _, x := range d.Reasons {
		if d.Counted && x.Service == r.service {
			x.Limits = append([]sim.ReasonLimit(nil), x.Limits...)
			r.all = append(r.all, x)
		}
	}
}

func TestExplainMistakes(t *testing.T) {
	dir, _ := explained(t)
	one := Question{Service: "front", Controller: "hpa", Scenario: "step"}
	with := func(change func(q *Question)) Question {
		q := one
		change(&q)
		return q
	}
	for _, tc := range []struct {
		name, dir string
		q         Question
		want      string
	}{
		{"no results", t.TempDir(), one, "name a directory that simulate or benchmark wrote"},
		{"several scenarios", dir, with(func(q *Question) { q.Scenario = "" }), "several runs fit; choose one:\n  --controller hpa --scenario step --seed 1\n  --controller hpa --scenario ramp --seed 1"},
		{"no such controller", dir, with(func(q *Question) { q.Controller = "keda" }), "no such run; there are:"},
		{"no such service", dir, with(func(q *Question) { q.Service = "back" }), `decided nothing about service "back"; it decided about front, logic, store`},
		{"before the run", dir, with(func(q *Question) { q.At = -time.Second }), "decided nothing about front until -1s"},
		{"after the run", dir, with(func(q *Question) { q.At = time.Hour }), "1h0m0s is outside of the run, which lasted 2m0s"},
		{"a controller that never decides", dir, with(func(q *Question) { q.Controller = "large" }), "no such run"},
	} {
		_, err := Explain(tc.dir, tc.q)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "decisions.csv.gz"), []byte("this is not a compressed file"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Explain(dir, one); err == nil || !strings.Contains(err.Error(), "decisions.csv.gz: gzip") {
		t.Errorf("a damaged file: %v", err)
	}
}
