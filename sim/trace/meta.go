package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const metaFile = "meta.yaml"

// Bounds of the interval.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = 24 * time.Hour
)

// metaYAML is meta.yaml as it stands in the file.
type metaYAML struct {
	Format      int                `yaml:"format"`
	Application string             `yaml:"application"`
	IntervalS   float64            `yaml:"interval_s"`
	Start       string             `yaml:"start,omitempty"`
	Source      string             `yaml:"source,omitempty"`
	Licence     string             `yaml:"licence,omitempty"`
	Gaps        bool               `yaml:"gaps,omitempty"`
	Contended   bool               `yaml:"contended,omitempty"`
	Notes       []string           `yaml:"notes,omitempty"`
	CPULimitM   map[string]float64 `yaml:"cpu_limit_m,omitempty"`
	Units       map[string]string  `yaml:"units,omitempty"`
}

// decodeMeta reads meta.yaml. On errors in out the result is what could be understood.
func decodeMeta(data []byte, out *findings) Meta {
	// The format number is read first and leniently, so that a newer recording is refused for being newer and
	// not for a key that this program does not know.
	var head struct {
		Format *int `yaml:"format"`
	}
	if err := yaml.Unmarshal(data, &head); err == nil {
		switch {
		case head.Format == nil:
			out.errorf(CodeFormat, metaFile, 0, "format", fmt.Sprintf("add format: %d", Format), "the key is missing")
			return Meta{}
		case *head.Format > Format:
			out.errorf(CodeFormatNewer, metaFile, lineOf(data, "format"), "format", "use a newer grlscaler",
				"recording format %d is newer than format %d, the newest that this grlscaler reads", *head.Format, Format)
			return Meta{}
		case *head.Format < 1:
			out.errorf(CodeFormat, metaFile, lineOf(data, "format"), "format", fmt.Sprintf("use %d", Format), "there is no format %d", *head.Format)
			return Meta{}
		}
	}
	var y metaYAML
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&y); err != nil {
		addYAMLError(err, out)
		return Meta{}
	}
	if err := dec.Decode(new(any)); err != io.EOF {
		out.errorf(CodeMeta, metaFile, 0, "", "keep one", "more than one YAML document")
	}
	m, bad := y.meta()
	for _, b := range bad {
		b.File, b.Line = metaFile, lineOf(data, b.Column)
		out.add(b)
	}
	return m
}

// yamlLine finds the line in yaml.v3's messages.
var yamlLine = regexp.MustCompile(`^line (\d+): (.*)$`)

// addYAMLError takes a decoding error apart into one finding per mistake.
func addYAMLError(err error, out *findings) {
	msgs := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		msgs = te.Errors
	} else if err == io.EOF {
		msgs = []string{"is empty"}
	}
	for _, msg := range msgs {
		line := 0
		if m := yamlLine.FindStringSubmatch(msg); m != nil {
			line, _ = strconv.Atoi(m[1])
			msg = m[2]
		}
		cure := "see docs/recordings.md for the keys"
		if field, ok := strings.CutPrefix(msg, "field "); ok {
			field, _, _ = strings.Cut(field, " ")
			msg, cure = "unknown key "+quoted(field), didYouMean(field, metaKeys)
		}
		msg = strings.ReplaceAll(msg, "into trace.metaYAML", "into keys and values")
		out.errorf(CodeMeta, metaFile, line, "", cure, "%s", oneLine(msg))
	}
}

// metaKeys lists the keys of meta.yaml.
var metaKeys = []string{"format", "application", "interval_s", "start", "source", "licence", "gaps", "contended", "notes", "cpu_limit_m", "units"}

// lineOf finds the line of a top-level key, or returns 0.
func lineOf(data []byte, key string) int {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if bytes.HasPrefix(line, []byte(key+":")) {
			return i + 1
		}
	}
	return 0
}

