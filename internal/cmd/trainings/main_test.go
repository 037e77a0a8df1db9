package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two trainings of one configuration and three of another, with two runs each; the intervals are by a table of Student's quantiles.
func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.csv")
	var rows strings.Builder
	rows.WriteString("controller,caf,slo_violate_pct,reward\n")
	for _, r := range []struct {
		name     string
		caf, slo string
	}{{"a-s1", "1.1", "4"}, {"a-s2", "1.3", "8"}, {"b-s1", "1", "1"}, {"b-s2", "2", "2"}, {"b-s3", "3", "3"}, {"hpa", "9", "9"}, {"c-s9", "1", "0"}} {
		for range 2 {
			rows.WriteString(r.name + "," + r.caf + "," + r.slo + ",-1\n")
		}
	}
	if err := os.WriteFile(path, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run([]string{path, "a:b", "b", "absent", "c:a"}, &out); err != nil {
		t.Fatal(err)
	}
	// a: deviation 2.83 of 4 and 8, t = 12.71 with one degree of freedom: 25.41. b: 4.303·1/sqrt(3) = 2.48.
	// Difference of violations: 4, variance 4 + 1/3, freedom 4.33²/(16 + 1/18) = 1.17, by interpolation t = 9.4: 19.
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, want := range []string{"| a | 2 | 6.00 ± 25.41 | 1.200 ± 1.271 | -1.000 ± 0.000 | b | +4.00 [", "| b | 3 | 2.00 ± 2.48 | 2.000 ± 2.484 | -1.000 ± 0.000 | | | |", "| c | 1 | 0.00 | 1.000 | -1.000 | a | -6.00 | -0.200 |"} {
		if !strings.HasPrefix(lines[i+2], want) {
			t.Errorf("line %d is\n%s\nwant\n%s", i+3, lines[i+2], want)
		}
	}
}

func TestBadRuns(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "it is empty",
		"controller,caf\na,1\n": "no column slo_violate_pct",
		"controller,caf,slo_violate_pct,reward\na-s1,1,x,1\n": `line 2: slo_violate_pct: "x" is not a number`,
	} {
		if _, err := read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
