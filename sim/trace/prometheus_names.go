package trace

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Labels say in which label of a series a name is looked for: the first of a list that a series has is used. An empty list is the default's.
type Labels struct {
	Service, Endpoint, Node, Source, Destination []string
}

// DefaultLabels are the labels of the usual exporters: of kube-state-metrics, cAdvisor, Istio, Linkerd and Locust. A service is named
// by its pods before its containers, as all containers of an application may have one name.
func DefaultLabels() Labels {
	return Labels{
		Service:     []string{"service", "workload", "deployment", "statefulset", "daemonset", "destination_workload", "pod", "container"},
		Endpoint:    []string{"endpoint", "route", "rt_route", "request_operation", "path", "handler", "uri", "name"},
		Node:        []string{"node", "kubernetes_node", "instance"},
		Source:      []string{"source", "src", "source_workload", "deployment"},
		Destination: []string{"destination", "dst", "destination_workload", "dst_deployment"},
	}
}

// orDefault fills empty lists in.
func (l Labels) orDefault() Labels {
	d := DefaultLabels()
	for _, p := range []struct{ given, fallback *[]string }{
		{&l.Service, &d.Service}, {&l.Endpoint, &d.Endpoint}, {&l.Node, &d.Node}, {&l.Source, &d.Source}, {&l.Destination, &d.Destination},
	} {
		if len(*p.given) == 0 {
			*p.given = *p.fallback
		}
	}
	return l
}

// podLabels hold names of pods, which are shortened to those of what they belong to.
var podLabels = []string{"pod", "pod_name", "kubernetes_pod_name"}

// The names of pods. The random letters are those of k8s.io/apimachinery's rand.SafeEncodeString; the hash of a Deployment's template
// is a number whose digits it turns into 456789bcdf (before Kubernetes 1.9 the digits themselves).
var (
	deploymentPod  = regexp.MustCompile(`^(.+)-[0-9bcdf]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	statefulSetPod = regexp.MustCompile(`^(.+)-[0-9]+$`)
	replicaSetPod  = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
)

// podOwner is the Deployment, StatefulSet or DaemonSet that a pod of that name belongs to: the name itself if it has none of their forms.
func podOwner(pod string) string {
	for _, form := range []*regexp.Regexp{deploymentPod, statefulSetPod, replicaSetPod} {
		if m := form.FindStringSubmatch(pod); m != nil {
			return m[1]
		}
	}
	return pod
}

// scrapeTarget reports whether a label says from whom a metric was scraped rather than of whom it is. The Prometheus operator gives
// every series labels service and endpoint: the Service and the port of the exporter.
func scrapeTarget(label, value string) bool {
	switch label {
	case "service":
		for _, exporter := range []string{"kubelet", "kube-state-metrics", "cadvisor", "node-exporter"} {
			if strings.HasSuffix(value, exporter) {
				return true
			}
		}
	case "endpoint":
		return strings.HasSuffix(value, "metrics") || strings.HasSuffix(value, "-prom")
	}
	return false
}

// labelOf finds the first of labels that a series has, and the name that it gives. Istio writes "unknown" where it does not know.
func labelOf(metric map[string]string, labels []string) (name, label string) {
	for _, label := range labels {
		v := metric[label]
		switch {
		case v == "" || v == "unknown" || scrapeTarget(label, v):
			continue
		case slices.Contains(podLabels, label):
			v = podOwner(v)
		case label == "instance":
			v = withoutPort(v)
		}
		return v, label
	}
	return "", ""
}

// withoutPort takes the port from an address such as 10.0.0.1:9100 or [fd00::1]:9100.
func withoutPort(address string) string {
	i := strings.LastIndexByte(address, ':')
	host := address[:max(i, 0)]
	if bare, ok := strings.CutPrefix(host, "["); ok {
		return strings.TrimSuffix(bare, "]")
	}
	if host == "" || strings.Contains(host, ":") { // no port, or an IPv6 address without one
		return address
	}
	return host
}

// naming gives the series of one answer their names.
type naming struct {
	table  *table
	labels Labels
	rename map[string]string
	app    string
	used   map[string]int // label -> series named by it
}

// rowName is what identifies a row of a table beside its time; b is the called service of an edge.
type rowName struct{ a, b string }

func (n rowName) String() string {
	if n.b != "" {
		return n.a + " -> " + n.b
	}
	return n.a
}

// name finds a series' name; ok is false if it has none.
func (n *naming) name(metric map[string]string) (name rowName, ok bool) {
	one := func(labels []string) string {
		v, label := labelOf(metric, labels)
		if label != "" {
			n.used[label]++
		}
		return n.ours(v)
	}
	switch n.table {
	case &endpointsTable:
		name.a = one(n.labels.Endpoint)
	case &servicesTable:
		name.a = one(n.labels.Service)
	case &nodesTable:
		name.a = one(n.labels.Node)
	default:
		name.a, name.b = one(n.labels.Source), one(n.labels.Destination)
		return name, name.a != "" && name.b != ""
	}
	return name, name.a != ""
}

// ours is the name in the recording: as --rename says, or as the table of known applications does for the import of one of them.
func (n *naming) ours(name string) string {
	if to, ok := n.rename[name]; ok {
		return to
	}
	if n.table != &endpointsTable && n.table != &nodesTable && n.app != "" {
		if to, app := renamed(name); app == n.app {
			return to
		}
	}
	return name
}

// by says by which labels series were named.
func (n *naming) by() string {
	var words []string
	for _, label := range sortedKeys(n.used) {
		if slices.Contains(podLabels, label) {
			label += " (without the ending that Kubernetes adds)"
		}
		words = append(words, label)
	}
	if len(words) == 0 {
		return ""
	}
	return " by " + strings.Join(words, ", ")
}

// ofContainers reports whether a part of a service is that of its containers. Network traffic is a pod's.
func ofContainers(a part) bool {
	switch a {
	case partCPU, partMem, partThrottled, partThrottledPeriods, partPeriods:
		return true
	}
	return false
}

// leftOut says why a series must not be added to the others, or "".
//
// cAdvisor exports the pause container (POD) and the pod's own cgroup, which holds its containers, beside them: every CPU second of a
// container would count twice. The node exporter's node_cpu_seconds_total counts the time in which a CPU did nothing as well.
func (a *promAnswer) leftOut(metric map[string]string, withContainers map[string]bool) string {
	switch {
	case a.table == &nodesTable && a.part == partCPU && (metric["mode"] == "idle" || metric["mode"] == "iowait"):
		return "of idle time"
	case a.table != &servicesTable || !ofContainers(a.part):
		return ""
	case metric["container"] == "POD":
		return "of pause containers"
	case metric["container"] == "" && metric["pod"] != "" && withContainers[metric["namespace"]+"/"+metric["pod"]]:
		return "of whole pods beside their containers"
	}
	return ""
}

// podsWithContainers lists the pods of which series are of single containers.
func podsWithContainers(all []apiSeries) map[string]bool {
	pods := map[string]bool{}
	for i := range all {
		if m := all[i].Metric; m["pod"] != "" && m["container"] != "" && m["container"] != "POD" {
			pods[m["namespace"]+"/"+m["pod"]] = true
		}
	}
	return pods
}

// labelNames lists the labels of series, for a message.
func labelNames(all []apiSeries) string {
	seen := map[string]bool{}
	for i := range all {
		for label := range all[i].Metric {
			seen[label] = true
		}
	}
	if len(seen) == 0 {
		return "its series have no labels"
	}
	return fmt.Sprintf("its series have %s", strings.Join(sortedKeys(seen), ", "))
}
