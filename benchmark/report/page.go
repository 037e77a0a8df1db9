// Package report writes the results of a benchmark as one page of HTML that needs nothing beside it: no network, no script, no font.
//
// [Write] takes [Data], plain numbers, and repeats the tables of summary.md, so that both files say the same. Plots are inline SVG
// (package internal/svg) with a title and a description; which controllers' lines show is decided by check boxes and style alone. The
// same data give the same bytes.
//
// It works nothing out: estimates and intervals are the benchmark's.
package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// What a page may take: points of a line, and bytes of all lines together, by which many services or controllers get fewer points.
const (
	mostPoints  = 120
	leastPoints = 16
	lineBudget  = 2_200_000
	pointBytes  = 6
)

// colours is the number of colours that lines have before dashes tell them apart.
const colours = 7

// dashes of the first seven controllers, the next seven, ...
var dashes = [...]string{"none", "14 7", "4 6", "18 6 4 6"}

var page = template.Must(template.New("page").Parse(pageText))

// view is what the template shows.
type view struct {
	Title       string
	Style       template.CSS
	Intro       []block
	Sections    []sectionView
	Rest        []block // of summary.md, what belongs to no section
	Learning    template.HTML
	LearningKey []controllerView
	Missing     []Curve
	Config      string
}

type sectionView struct {
	ID, Name    string
	Pareto      template.HTML
	Headline    []block // the first table with what stands before it
	Blocks      []block // the others
	Controllers []controllerView
	Seed        uint64
	Panels      []figure
	Thinned     int // intervals that share two points of a line; 0 where all are drawn
	Step        string
	Steps       []figure
}

type controllerView struct {
	Index int
	Name  string
	Shown bool
}

// figure is a plot with the name above it. Class shows and hides it.
type figure struct {
	Class, Name string
	SVG         template.HTML
}

// Write returns the page.
func Write(d *Data) ([]byte, error) {
	v := &view{Title: d.Title, Style: template.CSS(styleText + controllerStyle(d.Controllers)), Config: string(d.Config)}
	parts := splitByHeading(readMarkdown(string(d.Summary)))
	v.Intro = withoutTitle(parts[""])
	delete(parts, "")
	for i := range d.Sections {
		v.Sections = append(v.Sections, d.section(i, parts[d.Sections[i].Name]))
		delete(parts, d.Sections[i].Name)
	}
	for _, b := range order(readMarkdown(string(d.Summary))) {
		if rest, ok := parts[b]; ok {
			v.Rest = append(append(v.Rest, block{Level: 2, Text: b}), rest...)
		}
	}
	colour := map[string]int{}
	for i, c := range d.Controllers {
		colour[c.Name] = i
	}
	v.Learning = template.HTML(learning("learning", d.Curves, colour))
	for _, c := range d.Curves {
		if c.Missing != "" {
			v.Missing = append(v.Missing, c)
		} else {
			v.LearningKey = append(v.LearningKey, controllerView{Index: colour[c.Controller], Name: c.Controller})
		}
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// section makes section i with the blocks that summary.md has under its name.
func (d *Data) section(i int, blocks []block) sectionView {
	sec := &d.Sections[i]
	v := sectionView{ID: fmt.Sprintf("s%d", i), Name: sec.Name, Seed: sec.Seed}
	first := slices.IndexFunc(blocks, func(b block) bool { return b.Rows != nil })
	v.Headline, v.Blocks = blocks[:first+1], blocks[first+1:]
	if len(sec.Points) > 1 {
		v.Pareto = template.HTML(pareto(v.ID+"c", sec.Name, d.CostLabel, sec.Points, d.Controllers))
	}
	if len(sec.Runs) == 0 {
		return v
	}
	for _, r := range sec.Runs {
		c := d.Controllers[r.Controller]
		v.Controllers = append(v.Controllers, controllerView{r.Controller, c.Name, c.Shown})
	}
	most := d.points()
	intervals := len(sec.Runs[0].Services[0].At)
	if intervals > most {
		v.Thinned = spanLength(intervals, most)
	}
	for s := range sec.Runs[0].Services {
		name := sec.Runs[0].Services[s].Name
		v.Panels = append(v.Panels, figure{Name: title(name), SVG: template.HTML(panel(fmt.Sprintf("%sp%d", v.ID, s), sec, s, most))})
	}
	if st, ok := largestStep(sec); ok {
		service := &sec.Runs[0].Services[st.service]
		v.Step = fmt.Sprintf("%s needs %g replicas instead of %g from %s on", service.Name, st.to, st.from, duration(st.at))
		for _, r := range sec.Runs {
			name := d.Controllers[r.Controller].Name
			v.Steps = append(v.Steps, figure{Class: fmt.Sprintf("c%d", r.Controller), Name: name,
				SVG: template.HTML(lagPicture(fmt.Sprintf("%sl%d", v.ID, r.Controller), name, &r.Services[st.service], &st))})
		}
	}
	return v
}

// title names a service above its panel.
func title(service string) string {
	if service == "*" {
		return "the whole application"
	}
	return service
}

// points is how many points a line may have for the page to stay small.
func (d *Data) points() int {
	lines := 0
	for i := range d.Sections {
		for k := range d.Sections[i].Runs {
			lines += 3 * len(d.Sections[i].Runs[k].Services)
		}
	}
	return min(max(lineBudget/(pointBytes*max(lines, 1)), leastPoints), mostPoints)
}

// controllerStyle gives every controller its colour, its dashes and the rule that its check box hides it by.
func controllerStyle(controllers []Controller) string {
	var b bytes.Buffer
	for i, c := range controllers {
		colour, dash := fmt.Sprintf("--k%d", i%colours), dashes[i/colours%len(dashes)]
		if c.Kind == KindBound {
			colour, dash = "--ink", "2 7"
		}
		fmt.Fprintf(&b, ".c%d{--k:var(%s);--d:%s}.t%d:not(:checked)~.grid .c%d{display:none}\n", i, colour, dash, i, i)
	}
	return b.String()
}

// splitByHeading gathers blocks under the headings of level 2.
func splitByHeading(blocks []block) map[string][]block {
	parts := map[string][]block{}
	name := ""
	for _, b := range blocks {
		if b.Level == 2 {
			name = b.Text
			continue
		}
		parts[name] = append(parts[name], b)
	}
	return parts
}

// order lists the headings of level 2.
func order(blocks []block) []string {
	var names []string
	for _, b := range blocks {
		if b.Level == 2 {
			names = append(names, b.Text)
		}
	}
	return names
}

func withoutTitle(blocks []block) []block {
	return slices.DeleteFunc(blocks, func(b block) bool { return b.Level == 1 })
}
