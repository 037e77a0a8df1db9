package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func write(t *testing.T, d *Data) []byte {
	t.Helper()
	page, err := Write(d)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// element is a start tag of a page.
type element struct {
	name string
	attr map[string]string
	text string // directly inside
}

// elements reads a page; tags that do not match are errors.
func elements(t *testing.T, page []byte) []*element {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var all, open []*element
	for {
		tok, err := d.Token()
		if err == io.EOF {
			if len(open) != 0 {
				t.Fatalf("%s is not closed", open[len(open)-1].name)
			}
			return all
		}
		if err != nil {
			t.Fatalf("page: %v", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{name: tok.Name.Local, attr: map[string]string{}}
			for _, a := range tok.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			if open[len(open)-1].name != tok.Name.Local {
				t.Fatalf("%s is closed by %s", open[len(open)-1].name, tok.Name.Local)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(tok)
			}
		}
	}
}

func TestGoldenPage(t *testing.T) {
	got := write(t, made(3, 1, 1, 8))
	path := filepath.Join("testdata", "report.html")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (regenerate with -update and read the diff):\n%s", path, diff)
	}
}

func TestSameDataSameBytes(t *testing.T) {
	first := write(t, made(9, 3, 4, 60))
	for range 5 {
		if !bytes.Equal(first, write(t, made(9, 3, 4, 60))) {
			t.Fatal("the same data gave another page")
		}
	}
}

// outside finds what a browser would fetch, run or be led to.
var outside = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(src|srcset|href|action|data|poster|background|xlink:href)\s*=\s*["']?(?:[^#"'d]|d[^a])`), // but #part and data:
	regexp.MustCompile(`(?i)url\(`), regexp.MustCompile(`(?i)@import`), regexp.MustCompile(`(?i)<(script|iframe|object|embed|base|img|form|foreignObject)\b`),
	regexp.MustCompile(`(?i)\son[a-z]+\s*=`), regexp.MustCompile(`(?i)http-equiv`), regexp.MustCompile(`(?i)https?://`),
}

func TestNothingIsFetched(t *testing.T) {
	page := write(t, made(4, 2, 3, 40))
	for _, r := range outside {
		if found := r.Find(page); found != nil {
			t.Errorf("the page holds %q (%v)", found, r)
		}
	}
	// The patterns find what they are for.
	for i, bad := range []string{`<link href="style.css">`, `background:url(x)`, `@import "x"`, `<script>`, `<p onclick="x">`, `<meta http-equiv="refresh">`, `<p>https://example.org`} {
		if !outside[i].MatchString(bad) {
			t.Errorf("%v does not find %q", outside[i], bad)
		}
	}
}

// TestParts: the page has what it promises, under names that are there once.
func TestParts(t *testing.T) {
	d := made(4, 2, 3, 40)
	all := elements(t, write(t, d))
	ids, texts := map[string]int{}, map[string]int{}
	count := map[string]int{}
	for _, e := range all {
		if id := e.attr["id"]; id != "" {
			ids[id]++
		}
		texts[e.name+":"+strings.TrimSpace(e.text)]++
		count[e.name]++
		count[e.name+"."+e.attr["class"]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %s is there %d times", id, n)
		}
	}
	for _, e := range all {
		for _, key := range []string{"for", "aria-labelledby", "href"} {
			for _, id := range strings.Fields(strings.TrimPrefix(e.attr[key], "#")) {
				if ids[id] == 0 && id != "data:," {
					t.Errorf("%s %s=%q leads nowhere", e.name, key, e.attr[key])
				}
			}
		}
		if e.name == "svg" && e.attr["aria-hidden"] == "" && (e.attr["role"] != "img" || len(strings.Fields(e.attr["aria-labelledby"])) != 2) {
			t.Errorf("a plot has no title and description: %v", e.attr)
		}
	}
	// Two scenarios: four panels and four steps each; three plots of cost; one of training.
	if count["svg.panel"] != 2*(4+4) || count["svg.plot"] != 3+1 {
		t.Errorf("%d panels and %d plots, want 16 and 4", count["svg.panel"], count["svg.plot"])
	}
	if count["input.t3"] != 2 || count["path.demand"] != 8 || count["path.slo"] != 4 {
		t.Errorf("%d boxes of a controller, %d demand curves, %d SLOs; want 2, 8, 4", count["input.t3"], count["path.demand"], count["path.slo"])
	}
	for _, want := range []string{"h2:overall", "h2:load-0", "h2:load-1", "h3:verdict", "p:Under any price.", "th:" + oddName, "td:2.200", "small:[2.100, 2.300]*", "figcaption:the whole application",
		"figcaption:service-3", "li:Application shop_1, version v1.2.3.", "p:elsewhere: no progress.csv lies beside the policy.", "pre:format: 1\nversion: v1.2.3", "title:Benchmark made",
		"p:service-1 needs 7 replicas instead of 3 from 3.25 min on. Each bar is a control interval: the most that was needed in it, and the pods at its end. The lag is read off the bars; the tables' is measured every second and over all services."} {
		if texts[want] == 0 {
			t.Errorf("%q is missing", want)
		}
	}
	if texts["h2:verdict"] != 0 {
		t.Error("what summary.md says beside the scenarios became a scenario")
	}
}

// TestEveryControllerCanBeHidden: each has a rule, and its box stands before the panels with its lines.
func TestEveryControllerCanBeHidden(t *testing.T) {
	d := made(23, 1, 2, 10)
	page := string(write(t, d))
	styles := map[string]bool{}
	for i := range d.Controllers {
		rule := fmt.Sprintf(".t%d:not(:checked)~.grid .c%d{display:none}", i, i)
		if !strings.Contains(page, rule) {
			t.Errorf("there is no rule %s", rule)
		}
		look := regexp.MustCompile(fmt.Sprintf(`\n\.c%d\{([^}]*)\}`, i)).FindStringSubmatch(page)
		if look == nil || styles[look[1]] && d.Controllers[i].Kind != KindBound {
			t.Errorf("controller %d looks like another: %v", i, look)
		} else {
			styles[look[1]] = true
		}
		box, group := strings.Index(page, fmt.Sprintf(`class="t%d"`, i)), strings.Index(page, fmt.Sprintf(`<g class="l c%d">`, i))
		if box < 0 || group < box {
			t.Errorf("controller %d: box at %d, lines at %d", i, box, group)
		}
	}
}

// TestPageStaysSmall: what a full benchmark has, and a day of it, a long recording, and a large application.
func TestPageStaysSmall(t *testing.T) {
	for _, c := range []struct{ controllers, scenarios, services, intervals int }{{14, 5, 11, 60}, {14, 5, 11, 5760}, {14, 2, 60, 60}} {
		page := write(t, made(c.controllers, c.scenarios, c.services, c.intervals))
		t.Logf("%+v: %d bytes", c, len(page))
		if len(page) > 3_000_000 {
			t.Errorf("%+v: %d bytes, want at most 3,000,000", c, len(page))
		}
		if thinned := strings.Contains(string(page), "A line has two points for each"); thinned != (c.intervals > 120) {
			t.Errorf("%+v: the page says that lines were thinned: %v", c, thinned)
		}
	}
}

func TestOddData(t *testing.T) {
	one := made(1, 1, 1, 1)
	level := made(2, 1, 1, 20)
	for r := range level.Sections[1].Runs {
		for s := range level.Sections[1].Runs[r].Services {
			x := &level.Sections[1].Runs[r].Services[s]
			for i := range x.At {
				x.Needed[i], x.RPS[i], x.P95Ms[i] = 1, 0, 0
			}
		}
	}
	free := made(3, 1, 1, 5)
	for i := range free.Sections[0].Points {
		free.Sections[0].Points[i].Cost = Value{}
		free.Sections[0].Points[i].Violations = Value{}
	}
	bare := made(2, 1, 1, 5)
	bare.Curves, bare.Sections[1].Runs = nil, nil
	for name, d := range map[string]*Data{"one of everything": one, "nothing happens": level, "free of charge": free, "no runs kept": bare, "nothing at all": {}} {
		page := write(t, d)
		elements(t, page)
		for _, bad := range []string{"NaN", "Inf", "-9223372036854775808"} {
			if bytes.Contains(page, []byte(bad)) {
				t.Errorf("%s: the page holds %s", name, bad)
			}
		}
	}
	if page := write(t, level); !bytes.Contains(page, []byte("The demand never rises")) {
		t.Error("without a step the page does not say so")
	}
	if page := write(t, bare); bytes.Contains(page, []byte(`id="training"`)) || bytes.Contains(page, []byte("over time")) {
		t.Error("without runs and trainings the page has their headings")
	}
}

func TestMarkdown(t *testing.T) {
	text := "# T\n\n- one \\_a\\_\n- two\n\nSome\ntext \\`x\\`.\n\n| a | b\\|c |\n|---|---:|\n| x&lt;y | 1 [0, 2]\\* |\n| z | - |\n\n```\ncode | #\n```\n## H\n"
	want := []block{
		{Level: 1, Text: "T"}, {List: []string{"one _a_", "two"}}, {Text: "Some text `x`."},
		{Head: []string{"a", "b|c"}, Rows: [][]cell{{{Text: "x<y"}, {"1", "[0, 2]*"}}, {{Text: "z"}, {Text: "-"}}}},
		{Code: "code | #\n"}, {Level: 2, Text: "H"},
	}
	if diff := cmp.Diff(want, readMarkdown(text)); diff != "" {
		t.Error(diff)
	}
	if names := order(readMarkdown(text)); !slices.Equal(names, []string{"H"}) {
		t.Errorf("headings %v", names)
	}
}

// FuzzMarkdown: whatever stands in summary.md, the page keeps its letters and is well formed.
func FuzzMarkdown(f *testing.F) {
	f.Add("# a\n\n## load-0\n\n| x | y |\n|---|---:|\n| 1 | 2 [3, 4] |\n")
	f.Add("|\n||\n| \\| |\n```\n|")
	f.Add("- a\n|b|\n- c")
	f.Fuzz(func(t *testing.T, text string) {
		letters := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' {
					return r
				}
				return -1
			}, s)
		}
		var kept strings.Builder
		for _, b := range readMarkdown(text) {
			kept.WriteString(b.Text + b.Code + strings.Join(b.List, "") + strings.Join(b.Head, ""))
			for _, row := range b.Rows {
				for _, c := range row {
					kept.WriteString(c.Text + c.Interval)
				}
			}
		}
		if !strings.Contains(text, "```") && !strings.Contains(text, "&lt;") { // a fence may name a language, which is not shown
			if got, want := letters(kept.String()), letters(text); got != want {
				t.Errorf("%q became %q", want, got)
			}
		}
		page, err := Write(&Data{Summary: []byte(text), Sections: []Section{{Name: "load-0"}}})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(page, []byte("<tr>")) != bytes.Count(page, []byte("</tr>")) {
			t.Error("rows do not match")
		}
	})
}
