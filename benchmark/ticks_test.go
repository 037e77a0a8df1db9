package benchmark

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/grlscaler/grlscaler/sim"
)

// uncounted shows an accumulator states without a version: it works every tick out by itself.
type uncounted struct{ *Accumulator }

func (u uncounted) RecordTick(t *sim.TickRecord) {
	st, tick := t.State, *t
	tick.State = &sim.State{At: st.At, Services: st.Services, Nodes: st.Nodes, Endpoints: st.Endpoints, Window: st.Window, Placed: st.Placed}
	u.Accumulator.RecordTick(&tick)
}

// TestAlikeTicksAreAddedAsSingleOnes: to the last bit, whatever changes meanwhile.
func TestAlikeTicksAreAddedAsSingleOnes(t *testing.T) {
	p := realPlan(t)
	engine, err := p.Engine.New()
	if err != nil {
		t.Fatal(err)
	}
	var ep sim.Episode
	for _, src := range p.Sources {
		if err := src.Source.Episode(1, &ep); err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Controllers {
			together, single := NewAccumulator(p.App), NewAccumulator(p.App)
			controller, err := c.New()
			if err != nil {
				t.Fatal(err)
			}
			if err := sim.RunController(p.App, engine, &ep, controller, 1, sim.MetricsConfig{}, recorders{together, uncounted{single}}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(single.Metrics(), together.Metrics(), cmpopts.EquateNaNs()); d != "" {
				t.Errorf("%s on %s: %s", c.Name, ep.Name, d)
			}
			if d := cmp.Diff(single.Pools(), together.Pools()); d != "" {
				t.Errorf("%s on %s: %s", c.Name, ep.Name, d)
			}
			if single.actions == 0 && c.Kind == KindBound {
				t.Errorf("%s changed nothing on %s: nothing to compare", c.Name, ep.Name)
			}
		}
	}
}

// TestKnownTrialsAreRunOnlyForTheirSteps: the rows are those of whole runs, and a run ends with its span.
func TestKnownTrialsAreRunOnlyForTheirSteps(t *testing.T) {
	p := realPlan(t)
	p.Sources, p.Controllers = p.Sources[:1], p.Controllers[2:]
	p.Seeds, p.StepSeeds = []uint64{1}, []uint64{}
	first, err := Run(t.Context(), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	again := *p
	again.StepSeeds, again.StepSpan = again.Seeds, Span{From: 45 * time.Second, To: 75 * time.Second}
	whole, err := Run(t.Context(), &again, Options{})
	if err != nil {
		t.Fatal(err)
	}
	decisions := 0
	again.Controllers = []ControllerSpec{again.Controllers[0]}
	again.Controllers[0].New = func() (sim.Controller, error) { return &counting{Oracle: &sim.Oracle{}, n: &decisions}, nil }
	short, err := Run(t.Context(), &again, Options{Known: first.Rows})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(whole.Rows, short.Rows, cmpopts.EquateNaNs()); d != "" || len(short.Rows[0].Steps) == 0 {
		t.Error(d)
	}
	if want := (30 + 75) / 15; decisions != want { // warm-up and span
		t.Errorf("%d decisions, want %d", decisions, want)
	}
}

// counting counts its decisions.
type counting struct {
	*sim.Oracle
	n *int
}

func (c *counting) Decide(v *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	*c.n++
	return c.Oracle.Decide(v, dst)
}
