// Command trainings says how well configurations are learnt: it reads a benchmark's runs.csv in which each training is a controller,
// NAME-s1, NAME-s2 and so on, and prints for each configuration the mean over its trainings with the 95 % interval, and the difference from
// another configuration's, as a table in Markdown. scripts/results.sh uses it.
//
//	trainings RUNS.csv NAME[:OTHER] ...
//
// A training counts with its mean over all runs, so that the intervals are about training again, not about other loads. Both are Student's, that
// of a difference with the degrees of freedom of Welch and Satterthwaite.
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// columns are what is told of each configuration, with the decimals that it is printed with.
var columns = []struct {
	key, title string
	decimals   int
}{{"slo_violate_pct", "violating requests %", 2}, {"caf", "CAF", 3}, {"reward", "reward", 3}}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "trainings:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("two arguments at least: RUNS.csv, and NAME or NAME:OTHER for each row")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	scores, err := read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	header, line := "| configuration | trainings |", "|---|---:|"
	for _, c := range columns {
		header, line = header+" "+c.title+" |", line+"---:|"
	}
	fmt.Fprintln(out, header+" against | Δ violations, points | Δ CAF |")
	fmt.Fprintln(out, line+"---|---:|---:|")
	for _, arg := range args[1:] {
		name, other, _ := strings.Cut(arg, ":")
		own := scores[name]
		if own == nil {
			continue // not trained
		}
		fmt.Fprintf(out, "| %s | %d |", name, len(own[0]))
		for i, c := range columns {
			fmt.Fprintf(out, " %s |", mean(own[i], c.decimals))
		}
		if base := scores[other]; base != nil {
			fmt.Fprintf(out, " %s | %s | %s |\n", other, difference(own[0], base[0], columns[0].decimals), difference(own[1], base[1], columns[1].decimals))
		} else {
			fmt.Fprintln(out, " | | |")
		}
	}
	return nil
}

// read returns for each configuration and column the trainings' means, in the order of the file.
func read(r io.Reader) (map[string][][]float64, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("it is empty")
	}
	at := make([]int, len(columns))
	for i, c := range columns {
		if at[i] = slices.Index(rows[0], c.key); at[i] < 0 {
			return nil, fmt.Errorf("it has no column %s", c.key)
		}
	}
	who := slices.Index(rows[0], "controller")
	if who < 0 {
		return nil, errors.New("it has no column controller")
	}
	var order []string
	sums, runs := map[string][]float64{}, map[string]float64{}
	for n, row := range rows[1:] {
		if sums[row[who]] == nil {
			order, sums[row[who]] = append(order, row[who]), make([]float64, len(columns))
		}
		for i, k := range at {
			v, err := strconv.ParseFloat(row[k], 64)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s: %q is not a number", n+2, columns[i].key, row[k])
			}
			sums[row[who]][i] += v
		}
		runs[row[who]]++
	}
	scores := map[string][][]float64{}
	for _, training := range order {
		cut := strings.LastIndex(training, "-s")
		if cut < 0 {
			continue // another controller
		}
		if _, err := strconv.Atoi(training[cut+2:]); err != nil {
			continue
		}
		name := training[:cut]
		if scores[name] == nil {
			scores[name] = make([][]float64, len(columns))
		}
		for i, sum := range sums[training] {
			scores[name][i] = append(scores[name][i], sum/runs[training])
		}
	}
	return scores, nil
}

// mean is "mean ± half the interval", without an interval where there is one training.
func mean(v []float64, decimals int) string {
	m, sd := stat.MeanStdDev(v, nil)
	if len(v) < 2 {
		return fmt.Sprintf("%.*f", decimals, m)
	}
	n := float64(len(v))
	return fmt.Sprintf("%.*f ± %.*f", decimals, m, decimals, quantile(n-1)*sd/math.Sqrt(n))
}

// difference is "difference [low, high]" of two means, without an interval where one of them is of one training.
func difference(a, b []float64, decimals int) string {
	d := stat.Mean(a, nil) - stat.Mean(b, nil)
	if len(a) < 2 || len(b) < 2 {
		return fmt.Sprintf("%+.*f", decimals, d)
	}
	va, vb := stat.Variance(a, nil)/float64(len(a)), stat.Variance(b, nil)/float64(len(b))
	freedom := (va + vb) * (va + vb) / (va*va/float64(len(a)-1) + vb*vb/float64(len(b)-1))
	half := 0.0
	if va+vb > 0 {
		half = quantile(freedom) * math.Sqrt(va+vb)
	}
	return fmt.Sprintf("%+.*f [%.*f, %.*f]", decimals, d, decimals, d-half, decimals, d+half)
}

// quantile is Student's for two-sided 95 %.
func quantile(freedom float64) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile(0.975)
}