// meta converts and checks the file's content. Findings name keys as columns.
func (y *metaYAML) meta() (Meta, []Finding) {
	var bad []Finding
	wrong := func(code Code, key, cure, cause string, args ...any) {
		bad = append(bad, Finding{Code: code, Column: key, Cause: fmt.Sprintf(cause, args...), Cure: cure})
	}
	m := Meta{
		Application: y.Application, Source: oneLine(y.Source), Licence: oneLine(y.Licence), CPULimitMillis: y.CPULimitM,
		Gaps: y.Gaps, Contended: y.Contended, Notes: lines(y.Notes),
	}
	if s := y.IntervalS; s >= minInterval.Seconds() && s <= maxInterval.Seconds() {
		m.Interval = micros(s)
	} else {
		wrong(CodeInterval, "interval_s", "give the seconds between rows", "%v is not from %s to %s", s,
			seconds(int64(minInterval)), seconds(int64(maxInterval)))
	}
	if y.Start != "" {
		t, err := time.Parse(time.RFC3339Nano, y.Start)
		if err != nil {
			wrong(CodeStart, "start", "write it like 2025-06-30T12:00:00Z, or leave it out if it is not known", "%s is not an RFC 3339 time", quoted(y.Start))
		}
		m.Start = t.UTC()
	}
	known := units()
	names := sortedKeys(known)
	for _, col := range sortedKeys(y.Units) {
		u, ok := known[col]
		switch {
		case !ok:
			wrong(CodeUnits, "units", didYouMean(col, names), "unknown column %s", quoted(col))
		case u != y.Units[col]:
			wrong(CodeUnits, "units", "convert the numbers: units are fixed by the format", "%s is in %s, not %s", col, u, quoted(y.Units[col]))
		}
	}
	rest := m
	if rest.Interval == 0 {
		rest.Interval = minInterval // reported already
	}
	return m, append(bad, rest.check()...)
}

// check tests what a Meta from any origin must hold.
func (m *Meta) check() []Finding {
	var bad []Finding
	wrong := func(code Code, key, cure, cause string, args ...any) {
		bad = append(bad, Finding{Code: code, Column: key, Cause: fmt.Sprintf(cause, args...), Cure: cure})
	}
	if cause := badName(m.Application); cause != "" {
		wrong(CodeApplication, "application", "name the application file, such as online_boutique, or "+AnyApplication,
			"%s %s", quoted(m.Application), cause)
	}
	for _, s := range sortedKeys(m.CPULimitMillis) {
		if v := m.CPULimitMillis[s]; badName(s) != "" || !(v > 0 && v <= 1e9) {
			wrong(CodeLimits, "cpu_limit_m", "give each service its limit in millicores", "%v for %s is not a CPU limit", v, quoted(s))
		}
	}
	if i := m.Interval; i < minInterval || i > maxInterval || i%time.Microsecond != 0 {
		wrong(CodeInterval, "interval_s", "give the seconds between rows", "%s is not from %s to %s", seconds(int64(i)),
			seconds(int64(minInterval)), seconds(int64(maxInterval)))
	}
	if y := m.Start.Year(); y < 1 || y > 9999 {
		wrong(CodeStart, "start", "leave it out if it is not known", "year %d cannot be written", y)
	}
	texts := append([]string{m.Source, m.Licence}, m.Notes...)
	for i, text := range texts {
		if !printable(oneLine(text)) {
			key := []string{"source", "licence", "notes"}[min(i, 2)]
			wrong(CodeMeta, key, "use plain text", "%s holds control characters", quoted(text))
		}
	}
	return bad
}

// encode returns the text of meta.yaml.
func (m *Meta) encode() ([]byte, error) {
	y := metaYAML{
		Format: Format, Application: m.Application, IntervalS: m.Interval.Seconds(), Source: oneLine(m.Source),
		Licence: oneLine(m.Licence), Gaps: m.Gaps, Contended: m.Contended, Notes: lines(m.Notes), CPULimitM: m.CPULimitMillis, Units: units(),
	}
	if !m.Start.IsZero() {
		y.Start = m.Start.UTC().Format(time.RFC3339Nano)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&y); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// oneLine makes a text one line with single spaces, however it was folded in the file.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func lines(texts []string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, oneLine(t))
	}
	return out
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
