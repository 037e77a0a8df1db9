package promclient

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/internal/strictyaml"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// Format is the number of the newest format of sets of queries that this package reads.
const Format = 1

// Set is a set of queries.
type Set struct {
	Name    string // of its file
	About   string
	Queries []Query // in the order of trace.Quantities; their text holds placeholders
}

// Query is a PromQL expression and what its answer is.
type Query struct {
	Quantity string // a name in trace.Quantities
	Text     string
}

// Values replace the placeholders of a set.
type Values struct {
	Namespace string        // $namespace
	Entry     string        // $entry: the service that users talk to
	Window    time.Duration // $window: of rate()
}

// setYAML is a set as it stands in the file.
type setYAML struct {
	Format  int               `yaml:"format"`
	About   string            `yaml:"about"`
	Queries map[string]string `yaml:"queries"`
}

// DecodeSet reads a set. name is the file's name for messages.
func DecodeSet(r io.Reader, name string) (*Set, error) {
	var y setYAML
	doc, err := strictyaml.Decode(r, name, &y)
	if err != nil {
		return nil, err
	}
	var bad []error
	switch {
	case y.Format > Format:
		bad = append(bad, doc.Errorf("format", "%d is newer than %d, the newest that this grlscaler reads; use a newer grlscaler", y.Format, Format))
	case y.Format < 1:
		bad = append(bad, doc.Errorf("format", "%d is no format; write format: %d", y.Format, Format))
	}
	if len(y.Queries) == 0 {
		bad = append(bad, doc.Errorf("queries", "there are none; write NAME: QUERY lines below it, as grlscaler trace queries cadvisor-istio shows"))
	}
	set := &Set{Name: name, About: y.About}
	known := map[string]bool{}
	for _, q := range trace.Quantities() {
		known[q.Name] = true
		text, ok := y.Queries[q.Name]
		if !ok {
			continue
		}
		if text = strings.TrimSpace(text); text == "" {
			bad = append(bad, doc.Errorf("queries."+q.Name, "the query is empty; remove the line"))
		}
		for _, p := range placeholders(text) {
			if !slices.Contains(placeholderNames, p) {
				bad = append(bad, doc.Errorf("queries."+q.Name, "$%s is no placeholder; they are $%s", p, strings.Join(placeholderNames, ", $")))
			}
		}
		set.Queries = append(set.Queries, Query{Quantity: q.Name, Text: text})
	}
	var names []string
	for n := range y.Queries {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if !known[n] {
			bad = append(bad, doc.Errorf("queries."+n, "is not the name of anything that can be imported; docs/import.md lists the names"))
		}
	}
	return set, errors.Join(bad...)
}

var placeholderNames = []string{"namespace", "entry", "window"}

// placeholder finds $name. $1 and $ at the end of a regular expression are PromQL's own.
var placeholder = regexp.MustCompile(`\$([a-z_]+)`)

// placeholders lists those of a text, each once, in order.
func placeholders(text string) []string {
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// dnsName is what Kubernetes allows as the name of a namespace or of a workload: no letter of it means anything in PromQL.
var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// Check says what is wrong with values.
func (v Values) Check() error {
	var bad []error
	for _, x := range []struct{ what, name string }{{"namespace", v.Namespace}, {"entry service", v.Entry}} {
		if x.name != "" && !dnsName.MatchString(x.name) {
			bad = append(bad, fmt.Errorf("the %s %q is not a name of Kubernetes (lower-case letters, digits, dashes and dots)", x.what, x.name))
		}
	}
	if v.Window < 0 || v.Window%time.Millisecond != 0 {
		bad = append(bad, fmt.Errorf("a window of %v is not a whole number of milliseconds", v.Window))
	}
	return errors.Join(bad...)
}

// Replace puts values in the place of placeholders. Those for which there is no value stay, and are returned.
func (v Values) Replace(text string) (out string, left []string) {
	values := map[string]string{"namespace": v.Namespace, "entry": v.Entry}
	if v.Window > 0 {
		values["window"] = Duration(v.Window)
	}
	out = placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if x := values[p[1:]]; x != "" {
			return x
		}
		return p
	})
	return out, placeholders(out)
}

// Expand is the set's queries with values in the place of placeholders.
func (s *Set) Expand(v Values) ([]Query, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	queries := slices.Clone(s.Queries)
	var missing []string
	for i := range queries {
		var left []string
		queries[i].Text, left = v.Replace(queries[i].Text)
		for _, p := range left {
			if !slices.Contains(missing, p) {
				missing = append(missing, p)
			}
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the queries of %s need --%s", s.Name, strings.Join(missing, " and --"))
	}
	return queries, nil
}

// Duration is a duration in PromQL, which knows no fractions: 90s, 1500ms.
func Duration(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// EncodeSet is the YAML of a set with these queries.
func EncodeSet(queries []Query) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "format: %d\nqueries:\n", Format)
	for _, q := range queries {
		fmt.Fprintf(&b, "  %s: |-\n", q.Quantity)
		for _, line := range strings.Split(q.Text, "\n") {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return []byte(b.String())
}
