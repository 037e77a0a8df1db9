package benchmark

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"gopkg.in/yaml.v3"
)

// resultsFormat is the format of the files of a results directory.
const resultsFormat = 1

// WriteResults writes summary.md, summary.csv, profiles.csv, sensitivity.csv, runs.csv, steps.csv.gz, decisions.csv.gz, report.html and
// config.yaml to dir, which it makes if need be. Each is written beside and renamed. The bytes depend on the plan, its rows and info alone.
func WriteResults(dir string, s *Summary, info Info) error {
	config, err := configYAML(s, info)
	if err != nil {
		return fmt.Errorf("results %s: config.yaml: %w", dir, err)
	}
	steps, err := zippedCSV(stepsHeader, s.Results, func(r *Row) []byte { return r.Steps })
	if err != nil {
		return fmt.Errorf("results %s: steps.csv.gz: %w", dir, err)
	}
	decisions, err := zippedCSV(decisionsHeader, s.Results, func(r *Row) []byte { return r.Decisions })
	if err != nil {
		return fmt.Errorf("results %s: decisions.csv.gz: %w", dir, err)
	}
	markdown := summaryMarkdown(s, info)
	page, err := reportHTML(s, info, markdown, config)
	if err != nil {
		return fmt.Errorf("results %s: %s: %w", dir, ReportFile, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"config.yaml", config},
		{"decisions.csv.gz", decisions},
		{"profiles.csv", profilesCSV(s)},
		{ReportFile, page},
		{"runs.csv", runsCSV(s.Results)},
		{"sensitivity.csv", sensitivityCSV(s)},
		{"steps.csv.gz", steps},
		{"summary.csv", summaryCSV(s)},
		{"summary.md", markdown},
	} {
		if err := writeFile(filepath.Join(dir, f.name), f.data); err != nil {
			return fmt.Errorf("results: %w", err)
		}
	}
	return nil
}

// WriteReport writes report.html alone, beside and renamed, to a directory that is there.
func WriteReport(dir string, s *Summary, info Info) error {
	config, err := configYAML(s, info)
	if err != nil {
		return fmt.Errorf("results %s: %w", dir, err)
	}
	page, err := reportHTML(s, info, summaryMarkdown(s, info), config)
	if err != nil {
		return fmt.Errorf("results %s: %s: %w", dir, ReportFile, err)
	}
	if err := writeFile(filepath.Join(dir, ReportFile), page); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// runsCSV has one row for each finished trial, in plan order.
func runsCSV(res *Results) []byte {
	var b bytes.Buffer
	b.WriteString("trial,controller,kind,scenario,seed")
	for i := range Columns {
		b.WriteString("," + Columns[i].Key)
	}
	b.WriteByte('\n')
	for i := range res.Rows {
		row := &res.Rows[i]
		_, _, c := res.Plan.place(row.Index)
		b.WriteString(strconv.Itoa(row.Index) + "," + csvField(row.Controller) + "," + string(res.Plan.Controllers[c].Kind) + "," +
			csvField(row.Scenario) + "," + strconv.FormatUint(row.Seed, 10))
		for k := range Columns {
			b.WriteString("," + formatFixed(Columns[k].Of(&row.Metrics), Columns[k].Decimals))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// zippedCSV packs the lines of all trials that have some; the gzip header holds no name and no time.
func zippedCSV(header string, res *Results, lines func(*Row) []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write([]byte(header)); err != nil {
		return nil, err
	}
	for i := range res.Rows {
		if _, err := z.Write(lines(&res.Rows[i])); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// resultsConfig is config.yaml.
type resultsConfig struct {
	Format      int                  `yaml:"format"`
	Tag         string               `yaml:"tag,omitempty"`
	Command     string               `yaml:"command,omitempty"`
	Version     string               `yaml:"version"`
	Plan        string               `yaml:"plan"`
	Application namedHash            `yaml:"application"`
	Engine      namedHash            `yaml:"engine"`
	Seeds       []uint64             `yaml:"seeds,flow"`
	Scenarios   []namedHash          `yaml:"scenarios"`
	Controllers []resultsController  `yaml:"controllers"`
	Metrics     resultsMetricsConfig `yaml:"metrics"`
	Settings    any                  `yaml:"settings,omitempty"`
}

type namedHash struct {
	Name string `yaml:"name"`
	Hash string `yaml:"hash,omitempty"`
}

type resultsController struct {
	namedHash `yaml:",inline"`
	Kind      Kind `yaml:"kind"`
}

type resultsMetricsConfig struct {
	Version       int     `yaml:"version"`
	Kappa         float64 `yaml:"kappa"`
	Confidence    float64 `yaml:"confidence"`
	BootstrapReps int     `yaml:"bootstrap_reps"`
}

func configYAML(s *Summary, info Info) ([]byte, error) {
	p := s.Results.Plan
	c := resultsConfig{
		Format: resultsFormat, Tag: info.Tag, Command: info.Command, Version: p.Version, Plan: p.Hash(),
		Application: namedHash{p.App.Name, p.AppHash}, Engine: namedHash{p.Engine.Name, p.Engine.Hash}, Seeds: p.Seeds,
		Metrics:  resultsMetricsConfig{metricsVersion, Kappa, Confidence, BootstrapReps},
		Settings: info.Settings,
	}
	for i := range p.Sources {
		c.Scenarios = append(c.Scenarios, namedHash{p.Sources[i].Source.Name(), p.Sources[i].Hash})
	}
	for i := range p.Controllers {
		c.Controllers = append(c.Controllers, resultsController{namedHash{p.Controllers[i].Name, p.Controllers[i].Hash}, p.Controllers[i].Kind})
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&c); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
