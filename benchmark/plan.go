package benchmark

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// metricsVersion changes whenever the same run would give other metrics, so that stored trials of an older
// version are not mixed with new ones.
const metricsVersion = 1

// Kind says what a controller is, as far as tables treat it differently.
type Kind string

const (
	KindPolicy     Kind = "policy"     // learned
	KindAutoscaler Kind = "autoscaler" // HPA, KEDA, VPA: the best of them is what policies are compared with
	KindStatic     Kind = "static"     // fixed size
	KindBound      Kind = "bound"      // knows the future: marked as the bound
)

// ControllerSpec is a controller of a plan.
type ControllerSpec struct {
	Name string // unique; what results are listed under
	Kind Kind
	// Hash changes whenever New would make a controller that decides differently (configuration, weights of a
	// checkpoint). Stored trials of another hash are not reused.
	Hash string
	// New makes one controller. It may be called by several goroutines at once, at most once by each worker of a
	// Run, which uses what it gives for one trial after another, from one OS thread. A controller that is an
	// io.Closer is closed at the end.
	New func() (sim.Controller, error)
	// Curve reads the learning curve of a policy, a file progress.csv; nil for none. No result depends on it.
	Curve func() ([]byte, error)
}

// SourceSpec is a scenario or a recording of a plan, listed under Source.Name().
type SourceSpec struct {
	Source sim.LoadSource
	Hash   string // changes whenever the source would give another load
}

// EngineSpec makes engines.
type EngineSpec struct {
	Name string // "fluid", "des"
	Hash string // changes with its options
	New  func() (sim.Engine, error)
}

// Plan is a list of independent trials: each controller on each source with each seed. For one source and seed all
// controllers meet the same random numbers.
type Plan struct {
	App         *sim.App
	AppHash     string // changes with the application file
	Engine      EngineSpec
	Metrics     sim.MetricsConfig // what controllers see; the zero value is the default
	Controllers []ControllerSpec
	Sources     []SourceSpec
	Seeds       []uint64
	StepSeeds   []uint64 // seeds whose trials are kept step by step; nil means the first of Seeds
	StepSpan    Span     // the part of a run that is kept step by step; the zero value is all of it
	Version     string   // of the program: trials of another version are not reused
}

// Span is a part of a run, from the start of its counted part.
type Span struct{ From, To time.Duration }

// holds tells whether a control interval that begins so many seconds into the run is in the span.
func (s Span) holds(seconds float64) bool {
	return s == Span{} || seconds >= s.From.Seconds() && seconds < s.To.Seconds()
}

// Trial is one run of a plan. Index is its place: sources in order, for each the seeds, for each the controllers.
type Trial struct {
	Index      int
	Controller string
	Scenario   string // the source's name
	Seed       uint64
}

// String names the trial for messages.
func (t Trial) String() string {
	return fmt.Sprintf("trial %d (%s on %s, seed %d)", t.Index, t.Controller, t.Scenario, t.Seed)
}

// Validate reports every mistake at once.
func (p *Plan) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("benchmark plan: "+format, args...)) }
	if p.App == nil {
		bad("no application")
	}
	if p.Engine.New == nil {
		bad("no engine")
	}
	if len(p.Controllers) == 0 {
		bad("no controllers; name at least one")
	}
	if len(p.Sources) == 0 {
		bad("no load; name at least one scenario or recording")
	}
	if len(p.Seeds) == 0 {
		bad("no seeds; at least one is needed")
	}
	seen := map[string]bool{}
	once := func(what, name string) {
		if name == "" {
			bad("a %s has no name", what)
		} else if seen[what+name] {
			bad("%s %q is there twice; names must differ", what, name)
		}
		seen[what+name] = true
	}
	for _, c := range p.Controllers {
		once("controller", c.Name)
		if c.New == nil {
			bad("controller %q has no function that makes it", c.Name)
		}
		if !slices.Contains([]Kind{KindPolicy, KindAutoscaler, KindStatic, KindBound}, c.Kind) {
			bad("controller %q is of unknown kind %q", c.Name, c.Kind)
		}
	}
	for i, s := range p.Sources {
		if s.Source == nil {
			bad("load source %d is missing", i)
			continue
		}
		once("scenario", s.Source.Name())
	}
	for _, s := range p.Seeds {
		once("seed", fmt.Sprint(s))
	}
	for _, s := range p.StepSeeds {
		if !slices.Contains(p.Seeds, s) {
			bad("steps are asked for of seed %d, which is not a seed of the plan", s)
		}
	}
	return errors.Join(errs...)
}

// Len is the number of trials.
func (p *Plan) Len() int { return len(p.Sources) * len(p.Seeds) * len(p.Controllers) }

// place gives the positions of trial i's source, seed and controller.
func (p *Plan) place(i int) (source, seed, controller int) {
	group := i / len(p.Controllers)
	return group / len(p.Seeds), group % len(p.Seeds), i % len(p.Controllers)
}

// Trial returns trial i, 0 <= i < Len.
func (p *Plan) Trial(i int) Trial {
	s, k, c := p.place(i)
	return Trial{Index: i, Controller: p.Controllers[c].Name, Scenario: p.Sources[s].Source.Name(), Seed: p.Seeds[k]}
}

// keepsSteps tells whether the trials of a seed are kept step by step.
func (p *Plan) keepsSteps(seed uint64) bool {
	if p.StepSeeds == nil {
		return seed == p.Seeds[0]
	}
	return slices.Contains(p.StepSeeds, seed)
}

// key identifies everything that trial i's row depends on.
func (p *Plan) key(i int) string {
	s, k, c := p.place(i)
	h := sha256.New()
	for _, part := range []any{
		metricsVersion, p.Version, p.App.Name, p.AppHash, p.Engine.Name, p.Engine.Hash, fmt.Sprintf("%+v", p.Metrics),
		p.Sources[s].Source.Name(), p.Sources[s].Hash, p.Seeds[k], p.Controllers[c].Name, p.Controllers[c].Hash,
	} {
		fmt.Fprintf(h, "%q\n", fmt.Sprint(part))
	}
	if p.StepSpan != (Span{}) {
		fmt.Fprintln(h, p.StepSpan)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Hash identifies the plan: two plans of one hash give the same rows.
func (p *Plan) Hash() string {
	h := sha256.New()
	for i := range p.Len() {
		fmt.Fprintln(h, p.key(i))
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
