package validate

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// This file compares with two recordings of Online Boutique on real clusters that others published. Both are of other platforms
// and other versions of the application, and say little about CPU limits and load, so few numbers are taken from each to fix
// what our application file cannot know, and the rest is predicted.

// csvRow is a line of a CSV file: cells by column.
type csvRow map[string]string

func (r csvRow) number(t *testing.T, column string) float64 {
	t.Helper()
	if r[column] == "" {
		return trace.NoValue()
	}
	return parse(t, r[column])
}

func readCSV(t *testing.T, path string) []csvRow {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read only
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	all, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var out []csvRow
	for _, line := range all[1:] {
		row := csvRow{}
		for i, c := range all[0] {
			row[c] = line[i]
		}
		out = append(out, row)
	}
	return out
}

// changedApp decodes our application after change has been at its YAML.
func changedApp(t *testing.T, change func(app map[string]any)) *sim.App {
	t.Helper()
	data, err := os.ReadFile(appFile)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	change(tree)
	if data, err = yaml.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	app, err := sim.DecodeApp(bytes.NewReader(data), appFile+" changed")
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// eachOp visits the operations of an application's YAML.
func eachOp(app map[string]any, f func(service string, op map[string]any)) {
	for _, s := range app["services"].([]any) {
		svc := s.(map[string]any)
		for _, o := range svc["operations"].([]any) {
			f(svc["name"].(string), o.(map[string]any))
		}
	}
}

// constant is a recording of one interval at a constant load.
func constant(app *sim.App, rps map[string]float64, replicas map[string]float64) *trace.Recording {
	rec := &trace.Recording{Meta: trace.Meta{Application: app.Name, Interval: 2 * time.Minute, CPULimitMillis: map[string]float64{}}}
	for _, e := range app.EndpointNames() {
		rec.Endpoints = append(rec.Endpoints, trace.EndpointRow{Endpoint: e, RPS: rps[e]})
	}
	for i := range app.Services {
		s := &app.Services[i]
		n := max(1, replicas[s.Name])
		rec.Meta.CPULimitMillis[s.Name] = s.CPULimitMillis
		rec.Services = append(rec.Services, trace.ServiceRow{Service: s.Name, Replicas: n, Ready: n})
	}
	return rec
}

// ourName is the name of a service in our files.
func ourName(service string) string {
	for _, s := range trace.ServiceNames() {
		if s.Kubernetes == service {
			return s.Name
		}
	}
	return service
}

// weighted is a weighted mean.
type weighted struct{ sum, weight float64 }

func (m *weighted) add(v, weight float64) {
	if trace.Has(v) {
		m.sum += v * weight
		m.weight += weight
	}
}

func (m *weighted) value() float64 { return m.sum / m.weight }
