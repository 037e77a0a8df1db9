package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/calibrate"
	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// explain runs the best again, step by step, and says of the worst ten minutes of each which service was short of what, and why it had
// what it had.
func (x *whatIf) explain(ctx context.Context, w *world, app *loadedApp, plan benchmark.Plan, ranked []rankedRow) error {
	shown := ranked[:min(x.details, len(ranked))]
	if len(shown) == 0 {
		return nil
	}
	plan.StepSeeds = plan.Seeds
	texts, errs := make([][]string, len(shown)), make([]error, len(shown))
	places := make(chan struct{}, max(1, x.workers))
	if x.workers < 1 {
		places = make(chan struct{}, runtime.GOMAXPROCS(0))
	}
	var wg sync.WaitGroup
	for i := range shown {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			texts[i], errs[i] = x.worst(ctx, w, app, plan, &shown[i], filepath.Join(x.out, fmt.Sprintf("worst-%02d", i+1)))
		})
	}
	wg.Wait()
	for i, lines := range texts {
		if errs[i] != nil {
			return errs[i]
		}
		for _, line := range lines {
			fmt.Fprintln(w.stdout, line)
		}
	}
	_, err := fmt.Fprintln(w.stdout)
	return err
}

// worst runs one candidate again up to the end of its worst ten minutes, keeps these step by step in a directory, and explains them.
func (x *whatIf) worst(ctx context.Context, w *world, app *loadedApp, plan benchmark.Plan, r *rankedRow, dir string) ([]string, error) {
	worst := r.row.Worst
	if worst.Violations < 0.5 {
		return []string{r.spec.Name + ": no request was late or failed."}, nil
	}
	plan.Controllers, plan.StepSpan = []benchmark.ControllerSpec{r.spec}, benchmark.Span{From: worst.At, To: worst.At + benchmark.WorstLength}
	if err := x.detail(ctx, w, &plan, r.row, dir); err != nil {
		return nil, err
	}
	text, err := worstReason(dir, app.App, r, plan.Sources[0].Source.Name(), x.seed)
	if err != nil {
		return nil, err
	}
	return wrapped(text, lineWidth), nil
}

// worstReason is a paragraph about the worst ten minutes of a run.
func worstReason(dir string, app *sim.App, r *rankedRow, scenario string, seed uint64) (string, error) {
	worst := r.row.Worst
	q := benchmark.Question{Controller: r.spec.Name, Scenario: scenario, Seed: &seed}
	short, err := benchmark.Shortage(dir, q, worst.At, worst.At+benchmark.WorstLength)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: worst from %s on, %.1f %% of %.0f requests late or failed. ", r.spec.Name, worst.At, 100*worst.Share(), worst.Requests)
	if short.Missing > 0 {
		fmt.Fprintf(&b, "%s was shortest of replicas: at %s it had %d ready of %d that the load needed. ", short.Service, short.At, short.Ready, short.Needed)
	} else {
		fmt.Fprintf(&b, "No service had fewer replicas than the load needed; %s was slowest, p95 %.0f ms at %s. ", short.Service, short.P95Ms, short.At)
	}
	q.Service, q.At = short.Service, short.At
	a, err := benchmark.Explain(dir, q)
	if err != nil { // fixed sizes decide nothing
		return b.String(), nil
	}
	fmt.Fprintf(&b, "At %s %s.", a.Decided, a.Reason.Sentence(short.Service))
	return b.String(), nil
}

