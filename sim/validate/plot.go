package validate

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// Size of one panel.
const (
	panelWidth  = 12 * vg.Centimeter
	panelHeight = 9 * vg.Centimeter
)

var (
	classColours = [...]color.RGBA{{0x1b, 0x7f, 0x3b, 0xff}, {0xd9, 0x82, 0x00, 0xff}, {0xb0, 0xb0, 0xb0, 0xff}}
	recordedInk  = color.RGBA{0x20, 0x20, 0x20, 0xff}
	predictedInk = color.RGBA{0x1f, 0x5f, 0xbf, 0xff}
	guideInk     = color.RGBA{0xa0, 0xa0, 0xa0, 0xff}
)

// WritePlot draws results as SVG: predicted against recorded numbers of every row, then mean latency and CPU over time of each
// recording with several intervals. The same results give the same bytes.
func WritePlot(w io.Writer, results []*Result) error {
	panels, err := makePanels(results)
	if err != nil {
		return err
	}
	canvas := vgsvg.New(2*panelWidth, vg.Length(len(panels))*panelHeight)
	drawPanels(panels, draw.New(canvas))
	_, err = canvas.WriteTo(w)
	return err
}

// makePanels makes the panels, two in a row.
func makePanels(results []*Result) ([][]*plot.Plot, error) {
	rows := All(results)
	panels := [][]*plot.Plot{{nil, nil}, {nil, nil}}
	for i, q := range []Quantity{Mean, P95, CPU, Throttling} {
		p, err := scatter(rows, q)
		if err != nil {
			return nil, fmt.Errorf("plot: %w", err)
		}
		panels[i/2][i%2] = p
	}
	for _, res := range results {
		mean, err := overTime(res, Mean)
		if err != nil {
			return nil, fmt.Errorf("plot of %s: %w", res.Recording, err)
		}
		cpu, err := overTime(res, CPU)
		if err != nil {
			return nil, fmt.Errorf("plot of %s: %w", res.Recording, err)
		}
		if mean != nil && cpu != nil {
			panels = append(panels, []*plot.Plot{mean, cpu})
		}
	}
	return panels, nil
}

func drawPanels(panels [][]*plot.Plot, canvas draw.Canvas) {
	tiles := draw.Tiles{Rows: len(panels), Cols: 2, PadX: vg.Millimeter * 4, PadY: vg.Millimeter * 4,
		PadLeft: vg.Millimeter * 2, PadRight: vg.Millimeter * 4, PadTop: vg.Millimeter * 2, PadBottom: vg.Millimeter * 2}
	cells := plot.Align(panels, tiles, canvas)
	for i, row := range panels {
		for j, p := range row {
			p.Draw(cells[i][j])
		}
	}
}

// scatter draws predicted over recorded, one dot a row, with the diagonal and errors of a third to either side.
func scatter(rows []Row, q Quantity) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = q.header() + ", predicted over recorded"
	p.X.Label.Text, p.Y.Label.Text = "recorded", "predicted"
	points := make([]plotter.XYs, len(Classes))
	least, most := math.Inf(1), 0.0
	for i := range rows {
		r := &rows[i]
		x, y := q.of(&r.Recorded), q.of(&r.Predicted)
		if q.Share() {
			x, y = 100*x, 100*y
		} else if _, ok := r.Error(q); !ok || !(y > 0) {
			continue
		}
		if !trace.Has(x) || !trace.Has(y) {
			continue
		}
		points[r.class(q)] = append(points[r.class(q)], plotter.XY{X: x, Y: y})
		least, most = min(least, x, y), max(most, x, y)
	}
	lo, hi := 0.0, 100.0
	if !q.Share() {
		if !(most > 0) {
			least, most = 1, 10
		}
		lo, hi = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most)))
		if lo == hi {
			hi = 10 * lo
		}
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
		for _, factor := range []float64{0.75, 4.0 / 3} {
			if err := guide(p, lo, hi, factor, vg.Points(0.5)); err != nil {
				return nil, err
			}
		}
	}
	if err := guide(p, lo, hi, 1, vg.Points(1)); err != nil {
		return nil, err
	}
	for _, class := range Classes {
		if len(points[class]) == 0 {
			continue
		}
		s, err := plotter.NewScatter(points[class])
		if err != nil {
			return nil, err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: classColours[class], Radius: vg.Points(1.8), Shape: draw.CircleGlyph{}}
		p.Add(s)
		p.Legend.Add(class.String(), s)
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = lo, hi, lo, hi
	return p, nil
}

// guide draws y = factor x, cut to the panel.
func guide(p *plot.Plot, lo, hi, factor float64, width vg.Length) error {
	from, to := max(lo, lo/factor), min(hi, hi/factor)
	line, err := plotter.NewLine(plotter.XYs{{X: from, Y: from * factor}, {X: to, Y: to * factor}})
	if err != nil {
		return err
	}
	line.LineStyle = draw.LineStyle{Color: guideInk, Width: width}
	p.Add(line)
	return nil
}

// overTime draws a number of all requests over time; nil if there is only one interval or nothing is known.
func overTime(res *Result, q Quantity) (*plot.Plot, error) {
	var recorded, predicted plotter.XYs
	for i := range res.Rows {
		r := &res.Rows[i]
		if r.Kind != AllRequests {
			continue
		}
		at := (r.At + res.Interval/2).Seconds()
		if v := q.of(&r.Recorded); trace.Has(v) {
			recorded = append(recorded, plotter.XY{X: at, Y: v})
		}
		if v := q.of(&r.Predicted); trace.Has(v) {
			predicted = append(predicted, plotter.XY{X: at, Y: v})
		}
	}
	if len(recorded) < 2 || len(predicted) < 2 {
		return nil, nil
	}
	p := plot.New()
	p.Title.Text = res.Recording + ": " + q.header()
	p.X.Label.Text = "s"
	for _, series := range []struct {
		name string
		xy   plotter.XYs
		ink  color.RGBA
	}{{"recorded", recorded, recordedInk}, {"predicted", predicted, predictedInk}} {
		line, err := plotter.NewLine(series.xy)
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: series.ink, Width: vg.Points(1.2)}
		p.Add(line)
		p.Legend.Add(series.name, line)
	}
	p.Legend.Top = true
	p.Y.Min = 0
	p.Y.Max = 1.05 * max(highest(recorded), highest(predicted))
	return p, nil
}

func highest(xy plotter.XYs) float64 {
	return slices.MaxFunc(xy, func(a, b plotter.XY) int {
		if a.Y < b.Y {
			return -1
		}
		return 1
	}).Y
}
