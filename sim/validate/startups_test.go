package validate

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// recordedStart is one line of startups.csv.
type recordedStart struct {
	service        string
	limit, seconds float64
}

func readStarts(t *testing.T) []recordedStart {
	t.Helper()
	f, err := os.Open(filepath.Join(recordingsDir, "startups.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read only
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []recordedStart
	for _, l := range lines[1:] {
		out = append(out, recordedStart{l[1], parse(t, l[2]), parse(t, l[3])})
	}
	return out
}

func parse(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// startUps compares CPU needed over limit with the starts that were timed one by one. Both engines start replicas alike.
func (s *study) startUps(t *testing.T) string {
	type cell struct {
		service string
		limit   float64
	}
	times := map[cell][]float64{}
	var order []cell
	for _, r := range readStarts(t) {
		c := cell{r.service, r.limit}
		if times[c] == nil {
			order = append(order, c)
		}
		times[c] = append(times[c], r.seconds)
	}
	slices.SortFunc(order, func(a, b cell) int {
		if c := strings.Compare(a.service, b.service); c != 0 {
			return c
		}
		return int(a.limit - b.limit)
	})
	table := Table{Header: []string{"service", "limit m", "starts", "recorded s", "predicted s", "error"}}
	var errs []float64
	for _, c := range order {
		svc := &s.app.Services[s.app.ServiceIndex(c.service)]
		predicted := svc.StartupCPUMs / c.limit
		mean, low, high := 0.0, math.Inf(1), 0.0
		for _, v := range times[c] {
			mean += v / float64(len(times[c]))
			low, high = min(low, v), max(high, v)
		}
		line := []string{c.service, significant(c.limit), fmt.Sprint(len(times[c])), fmt.Sprintf("%s (%s - %s)", significant(mean), significant(low), significant(high)), significant(predicted)}
		if mean < shortStart {
			line = append(line, "not counted")
		} else {
			e := predicted/mean - 1
			errs = append(errs, e)
			line = append(line, fmt.Sprintf("%+.0f %%", 100*e))
		}
		table.Rows = append(table.Rows, line)
	}
	table.Notes = []string{fmt.Sprintf("Predicted: `startup.cpu_ms` over the limit. Starts below %g s are a few periods of 100 ms and less than a tick of the simulator. Median error %s; aim 15 %%.",
		shortStart, newStat(errs).against(0.15))}
	return table.Markdown()
}

// shortStart is the recorded time below which a start-up error is not counted.
const shortStart = 0.3

// TestStartsAreImported makes startups.csv again from the raw files and compares; with -update it writes it.
func TestStartsAreImported(t *testing.T) {
	raw := os.Getenv("GRLSCALER_RECORDED")
	if raw == "" {
		t.Skip("set GRLSCALER_RECORDED to the directory of the raw files")
	}
	read := func(name string) (header map[string]int, lines [][]string) {
		f, err := os.Open(filepath.Join(raw, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() // read only
		all, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		header = map[string]int{}
		for i, c := range all[0] {
			header[c] = i
		}
		return header, all[1:]
	}
	pointCol, points := read("transient_points.csv")
	limits := map[string][]string{}
	for _, p := range points {
		limits[p[pointCol["point"]]] = p
	}
	var b strings.Builder
	b.WriteString("recording,service,limit_m,startup_s,cpu_s\n")
	col, events := read("transient_events.csv")
	for _, e := range events {
		if e[col["event"]] == "ready" {
			point, service := e[col["point"]], e[col["service"]]
			fmt.Fprintf(&b, "%s,%s,%s,%s,%s\n", point, service, limits[point][pointCol["quota_m_"+service]], e[col["startup_s"]], e[col["cpu_s"]])
		}
	}
	path := filepath.Join(recordingsDir, "startups.csv")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what the raw files hold (%v)", path, err)
	}
}
