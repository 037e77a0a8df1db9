package promclient

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// TestBuiltInSets: each can be read and expanded, names its sources, and asks for what a replay and a calibration need.
func TestBuiltInSets(t *testing.T) {
	names := configs.Names(configs.Queries)
	if len(names) != 3 {
		t.Errorf("sets %v", names)
	}
	for _, name := range names {
		file, err := configs.Read(configs.Queries, name)
		if err != nil {
			t.Fatal(err)
		}
		set, err := DecodeSet(file.Reader(), file.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if set.About == "" || !strings.Contains(string(file.Data), "# Sources: ") {
			t.Errorf("%s says too little of itself", name)
		}
		queries, err := set.Expand(Values{Namespace: "shop", Entry: "frontend", Window: 90 * time.Second})
		if err != nil {
			t.Error(err)
		}
		var quantities []string
		for _, q := range queries {
			quantities = append(quantities, q.Quantity)
			if strings.Contains(q.Text, "$") || strings.Count(q.Text, "(") != strings.Count(q.Text, ")") {
				t.Errorf("%s: %s", name, q.Text)
			}
		}
		for _, need := range []string{"endpoint_rps", "endpoint_p95_ms", "service_replicas", "service_ready", "service_cpu_cores", "service_memory_bytes",
			"service_cpu_limit_cores", "service_cpu_request_cores", "service_periods_per_s", "node_cpu_cores", "node_cpu_used_cores"} {
			if !slices.Contains(quantities, need) {
				t.Errorf("%s does not ask for %s", name, need)
			}
		}
		again, err := DecodeSet(strings.NewReader(string(EncodeSet(queries))), "again.yaml")
		if err != nil {
			t.Error(err)
			continue
		}
		if d := cmp.Diff(queries, again.Queries); d != "" {
			t.Error(d)
		}
	}
}

func TestDecodeSet(t *testing.T) {
	for _, c := range []struct{ name, text, err string }{
		{"nothing", "", "mine.yaml: the file is empty"},
		{"a newer format", "format: 2\nqueries: {endpoint_rps: up}\n", "mine.yaml:1: format: 2 is newer than 1"},
		{"no format", "queries: {endpoint_rps: up}\n", "format: 0 is no format; write format: 1"},
		{"no queries", "format: 1\n", "queries: there are none"},
		{"another key", "format: 1\nquery: {}\n", `mine.yaml:2: unknown key "query"`},
		{"a name twice", "format: 1\nqueries:\n  endpoint_rps: up\n  endpoint_rps: up\n", "is given twice"},
		{"another name", "format: 1\nqueries:\n  endpoint_rps: up\n  queue: up\n", "mine.yaml:4: queries.queue: is not the name of anything that can be imported"},
		{"an empty query", "format: 1\nqueries:\n  endpoint_rps: \"  \"\n", "mine.yaml:3: queries.endpoint_rps: the query is empty"},
		{"another placeholder", "format: 1\nqueries:\n  endpoint_rps: up{a=\"$cluster\"}\n", "queries.endpoint_rps: $cluster is no placeholder; they are $namespace, $entry, $window"},
		{"PromQL's own dollars", "format: 1\nqueries:\n  endpoint_rps: label_replace(up{a=~\"b$\"}, \"c\", \"$1\", \"d\", \"(.*)\")\n", ""},
	} {
		_, err := DecodeSet(strings.NewReader(c.text), "mine.yaml")
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

func TestExpand(t *testing.T) {
	set := &Set{Name: "mine.yaml", Queries: []Query{{"endpoint_rps", `rate(x{namespace="$namespace"}[$window])`}, {"service_rps", `y{app="$entry"}`}}}
	for _, c := range []struct {
		name   string
		values Values
		want   string
		err    string
	}{
		{"all", Values{"shop", "front.end", time.Minute}, `rate(x{namespace="shop"}[60s])`, ""},
		{"a window of half seconds", Values{"shop", "web", 1500 * time.Millisecond}, `rate(x{namespace="shop"}[1500ms])`, ""},
		{"some are missing", Values{Window: time.Minute}, "", "the queries of mine.yaml need --namespace and --entry"},
		{"a namespace that is PromQL", Values{`a"}) or vector(1) #`, "web", time.Minute}, "", "is not a name of Kubernetes"},
		{"an entry that is a pattern", Values{"shop", "web|.*", time.Minute}, "", `the entry service "web|.*" is not`},
		{"a negative window", Values{"shop", "web", -time.Minute}, "", "a window of -1m0s"},
	} {
		got, err := set.Expand(c.values)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
		if err == nil && got[0].Text != c.want {
			t.Errorf("%s: %s", c.name, got[0].Text)
		}
	}
	if set.Queries[0].Text != `rate(x{namespace="$namespace"}[$window])` {
		t.Error("the set itself changed")
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2025, 6, 30, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"now": now, "-24h": now.Add(-24 * time.Hour), "-90m": now.Add(-90 * time.Minute), "-7d": now.AddDate(0, 0, -7), "-0.5d": now.Add(-12 * time.Hour),
		"2025-06-30T10:00:00+02:00": now.Add(-4 * time.Hour), "-0s": now,
	} {
		got, err := ParseTime(text, now)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", "d", "-d", "24h", "yesterday", "2025-06-30", "-NaNd", "-1e9d", "--1h", "-x"} {
		if got, err := ParseTime(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// TestRanges: parts follow each other from the first step to the last, none of them longer than allowed.
func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := time.Duration(rapid.Int64Range(100, 86_400_000).Draw(t, "step ms")) * time.Millisecond
		from := time.UnixMilli(rapid.Int64Range(86_400_000, 4e12).Draw(t, "from"))
		r := Range{from, from.Add(time.Duration(rapid.Int64Range(3, 40_000).Draw(t, "steps"))*step + time.Duration(rapid.Int64Range(0, 99).Draw(t, "ms"))*time.Millisecond), step}
		a := r.Aligned()
		if a.Aligned() != a || a.From.After(r.From) || a.To.After(r.To) || r.From.Sub(a.From) >= step || r.To.Sub(a.To) >= step {
			t.Fatalf("%v became %v", r, a)
		}
		if err := a.Check(); err != nil {
			t.Fatal(err)
		}
		points := rapid.IntRange(2, MaxPoints).Draw(t, "points")
		at, steps := a.From, 0
		for _, part := range a.Parts(points) {
			if part.From != at || part.Steps() > points || part.Steps() < 1 || part.Step != step {
				t.Fatalf("part %v of %v", part, a)
			}
			at, steps = part.To, steps+part.Steps()
		}
		if at != a.To || steps != a.Steps() {
			t.Fatalf("%d steps until %v of %v", steps, at, a)
		}
	})
	for _, c := range []struct {
		name string
		r    Range
		err  string
	}{
		{"no time", Range{noon, noon, time.Minute}, "there are not two steps"},
		{"backwards", Range{noon, noon.Add(-time.Hour), time.Minute}, "there are not two steps"},
		{"steps too short", Range{noon, noon.Add(time.Hour), time.Millisecond}, "a step of 1ms"},
		{"steps of microseconds", Range{noon, noon.Add(time.Hour), time.Second + time.Microsecond}, "whole number of milliseconds"},
		{"before 1970", Range{time.Unix(-1e6, 0), noon, time.Minute}, "is before 1970"},
		{"too many", Range{time.Unix(0, 0), noon, 100 * time.Millisecond}, "steps of 100ms are too many"},
	} {
		if err := c.r.Check(); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

// TestSave: what is saved can be read again, and nothing is overwritten.
func TestSave(t *testing.T) {
	answers := []trace.Answer{{Quantity: "endpoint_rps", File: "endpoint_rps.json", Data: []byte("{}\n")}, {Quantity: "service_rps", File: "service_rps.json", Data: []byte("[]\n")}}
	queries := []Query{{"endpoint_rps", "sum (\n  up\n)"}, {"service_rps", "up"}}
	dir := filepath.Join(t.TempDir(), "below", "answers")
	if err := Save(dir, answers, queries); err != nil {
		t.Fatal(err)
	}
	got, err := trace.ReadAnswers(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(answers, got); d != "" {
		t.Error(d)
	}
	f, err := os.Open(filepath.Join(dir, "queries.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	set, err := DecodeSet(f, "queries.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(queries, set.Queries); d != "" {
		t.Error(d)
	}
	if err := Save(dir, answers, queries); err == nil || !strings.Contains(err.Error(), "exists and is not empty") {
		t.Error(err)
	}
	empty := t.TempDir()
	if err := Save(empty, answers, queries); err != nil {
		t.Error(err)
	}
	if err := Save(filepath.Join(dir, "queries.yaml", "x"), answers, queries); err == nil {
		t.Error("a directory below a file")
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func FuzzDecodeSet(f *testing.F) {
	f.Add("format: 1\nqueries:\n  endpoint_rps: rate(x[$window])\n")
	f.Add("format: 1\nabout: x\nqueries: {endpoint_rps: \"$entry\\n  y\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := DecodeSet(strings.NewReader(text), "mine.yaml")
		if err != nil {
			return
		}
		queries, err := set.Expand(Values{"shop", "web", time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range queries {
			if slices.ContainsFunc(placeholderNames, func(p string) bool { return strings.Contains(q.Text, "$"+p) }) {
				t.Fatalf("%q", q.Text)
			}
		}
	})
}
