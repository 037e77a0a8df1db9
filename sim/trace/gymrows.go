package trace

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

// GymTable is gym-hpa's file of observations, row for row: what its own simulation draws from. As a recording it is read by
// [ImportGymHPA].
type GymTable struct {
	File     string
	Services []string // as they are called here, in the order of the columns
	Rows     [][]GymSample
}

// GymSample is one service in one row, in the units of the file.
type GymSample struct {
	Pods                  int
	CPUMillis, MemMiB     float64 // of all pods
	TrafficIn, TrafficOut float64
	LatencyMs             float64
}

// gymMaxPods is gym-hpa's MAX_REPLICATION: more than 8 replicas are in no file that it writes.
const gymMaxPods = 8

// gymDeployments are the Deployments of gym-hpa's two applications, in the order in which it writes them.
var gymDeployments = [][]string{
	{"recommendationservice", "productcatalogservice", "cartservice", "adservice", "paymentservice", "shippingservice", "currencyservice", "redis-cart",
		"checkoutservice", "frontend", "emailservice"},
	{"redis-leader", "redis-follower"},
}

// gymWidth is how many fields a row of an application in gymDeployments has.
func gymWidth(i int) int { return 1 + len(gymDeployments[i])*len(gymSuffixes) }

// gymImplied gives the names of columns to a first row that is no header: gym-hpa appends rows to its file and never writes one. It
// returns nil if the row is not of its form.
func gymImplied(first []string) []string {
	if !isDate(first[0]) {
		return nil
	}
	for i, names := range gymDeployments {
		if len(first) != gymWidth(i) {
			continue
		}
		cols := []string{"date"}
		for _, n := range names {
			for _, suffix := range gymSuffixes {
				cols = append(cols, n+suffix)
			}
		}
		return cols
	}
	return nil
}

// ReadGymTable reads a file of gym-hpa's observations, plain or gzipped (.gz).
func ReadGymTable(path string) (*GymTable, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading rows of gym-hpa: %w", err)
	}
	defer f.Close() // read only
	r, err := unzip(f, strings.HasSuffix(path, ".gz"))
	if err == nil {
		var t *GymTable
		if t, err = readGymTable(r, path); err == nil {
			return t, nil
		}
		return nil, fmt.Errorf("reading rows of gym-hpa: %w", err)
	}
	out := newFindings(0)
	reportCSV(out, path, err)
	return nil, fmt.Errorf("reading rows of gym-hpa: %w", out.err())
}

// readGymTable reads the columns that gym-hpa's simulation reads: all but the date and its own wish. Unlike a recording, rows need no
// order of time and no cell may be empty.
func readGymTable(r io.Reader, file string) (*GymTable, error) {
	out := newFindings(0)
	cr := csv.NewReader(r)
	cr.ReuseRecord = true
	cr.FieldsPerRecord = -1
	first, err := cr.Read()
	switch {
	case err == io.EOF:
		out.errorf(CodeFileEmpty, file, 0, "", "give a file with a header line", "is empty")
		return nil, out.err()
	case err != nil:
		reportCSV(out, file, err)
		return nil, out.err()
	}
	names := slices.Clone(first)
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	implied := gymImplied(names)
	if implied != nil {
		names = implied
	}
	t := &GymTable{File: file}
	fields := t.columns(names, out)
	if out.errors > 0 {
		return nil, out.err()
	}
	if implied != nil {
		t.add(cr, first, names, fields, out)
	}
	for {
		rec, err := cr.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			reportCSV(out, file, err)
			if errors.As(err, new(*csv.ParseError)) {
				continue
			}
			break
		}
		t.add(cr, rec, names, fields, out)
	}
	if out.errors == 0 && len(t.Rows) == 0 {
		out.errorf(CodeNoRows, file, 0, "", "give a file with rows", "has a header but no rows")
	}
	if err := out.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// gymDrawn are the columns of a service that are read, in the order of [GymSample].
var gymDrawn = []string{"_num_pods", "_cpu_usage", "_mem_usage", "_traffic_in", "_traffic_out", "_latency"}

// columns finds the fields of each service and reports what is missing.
func (t *GymTable) columns(names []string, out *findings) (fields [][]int) {
	gymColumns(names, t.File, out)
	for _, s := range gymServices(names) {
		var at []int
		for _, suffix := range gymDrawn {
			i := slices.Index(names, s+suffix)
			if i < 0 && !slices.Contains(gymRequired, suffix) { // those were reported
				out.errorf(CodeColumnMissing, t.File, 1, s+suffix, "export it too: a row shows all that gym-hpa observes", "the column is missing")
			}
			at = append(at, i)
		}
		fields = append(fields, at)
		name, _ := renamed(s)
		t.Services = append(t.Services, name)
	}
	return fields
}

// add appends a row, and reports what cannot be one.
func (t *GymTable) add(cr *csv.Reader, rec, names []string, fields [][]int, out *findings) {
	line, _ := cr.FieldPos(0)
	if len(rec) != len(names) {
		out.errorf(CodeFields, t.File, line, "", "give each column a field", "%d fields where there are %d columns", len(rec), len(names))
		return
	}
	row := make([]GymSample, len(fields))
	for s, at := range fields {
		var v [6]float64
		for k, i := range at {
			v[k] = parseCell(out, t.File, line, names[i], []byte(rec[i]))
			switch {
			case k == 0 && Has(v[k]) && v[k] != math.Trunc(v[k]):
				out.errorf(CodeWhole, t.File, line, names[i], "replicas are counted", "%s is not a whole number", short(v[k]))
			case k == 0 && (v[k] < 1 || v[k] > gymMaxPods):
				out.errorf(CodeTooLarge, t.File, line, names[i], fmt.Sprintf("gym-hpa has 1 to %d replicas: remove the row", gymMaxPods), "%s replicas", short(v[k]))
			case v[k] < 0:
				out.errorf(CodeNegative, t.File, line, names[i], "give a number from 0 up, or remove the row", "%s is negative", short(v[k]))
			case v[k] > maxGymNumber:
				out.errorf(CodeTooLarge, t.File, line, names[i], "check the unit", "%s is too large to be meant", short(v[k]))
			}
		}
		if Has(v[0]) {
			row[s] = GymSample{int(v[0]), v[1], v[2], v[3], v[4], v[5]}
		}
	}
	if out.errors == 0 {
		t.Rows = append(t.Rows, row)
	}
}

// maxGymNumber is far above gym-hpa's own bounds (10,000 m, 10,000 MiB, 20,000 kbit/s) and fits a float32.
const maxGymNumber = 1e9
