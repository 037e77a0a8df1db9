package benchmark

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/grlscaler/grlscaler/benchmark/report"
)

// LearningCurve is how the training of a policy went: what report.html draws.
type LearningCurve struct {
	Controller string
	Steps      []float64 // environment steps
	Reward     []float64 // mean total reward of the last episodes; NaN before the first ended
	Missing    string    // why there is no curve, else empty
}

// ReportFile is the page in a results directory.
const ReportFile = "report.html"

// reportHTML is report.html: what summary.md and config.yaml say, and plots of the runs whose steps were kept.
func reportHTML(s *Summary, info Info, markdown, config []byte) ([]byte, error) {
	p := s.Results.Plan
	d := &report.Data{Title: info.Tag, Summary: markdown, Config: config}
	if d.Title == "" {
		d.Title = p.App.Name
	}
	shown := s.shownFirst()
	for i := range p.Controllers {
		d.Controllers = append(d.Controllers, report.Controller{Name: p.Controllers[i].Name, Kind: string(p.Controllers[i].Kind), Shown: shown[i]})
	}
	var slos []float64
	for i := range p.App.Endpoints {
		slos = append(slos, p.App.Endpoints[i].SLOMs)
	}
	slices.Sort(slos)
	slos = slices.Compact(slos)
	cost := s.costColumn()
	d.CostLabel = "cost of a run, in the application's currency"
	if cost != "cost" {
		d.CostLabel = "core hours of a run"
	}
	for i := range s.Parts {
		part := &s.Parts[i]
		sec := report.Section{Name: part.Name, SLOs: slos}
		for c := range part.Cells {
			cell := &part.Cells[c]
			if x, y := cell.Of(cost), cell.Of("slo_violate_pct"); !math.IsNaN(x.Value) && !math.IsNaN(y.Value) {
				sec.Points = append(sec.Points, report.Point{Controller: c, Cost: reportValue(x), Violations: reportValue(y)})
			}
		}
		if len(part.Scenarios) > 1 { // all scenarios together come first
			d.Sections = slices.Insert(d.Sections, 0, sec)
			continue
		}
		var err error
		if sec.Seed, sec.Runs, err = s.Results.drawnRuns(part.Name); err != nil {
			return nil, err
		}
		d.Sections = append(d.Sections, sec)
	}
	for _, c := range info.Curves {
		d.Curves = append(d.Curves, report.Curve(c))
	}
	return report.Write(d)
}

func reportValue(e *Estimate) report.Value {
	if !e.Valid {
		return report.Value{Value: e.Value, Low: e.Value, High: e.Value}
	}
	return report.Value{Value: e.Value, Low: e.Low, High: e.High}
}

// costColumn is what stands for money: core hours where no pool has a price.
func (s *Summary) costColumn() string {
	for i := range s.Results.Rows {
		if s.Results.Rows[i].Cost > 0 {
			return "cost"
		}
	}
	return "core_hours"
}

// mostShown is how many controllers' lines show before a reader chooses.
const mostShown = 4

// shownFirst chooses whose lines show at first: the bound, then in turn the policies and the autoscalers of the lowest CAF. Others are a
// tick away.
func (s *Summary) shownFirst() []bool {
	controllers := s.Results.Plan.Controllers
	shown := make([]bool, len(controllers))
	if len(s.Parts) == 0 {
		return shown
	}
	byKind := map[Kind][]int{}
	for c := range controllers {
		byKind[controllers[c].Kind] = append(byKind[controllers[c].Kind], c)
	}
	last := &s.Parts[len(s.Parts)-1]
	caf := func(c int) float64 {
		if v := last.Cells[c].Of("caf").Value; !math.IsNaN(v) {
			return v
		}
		return math.Inf(1)
	}
	for _, list := range byKind {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(caf(a), caf(b)) })
	}
	order := slices.Clone(byKind[KindBound][:min(1, len(byKind[KindBound]))])
	policies, autoscalers := byKind[KindPolicy], byKind[KindAutoscaler]
	for i := range max(len(policies), len(autoscalers)) {
		for _, list := range [][]int{policies, autoscalers} {
			if i < len(list) {
				order = append(order, list[i])
			}
		}
	}
	order = append(order, byKind[KindStatic]...)
	for _, c := range order[:min(mostShown, len(order))] {
		shown[c] = true
	}
	return shown
}

// drawnRuns reads the runs of a scenario that were kept step by step, those of the first seed that has any.
func (r *Results) drawnRuns(scenario string) (seed uint64, runs []report.Run, err error) {
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Scenario != scenario || len(row.Steps) == 0 || len(runs) > 0 && row.Seed != seed {
			continue
		}
		seed = row.Seed
		_, _, c := r.Plan.place(row.Index)
		services, err := readSteps(row.Steps)
		if err != nil {
			return 0, nil, fmt.Errorf("steps of %v: %w", row.Trial, err)
		}
		runs = append(runs, report.Run{Controller: c, Services: services})
	}
	return seed, runs, nil
}

// readSteps takes a run's lines of steps.csv apart by service.
func readSteps(lines []byte) ([]report.Series, error) {
	column := map[string]int{}
	for i, name := range strings.Split(strings.TrimSpace(stepsHeader), ",") {
		column[name] = i
	}
	in := csv.NewReader(bytes.NewReader(lines))
	in.FieldsPerRecord, in.ReuseRecord = len(column), true
	var services []report.Series
	place := map[string]int{}
	for {
		row, err := in.Read()
		if err == io.EOF {
			return services, nil
		}
		if err != nil {
			return nil, err
		}
		name := row[column["service"]]
		k, ok := place[name]
		if !ok {
			k = len(services)
			services = append(services, report.Series{Name: strings.Clone(name)})
			place[services[k].Name] = k
		}
		s := &services[k]
		for _, f := range [...]struct {
			column string
			to     *[]float64
		}{
			{"t_s", &s.At}, {"needed", &s.Needed}, {"spec", &s.Spec}, {"ready", &s.Ready}, {"starting", &s.Starting}, {"pending", &s.Pending},
			{"rps", &s.RPS}, {"p95_ms", &s.P95Ms},
		} {
			v, err := strconv.ParseFloat(row[column[f.column]], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.column, err)
			}
			*f.to = append(*f.to, v)
		}
	}
}