// grounds says what the recording cannot support, and how well the simulator repeats what it shows.
func (x *whatIf) grounds(out io.Writer, app *loadedApp, rec *trace.Recording, ranked []rankedRow) error {
	var lines []string
	replicas := map[string][2]float64{}
	for i := range rec.Services {
		s := &rec.Services[i]
		if !trace.Has(s.Ready) {
			continue
		}
		r, ok := replicas[s.Service]
		if !ok {
			r = [2]float64{s.Ready, s.Ready}
		}
		replicas[s.Service] = [2]float64{min(r[0], s.Ready), max(r[1], s.Ready)}
	}
	if len(replicas) == 0 {
		lines = append(lines, "The recording shows no replicas: nothing in it says how these services behave with more or fewer. The numbers above rest on the application file alone.")
	} else {
		if text, err := fidelity(x, app, rec); err != nil {
			lines = append(lines, "The simulator could not be compared with the recording: "+err.Error()+".")
		} else {
			lines = append(lines, text...)
		}
		var names []string
		for s := range app.Services {
			name := app.Services[s].Name
			if r, ok := replicas[name]; !ok || r[0] == r[1] {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			lines = append(lines, "The recording shows one number of replicas, or none, of "+strings.Join(names, ", ")+": what other numbers do rests on the application file.")
		}
	}
	if x.scale != 1 {
		lines = append(lines, fmt.Sprintf("Rates are %g times those recorded.", x.scale))
	}
	if len(ranked) > 1 {
		a, b := &ranked[0].row.Metrics, &ranked[1].row.Metrics
		if d := a.CAF - b.CAF; d < 0.01*a.CAF && d > -0.01*a.CAF {
			lines = append(lines, fmt.Sprintf("The CAF of the first two differs by less than 1 %%: with one seed that is no ground to prefer %s.", ranked[0].spec.Name))
		}
	}
	fmt.Fprintln(out, "Grounds:")
	for _, text := range lines {
		for i, line := range wrapped(text, lineWidth-2) {
			prefix := "  "
			if i == 0 {
				prefix = "- "
			}
			fmt.Fprintln(out, prefix+line)
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// mostCompared bounds the recordings that are compared with their own numbers: longer ones say no more.
const mostCompared = 20_000 // intervals

// fidelity is how well the simulator repeats the recording with its own replicas.
func fidelity(x *whatIf, app *loadedApp, rec *trace.Recording) ([]string, error) {
	if n := rec.Duration() / rec.Meta.Interval; n > mostCompared {
		return []string{fmt.Sprintf("The recording is long (%d intervals); compare the simulator with a part of it by grlscaler validate.", n)}, nil
	}
	engine, err := x.engine.kind()
	if err != nil {
		return nil, err
	}
	res, err := validate.Compare(app.App, filepath.Base(filepath.Clean(x.trace)), rec, validate.Options{Engine: engine.make, Seeds: 1})
	if err != nil {
		return nil, err
	}
	rows := validate.All([]*validate.Result{res})
	var parts []string
	for _, q := range []struct {
		name string
		q    validate.Quantity
		kind validate.Kind
	}{{"CPU of a service", validate.CPU, validate.OfService}, {"mean latency of all requests", validate.Mean, validate.AllRequests}, {"their p95", validate.P95, validate.AllRequests}} {
		if s := validate.Overall(rows, q.q, validate.IsKind(q.kind)); s.N > 0 {
			parts = append(parts, fmt.Sprintf("%s within %.0f %% (90th percentile %.0f %%, %d values)", q.name, 100*s.Median, 100*s.P90, s.N))
		}
	}
	if len(parts) == 0 {
		return []string{"The recording has no CPU or latency with its replicas, so that the simulator cannot be compared with it."}, nil
	}
	slices.Sort(parts)
	return []string{"With its own replicas the simulator repeats this recording: " + strings.Join(parts, "; ") + ", in the median. grlscaler calibrate may bring it closer."}, nil
}

// calibrated fits the application file to the recording.
func (x *whatIf) calibrated(ctx context.Context, w *world, engine *engineKind) (*loadedApp, error) {
	file, err := configs.Read(configs.Apps, x.app)
	if err != nil {
		return nil, err
	}
	app, err := loadApp(x.app)
	if err != nil {
		return nil, err
	}
	recs, err := validate.ReadAll(trace.ReadOptions{Fill: x.fill, App: recordingOf(app.App)}, x.trace)
	if err != nil {
		return nil, err
	}
	progress := reporter{w: w}
	result, err := calibrate.Fit(ctx, calibrate.Source{Name: file.Name, Data: file.Data}, recs, calibrate.Options{Engine: engine.make, Workers: runtime.GOMAXPROCS(0),
		Progress: func(round, rounds int) {
			progress.line(round == rounds, "calibration: round %d of at most %d", round, rounds)
		}})
	progress.end()
	if err != nil {
		return nil, interrupted(err)
	}
	fitted, err := sim.DecodeApp(bytes.NewReader(result.Text), file.Name+" (calibrated)")
	if err != nil {
		return nil, err
	}
	return &loadedApp{App: fitted, hash: hashOf(result.Text), rules: app.rules, notes: []string{"Application " + app.Name + " was calibrated on the recording."}}, nil
}
