package trace

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/internal/docblock"
)

func TestPodOwner(t *testing.T) {
	for pod, want := range map[string]string{
		"frontend-5d9c7b8f4-x2v5k":          "frontend",              // Deployment: hash of the template, then five letters
		"checkout-service-7bb6cb8c97-2qlmz": "checkout-service",      //
		"web-2035384211-qhgpl":              "web",                   // before Kubernetes 1.9
		"redis-0":                           "redis",                 // StatefulSet
		"db-primary-12":                     "db-primary",            //
		"node-agent-8lqvz":                  "node-agent",            // DaemonSet
		"api-v2-6799fc88d8-kfqs9":           "api-v2",                //
		"frontend":                          "frontend",              // a pod of its own
		"load-tester":                       "load-tester",           // letters that Kubernetes does not use: e, o
		"a-5d9c7b8f4":                       "a-5d9c7b8f4",           // no ending
		"cache-prod-x":                      "cache-prod-x",          //
		"web-aeiou-x2v5k":                   "web-aeiou",             // aeiou is no hash: of a ReplicaSet of that name
		"-5d9c7b8f4-x2v5k":                  "-5d9c7b8f4",            // nothing before the hash
		"batch-5d9c7b8f4-x2v5k-0":           "batch-5d9c7b8f4-x2v5k", // the ending alone is cut off
	} {
		if got := podOwner(pod); got != want {
			t.Errorf("%s belongs to %s, want %s", pod, got, want)
		}
	}
}

func TestLabelOf(t *testing.T) {
	d := DefaultLabels()
	for _, c := range []struct {
		name       string
		metric     map[string]string
		labels     []string
		want, from string
	}{
		{"the first that is there", map[string]string{"deployment": "web", "pod": "web-5d9c7b8f4-x2v5k"}, d.Service, "web", "deployment"},
		{"a pod before its container, as all may be called server", map[string]string{"container": "server", "pod": "web-5d9c7b8f4-x2v5k"}, d.Service, "web", "pod"},
		{"Istio does not know", map[string]string{"destination_workload": "unknown", "pod": "web-0"}, d.Service, "web", "pod"},
		{"the exporter's Service", map[string]string{"service": "prometheus-kube-state-metrics", "deployment": "web"}, d.Service, "web", "deployment"},
		{"the exporter's port", map[string]string{"endpoint": "https-metrics", "path": "/cart"}, d.Endpoint, "/cart", "path"},
		{"Locust's name", map[string]string{"name": "/cart", "method": "GET"}, d.Endpoint, "/cart", "name"},
		{"a node by its address", map[string]string{"instance": "10.0.0.1:9100"}, d.Node, "10.0.0.1", "instance"},
		{"a node by its name", map[string]string{"instance": "worker-1"}, d.Node, "worker-1", "instance"},
		{"an IPv6 address", map[string]string{"instance": "[fd00::1]:9100"}, d.Node, "fd00::1", "instance"},
		{"without a port", map[string]string{"instance": "fd00::1"}, d.Node, "fd00::1", "instance"},
		{"none", map[string]string{"app": "web"}, d.Service, "", ""},
		{"one that is asked for", map[string]string{"app": "web", "service": "x"}, []string{"app"}, "web", "app"},
	} {
		if got, from := labelOf(c.metric, c.labels); got != c.want || from != c.from {
			t.Errorf("%s: %q by %q, want %q by %q", c.name, got, from, c.want, c.from)
		}
	}
}

// TestQuantities: names are plain, each once, and every part of a table has a place in it or is used for one that has.
func TestQuantities(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z][a-z0-9_]+$`)
	var names []string
	for _, q := range Quantities() {
		if !plain.MatchString(q.Name) || q.Unit == "" || q.Meaning == "" || q.Table() == "" || !(q.scale > 0) {
			t.Errorf("%+v", q)
		}
		if slices.Contains(names, q.Name) {
			t.Errorf("%s is there twice", q.Name)
		}
		names = append(names, q.Name)
		if q.Counter && q.join != joinSum {
			t.Errorf("%s: rates of a counter are added", q.Name)
		}
		if col, ok := partColumns[q.table][q.part]; ok {
			if i := slices.IndexFunc(q.table.values(), func(c column) bool { return c.name == col }); i < 0 {
				t.Errorf("%s: table %s has no column %s", q.Name, q.table.name, col)
			}
		} else if derived := needs(q.part); derived == nil && q.join != joinReplica {
			t.Errorf("%s goes nowhere", q.Name)
		}
		if _, ok := findQuantity(q.Name); !ok {
			t.Errorf("%s is not found", q.Name)
		}
	}
}

// importDoc describes the importers of metrics.
const importDoc = "../../docs/import.md"

// TestImportDoc compares the table of quantities in docs/import.md with the code, and looks for every label. With -update it writes the table.
func TestImportDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString("| answer | unit | | becomes |\n|---|---|---|---|\n")
	for _, q := range Quantities() {
		counter := ""
		if q.Counter {
			counter = "counter"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", q.Name, q.Unit, counter, q.Meaning)
	}
	if *update {
		if err := docblock.Update(importDoc, map[string]string{"quantities": b.String()}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(importDoc)
	if err != nil {
		t.Fatal(err)
	}
	old, err := docblock.Get(string(data), "quantities")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(old, b.String()); d != "" {
		t.Errorf("-docs +code\n%s", d)
	}
	labels := DefaultLabels()
	for _, list := range [][]string{labels.Service, labels.Endpoint, labels.Node, labels.Source, labels.Destination} {
		if text := "| " + strings.Join(list, ", "); !strings.Contains(string(data), text) {
			t.Errorf("the labels %q are not described", text)
		}
	}
}
