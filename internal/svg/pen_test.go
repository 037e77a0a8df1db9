package svg

import (
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var token = regexp.MustCompile(`[MlhvzZ]|-?\d+`)

// strokes reads a path back, by the rules of SVG 1.1 section 8.3: a repeated letter may be left out, lower case is relative.
func strokes(t *testing.T, d string) (out [][][2]int) {
	t.Helper()
	words := token.FindAllString(d, -1)
	if strings.Join(words, "") != strings.ReplaceAll(d, " ", "") {
		t.Fatalf("path %q holds more than commands and numbers", d)
	}
	x, y, command := 0, 0, ""
	for len(words) > 0 {
		if words[0][0] >= 'A' && words[0][0] <= 'z' {
			command, words = words[0], words[1:]
		}
		if command == "z" {
			continue
		}
		var n []int
		for range map[string]int{"M": 2, "l": 2, "h": 1, "v": 1}[command] {
			v, err := strconv.Atoi(words[0])
			if err != nil {
				t.Fatalf("path %q: %v", d, err)
			}
			n, words = append(n, v), words[1:]
		}
		switch command {
		case "M":
			x, y = n[0], n[1]
			out = append(out, nil)
		case "l":
			x, y = x+n[0], y+n[1]
		case "h":
			x += n[0]
		case "v":
			y += n[0]
		}
		last := len(out) - 1
		out[last] = append(out[last], [2]int{x, y})
	}
	return out
}

// corners leaves out what a line does not show: repeated points, and those on the way straight along an axis.
func corners(points [][2]int) [][2]int {
	var out [][2]int
	for _, p := range points {
		n := len(out)
		if n > 0 && out[n-1] == p {
			continue
		}
		if n > 1 {
			a, b := out[n-2], out[n-1]
			along := func(i int) bool { return a[1-i] == b[1-i] && b[1-i] == p[1-i] && (b[i]-a[i] > 0) == (p[i]-b[i] > 0) }
			if along(0) || along(1) {
				out = out[:n-1]
			}
		}
		out = append(out, p)
	}
	return out
}

func TestPenDrawsWhatItIsTold(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var pen Pen
		var want [][][2]int
		for range 1 + r.IntN(3) {
			pen.Up()
			var stroke [][2]int
			x, y := r.IntN(9)-4, r.IntN(9)-4
			for range 1 + r.IntN(12) {
				pen.To(x, y)
				stroke = append(stroke, [2]int{x, y})
				switch r.IntN(3) { // often straight on, or nowhere
				case 0:
					x += r.IntN(5) - 2
				case 1:
					y += r.IntN(5) - 2
				default:
					x, y = x+r.IntN(5)-2, y+r.IntN(5)-2
				}
			}
			want = append(want, corners(stroke))
		}
		got := strokes(t, pen.String())
		for i := range got {
			got[i] = corners(got[i])
		}
		if !slices.EqualFunc(got, want, slices.Equal[[][2]int]) {
			t.Fatalf("seed %d: path %q is %v, want %v", seed, pen.String(), got, want)
		}
	}
}

func TestPenIsShort(t *testing.T) {
	var pen Pen
	for x := range 1000 {
		pen.To(x, 7)
	}
	if got := pen.String(); got != "M0 7h999" {
		t.Errorf("a level line of 1000 points is %q", got)
	}
	pen.Close()
	pen.To(1, 2)
	if got := pen.String(); got != "M0 7h999zM1 2" {
		t.Errorf("after closing: %q", got)
	}
	if got := new(Pen).String(); got != "" {
		t.Errorf("nothing drawn: %q", got)
	}
}

// TestPictureIsWellFormed reads a picture back as XML, with names that need escaping.
func TestPictureIsWellFormed(t *testing.T) {
	var p Picture
	p.Begin(10, 20, "panel", "p1", `a<b & "c"`, "d > e")
	p.Group("g")
	p.Text(1, 2, "m", "</text><script>")
	p.Path("l", "M0 0h1")
	p.Path("l", "")
	for m := Disc; m <= Diamond; m++ {
		p.Point(m, 5, 5, 2, "k")
	}
	p.Rect(9, 9, 1, 2, "")
	p.EndGroup()
	text := p.End()
	seen := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if start, ok := tok.(xml.StartElement); ok {
			seen[start.Name.Local]++
			for _, a := range start.Attr {
				if v, err := strconv.Atoi(a.Value); err == nil && v < 0 {
					t.Errorf("%s of %s is %d", a.Name.Local, start.Name.Local, v)
				}
			}
		}
	}
	// An empty path is not drawn; a triangle and a diamond are paths, a square is a rectangle.
	want := map[string]int{"svg": 1, "title": 1, "desc": 1, "g": 1, "text": 1, "path": 3, "circle": 1, "rect": 2}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("elements %v, want %v", seen, want)
	}
}
