package incidents

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/internal/docblock"
)

var update = flag.String("update", "", "path of a summary.md of the suite, to put into docs/incidents.md")

const docsFile = "../../docs/incidents.md"

// TestIncidentsDoc compares the table of docs/incidents.md with the incidents: each is there, with what its report says, and the HPA's
// numbers are those that a run must come to. make incidents writes it.
func TestIncidentsDoc(t *testing.T) {
	if *update != "" {
		data, err := os.ReadFile(*update)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.ReplaceAll(strings.TrimPrefix(string(data), "# Incidents\n"), "\n## ", "\n### ")
		if err := docblock.Update(docsFile, map[string]string{"incidents": body}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	block, err := docblock.Get(string(data), "incidents")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ = strings.Cut(block, "anchors\n\n|")
	table, _, _ := strings.Cut(block, "\n\n")
	rows := map[string][][]string{} // by incident; first the one that names it
	header, name := []string(nil), ""
	for i, line := range strings.Split("|"+table, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if strings.HasPrefix(line, "|  ") { // of the incident above
			cells = append([]string{"", "", ""}, strings.Split(strings.TrimLeft(line, "| "), " | ")...)
		}
		switch {
		case i == 0:
			header = cells
		case i > 1:
			if cells[1] != "" {
				name = cells[1]
			}
			rows[name] = append(rows[name], cells)
		}
	}
	if len(header) < 8 || header[5] != "hpa" || header[6] != "hpa:tuned" || header[7] != "keda" {
		t.Fatalf("columns %q", header)
	}
	for _, name := range configs.Names(configs.Incidents) {
		x := load(t, name)
		list := x.Compare
		if len(list) == 0 {
			list = []Measure{violations}
		}
		got := rows[name]
		if len(got) != len(list) || got[0][0] != orDash(x.ID) || got[0][2] != x.Anchor {
			t.Errorf("%s is not in docs/incidents.md as its file has it, but as %q; run make incidents", name, got)
			continue
		}
		for k := range list {
			m, cells := &list[k], got[k]
			v, err := strconv.ParseFloat(cells[5], 64)
			if cells[3] != m.Title() || cells[4] != Format(m.Anchor) || x.Compare != nil && (err != nil && cells[5] != "never" || err == nil && !(v >= m.From-0.05 && v <= m.To+0.05)) {
				t.Errorf("%s: docs/incidents.md has %q; want %s, %s, and %s from %v to %v; run make incidents", name, cells, m.Title(), Format(m.Anchor), header[5], m.From, m.To)
			}
			if m.Why != "" && !strings.Contains(string(data), fmt.Sprintf("- %s, %s: %s\n", name, m.Title(), m.Why)) {
				t.Errorf("%s: docs/incidents.md does not say why %s differs; run make incidents", name, m.Title())
			}
		}
	}
}

func orDash(id string) string {
	if id == "" {
		return "-"
	}
	return id
}
