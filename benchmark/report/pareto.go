package report

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/grlscaler/grlscaler/internal/svg"
)

// Geometry of a plot of cost against violations.
const (
	paretoWidth, paretoHeight = 560, 420
	paretoLeft, paretoRight   = 52, 546
	paretoTop, paretoBottom   = 40, 370
)

// pareto draws cost against violations with intervals, and the line of those that no other beats in both. Bounds are shown and not on the
// line: they know the future.
func pareto(id, name, costLabel string, points []Point, controllers []Controller) string {
	cost, violations := emptySpan(), emptySpan()
	for i := range points {
		cost.add(points[i].Cost.Low, points[i].Cost.High, points[i].Cost.Value)
		violations.add(points[i].Violations.High, points[i].Violations.Value)
	}
	front := paretoFront(points, controllers)
	names := ""
	for i, k := range front {
		if i > 0 {
			names += ", "
		}
		names += controllers[points[k].Controller].Name
	}
	p := &svg.Picture{}
	p.Begin(paretoWidth, paretoHeight, "plot", id, "Cost against violations, "+name,
		fmt.Sprintf("Cost %s, violations %s %%. No controller is better in both than: %s.", cost.words(), violations.words(), names))
	margin := 0.06 * (cost.hi - cost.lo)
	if !(margin > 0) {
		margin = max(0.1*cost.hi, 1e-6)
	}
	x := &svg.Axis{Min: max(cost.lo-margin, 0), Max: cost.hi + margin, From: paretoLeft, To: paretoRight}
	y := &svg.Axis{Max: max(1.1*violations.hi, 0.1), From: paretoBottom, To: paretoTop, Scale: svg.Sqrt}
	var grid svg.Pen
	for _, t := range y.Ticks(7) {
		grid.Up()
		grid.To(x.From, t.At)
		grid.To(x.To, t.At)
		p.Text(x.From-6, t.At+5, "e", t.Label)
	}
	for _, t := range x.Ticks(6) {
		grid.Up()
		grid.To(t.At, y.From)
		grid.To(t.At, y.To)
		p.Text(t.At, y.From+20, "m", t.Label)
	}
	p.Path("grid", grid.String())
	p.Text(paretoLeft, 22, "s", "late or failed requests, % (square-root scale)")
	p.Text(paretoRight, paretoHeight-8, "e", costLabel)
	var line svg.Pen
	for n, k := range front {
		px, py := x.At(points[k].Cost.Value), y.At(points[k].Violations.Value)
		if n > 0 {
			line.To(px, y.At(points[front[n-1]].Violations.Value))
		}
		line.To(px, py)
	}
	p.Path("front", line.String())
	boxes := drawPoints(p, points, controllers, x, y)
	for i := range points {
		px, py := x.At(points[i].Cost.Value), y.At(points[i].Violations.Value)
		text := controllers[points[i].Controller].Name
		b := place(px, py, utf8.RuneCountInString(text), boxes)
		boxes = append(boxes, b)
		// A line to what stands away from its point.
		if nx, ny := min(max(px, b.x0), b.x1), min(max(py, b.y0), b.y1); abs(nx-px)+abs(ny-py) > 18 {
			p.Path("leader", straight(px, py, nx, ny))
		}
		p.Text(b.x0, b.y1-5, "s", text)
	}
	return p.End()
}

// drawPoints draws the points with their intervals and returns the room they take.
func drawPoints(p *svg.Picture, points []Point, controllers []Controller, x, y *svg.Axis) []box {
	var boxes []box
	for i := range points {
		pt := &points[i]
		px, py := x.At(pt.Cost.Value), y.At(pt.Violations.Value)
		mark := svg.Square
		switch controllers[pt.Controller].Kind {
		case KindPolicy:
			mark = svg.Disc
		case KindStatic:
			mark = svg.Triangle
		case KindBound:
			mark = svg.Diamond
		}
		p.Group(fmt.Sprintf("pt c%d", pt.Controller))
		var pen svg.Pen
		pen.To(x.At(pt.Cost.Low), py)
		pen.To(x.At(pt.Cost.High), py)
		pen.Up()
		pen.To(px, y.At(pt.Violations.Low))
		pen.To(px, y.At(pt.Violations.High))
		p.Path("bar", pen.String())
		p.Point(mark, px, py, 5, "")
		p.EndGroup()
		boxes = append(boxes, box{px - 7, py - 7, px + 7, py + 7})
	}
	return boxes
}

// paretoFront lists the points that no other is at most as dear and at most as bad as, cheapest first.
func paretoFront(points []Point, controllers []Controller) []int {
	var order []int
	for i := range points {
		if controllers[points[i].Controller].Kind != KindBound {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch p, q := &points[a], &points[b]; {
		case p.Cost.Value != q.Cost.Value:
			return sign(p.Cost.Value - q.Cost.Value)
		default:
			return sign(p.Violations.Value - q.Violations.Value)
		}
	})
	var front []int
	for _, k := range order {
		if len(front) == 0 || points[k].Violations.Value < points[front[len(front)-1]].Violations.Value {
			front = append(front, k)
		}
	}
	return front
}

func sign(d float64) int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// box is room that is taken.
type box struct{ x0, y0, x1, y1 int }

func (b *box) overlap(c *box) int {
	w, h := min(b.x1, c.x1)-max(b.x0, c.x0), min(b.y1, c.y1)-max(b.y0, c.y0)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h
}

// Height of a label and mean width of a letter of it.
const labelHeight, letterWidth = 19, 10

// place finds room for a label of so many letters near a point: the nearest place that covers nothing, or the one that covers least.
func place(px, py, letters int, taken []box) box {
	width := letterWidth * letters
	var best box
	least := -1
	for distance := 0; distance <= 16; distance++ {
		dy := distance * (labelHeight - 1)
		for _, at := range [...][2]int{{px + 9, py - labelHeight/2}, {px - 9 - width, py - labelHeight/2}, {px - width/2, py + 8}, {px - width/2, py - 8 - labelHeight}} {
			for _, shift := range [...]int{-dy, dy} {
				b := box{at[0], at[1] + shift, at[0] + width, at[1] + shift + labelHeight}
				if b.x0 < 2 || b.x1 > paretoWidth-2 || b.y0 < paretoTop-8 || b.y1 > paretoBottom {
					continue
				}
				covered := 0
				for i := range taken {
					covered += b.overlap(&taken[i])
				}
				if least < 0 || covered < least {
					best, least = b, covered
				}
				if covered == 0 {
					return b
				}
			}
		}
	}
	if least < 0 { // a name wider than the plot
		x := min(max(px+9, 2), max(paretoWidth-2-width, 2))
		return box{x, py - 8, x + width, py - 8 + labelHeight}
	}
	return best
}

func abs(n int) int { return max(n, -n) }
