package svg

import "strconv"

// Pen writes the path of a line. Up begins another stroke; To goes on. Moves are relative and a horizontal or vertical one takes one
// number, so that a step line costs a few bytes a step.
type Pen struct {
	b       []byte
	x, y    int
	down    bool // a stroke has begun
	command byte // the last one: a repeated letter may be left out
	last    int  // where the last h or v began in b, to draw on in the same direction
	run     int  // how far it went
}

// Up lifts the pen: the next To moves without drawing.
func (p *Pen) Up() { p.down, p.command = false, 0 }

// To draws a line to a place.
func (p *Pen) To(x, y int) {
	dx, dy := x-p.x, y-p.y
	switch {
	case !p.down:
		p.b = append(p.b, 'M')
		p.b = strconv.AppendInt(p.b, int64(x), 10)
		p.number(y)
		p.down, p.command = true, 'M'
	case dx == 0 && dy == 0:
		return
	case dy == 0:
		p.straight('h', dx)
	case dx == 0:
		p.straight('v', dy)
	default:
		if p.command != 'l' {
			p.b = append(p.b, 'l')
			p.b = strconv.AppendInt(p.b, int64(dx), 10)
		} else {
			p.number(dx)
		}
		p.number(dy)
		p.command = 'l'
	}
	p.x, p.y = x, y
}

// straight draws along an axis, in one piece with a move before it in the same direction.
func (p *Pen) straight(command byte, d int) {
	if p.command == command && (d > 0) == (p.run > 0) {
		p.b, d = p.b[:p.last], d+p.run
	} else {
		p.last = len(p.b)
	}
	p.b = append(p.b, command)
	p.b = strconv.AppendInt(p.b, int64(d), 10)
	p.command, p.run = command, d
}

// number appends a number behind another: a sign separates them by itself.
func (p *Pen) number(n int) {
	if n >= 0 {
		p.b = append(p.b, ' ')
	}
	p.b = strconv.AppendInt(p.b, int64(n), 10)
}

// Close joins the stroke's end with its beginning.
func (p *Pen) Close() {
	if p.down {
		p.b = append(p.b, 'z')
		p.Up()
	}
}

// String returns the path's data, "" if nothing was drawn.
func (p *Pen) String() string { return string(p.b) }
