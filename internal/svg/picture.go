package svg

import (
	"bytes"
	"fmt"
	"html"
	"strconv"
)

// Picture is an SVG element in the making. The zero value is empty; Begin comes first and End last.
type Picture struct{ b bytes.Buffer }

// Begin opens a picture of so many units. Title and description are what a screen reader says; id makes their names unique on
// the page.
func (p *Picture) Begin(width, height int, class, id, title, desc string) {
	fmt.Fprintf(&p.b, `<svg class="%s" viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		class, width, height, id, id, id, html.EscapeString(title), id, html.EscapeString(desc))
}

// End closes the picture and returns it.
func (p *Picture) End() string {
	p.b.WriteString("</svg>")
	return p.b.String()
}

// Group opens a group; End closes it with EndGroup.
func (p *Picture) Group(class string) { p.b.WriteString(`<g class="` + class + `">`) }

// EndGroup closes the last group.
func (p *Picture) EndGroup() { p.b.WriteString("</g>") }

// Path draws a path; none if it is empty.
func (p *Picture) Path(class, d string) {
	if d == "" {
		return
	}
	p.b.WriteString("<path")
	p.class(class)
	p.b.WriteString(` d="` + d + `"/>`)
}

// Text writes a label whose anchor (start, middle or end) the class decides.
func (p *Picture) Text(x, y int, class, text string) {
	p.b.WriteString("<text")
	p.class(class)
	p.b.WriteString(` x="` + strconv.Itoa(x) + `" y="` + strconv.Itoa(y) + `">` + html.EscapeString(text) + "</text>")
}

// Rect draws a rectangle between two corners.
func (p *Picture) Rect(x0, y0, x1, y1 int, class string) {
	x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
	p.b.WriteString("<rect")
	p.class(class)
	fmt.Fprintf(&p.b, ` x="%d" y="%d" width="%d" height="%d"/>`, x0, y0, x1-x0, y1-y0)
}

// Marks are shapes of points.
type Mark int

const (
	Disc Mark = iota
	Square
	Triangle
	Diamond
)

// Point draws a mark of a radius around a place.
func (p *Picture) Point(m Mark, x, y, r int, class string) {
	switch m {
	case Square:
		p.Rect(x-r, y-r, x+r, y+r, class)
	case Triangle:
		p.Path(class, fmt.Sprintf("M%d %dl%d %dh%dz", x, y-r-1, r+1, 2*r+1, -2*r-2))
	case Diamond:
		p.Path(class, fmt.Sprintf("M%d %dl%d %dl%d %dl%d %dz", x, y-r-2, r+2, r+2, -r-2, r+2, -r-2, -r-2))
	default:
		p.b.WriteString("<circle")
		p.class(class)
		fmt.Fprintf(&p.b, ` cx="%d" cy="%d" r="%d"/>`, x, y, r)
	}
}

func (p *Picture) class(class string) {
	if class != "" {
		p.b.WriteString(` class="` + class + `"`)
	}
}
