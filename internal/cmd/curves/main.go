// Command curves draws the learning curves of several trainings: for each configuration the mean over its seeds and the band from the
// lowest to the highest, and prints how each training ended as a table in Markdown. scripts/results.sh uses it.
//
//	curves OUT.svg NAME=DIR,DIR,... NAME=...
package main

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/grlscaler/grlscaler/internal/learningcurve"
)

// palette is Okabe and Ito's, which colour-blind readers tell apart.
var palette = []color.RGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "curves:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("give OUT.svg and NAME=DIR,DIR,... once or more")
	}
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "environment steps", "total reward of an episode, mean of the last 100"
	p.Legend.Top, p.Legend.Left = false, false
	fmt.Println("| configuration | steps | final reward of each seed | mean |")
	fmt.Println("|---|---:|---|---:|")
	for i, arg := range args[1:] {
		name, dirs, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not of the form NAME=DIR,DIR", arg)
		}
		runs, err := readRuns(strings.Split(dirs, ","))
		if err != nil {
			return err
		}
		if err := draw(p, name, runs, palette[i%len(palette)]); err != nil {
			return err
		}
		fmt.Println(row(name, runs))
	}
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, args[0])
}

// training is one learning curve.
type training struct{ steps, reward []float64 }

func readRuns(dirs []string) ([]training, error) {
	var runs []training
	for _, dir := range dirs {
		path := filepath.Join(dir, "progress.csv")
		r, err := readCurve(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// readCurve reads a progress.csv. Rows before the first episode's end have no reward.
func readCurve(path string) (r training, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	columns, err := learningcurve.Decode(data, "time/total_timesteps", "rollout/ep_rew_mean")
	if err != nil {
		return r, err
	}
	for i, reward := range columns[1] {
		if !math.IsNaN(reward) {
			r.steps, r.reward = append(r.steps, columns[0][i]), append(r.reward, reward)
		}
	}
	if len(r.steps) == 0 {
		return r, errors.New("no episode has ended")
	}
	return r, nil
}

// at is the reward after so many steps, between rows on a straight line.
func (r *training) at(steps float64) float64 {
	for i, s := range r.steps {
		if s >= steps {
			if i == 0 {
				return r.reward[0]
			}
			part := (steps - r.steps[i-1]) / (s - r.steps[i-1])
			return r.reward[i-1] + part*(r.reward[i]-r.reward[i-1])
		}
	}
	return r.reward[len(r.reward)-1]
}

// draw adds a configuration: a line of the mean and a band from the lowest to the highest seed.
func draw(p *plot.Plot, name string, runs []training, c color.RGBA) error {
	const points = 200
	last := runs[0].steps[len(runs[0].steps)-1]
	var mean, low, high plotter.XYs
	for k := range points + 1 {
		x := last * float64(k) / points
		lo, hi, sum := math.Inf(1), math.Inf(-1), 0.0
		for i := range runs {
			v := runs[i].at(x)
			lo, hi, sum = min(lo, v), max(hi, v), sum+v
		}
		mean = append(mean, plotter.XY{X: x, Y: sum / float64(len(runs))})
		low, high = append(low, plotter.XY{X: x, Y: lo}), append(high, plotter.XY{X: x, Y: hi})
	}
	edge := high
	for i := len(low) - 1; i >= 0; i-- {
		edge = append(edge, low[i])
	}
	band, err := plotter.NewPolygon(edge)
	if err != nil {
		return err
	}
	band.Color, band.LineStyle.Width = color.NRGBA{c.R, c.G, c.B, 50}, 0
	line, err := plotter.NewLine(mean)
	if err != nil {
		return err
	}
	line.Color, line.Width = c, vg.Points(1.5)
	p.Add(band, line)
	p.Legend.Add(name, line)
	return nil
}

func row(name string, runs []training) string {
	var finals []string
	sum := 0.0
	for i := range runs {
		v := runs[i].reward[len(runs[i].reward)-1]
		finals, sum = append(finals, fmt.Sprintf("%.1f", v)), sum+v
	}
	return fmt.Sprintf("| %s | %.0f | %s | %.1f |", name, runs[0].steps[len(runs[0].steps)-1], strings.Join(finals, ", "), sum/float64(len(runs)))
}
