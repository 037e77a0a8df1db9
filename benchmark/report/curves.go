package report

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/internal/svg"
)

// Geometry of a learning curve.
const (
	curveWidth, curveHeight = 560, 340
	curveLeft, curveRight   = 62, 530
	curveTop, curveBottom   = 40, 290
)

// mostCurvePoints is how many points a learning curve keeps.
const mostCurvePoints = 200

// learning draws the learning curves of all policies that have one over the same axes; "" if none has.
func learning(id string, curves []Curve, colour map[string]int) string {
	reward, steps := emptySpan(), 0.0
	desc := ""
	for i := range curves {
		c := &curves[i]
		own := emptySpan()
		own.add(c.Reward...)
		if own.empty() {
			continue
		}
		reward.add(own.lo, own.hi)
		steps = max(steps, c.Steps[len(c.Steps)-1])
		desc += fmt.Sprintf("%s ends at %s after %s steps. ", c.Controller, svg.Number(significant(lastNumber(c.Reward))), svg.Number(c.Steps[len(c.Steps)-1]))
	}
	if reward.empty() {
		return ""
	}
	if reward.hi == reward.lo {
		reward.add(reward.hi+1, reward.lo-1)
	}
	p := &svg.Picture{}
	p.Begin(curveWidth, curveHeight, "plot", id, "Learning curves", desc)
	x := &svg.Axis{Max: max(steps, 1), From: curveLeft, To: curveRight}
	y := &svg.Axis{Min: reward.lo, Max: reward.hi, From: curveBottom, To: curveTop}
	var grid svg.Pen
	for _, t := range y.Ticks(6) {
		grid.Up()
		grid.To(x.From, t.At)
		grid.To(x.To, t.At)
		p.Text(x.From-6, t.At+5, "e", t.Label)
	}
	p.Path("grid", grid.String())
	for _, t := range x.Ticks(6) {
		p.Text(t.At, curveBottom+20, "m", t.Label)
	}
	p.Text(curveLeft, 22, "s", "total reward of an episode, mean of the last 100")
	p.Text(curveRight, curveHeight-8, "e", "environment steps")
	for i := range curves {
		c := &curves[i]
		at, v := thin(c.Steps, c.Reward, mostCurvePoints)
		p.Group(fmt.Sprintf("l c%d", colour[c.Controller]))
		p.Path("", line(at, v, x, y))
		p.EndGroup()
	}
	return p.End()
}

func lastNumber(v []float64) float64 {
	for i := len(v) - 1; i >= 0; i-- {
		if !math.IsNaN(v[i]) {
			return v[i]
		}
	}
	return math.NaN()
}
