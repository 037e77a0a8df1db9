package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// gymSuffixes are the columns that gym-hpa writes for each service, behind the service's name.
var gymSuffixes = []string{"_num_pods", "_desired_replicas", "_cpu_usage", "_mem_usage", "_traffic_in", "_traffic_out", "_latency"}

// gymRequired must be there for each service, gymLeftOut may be and is not used.
var (
	gymRequired = []string{"_num_pods", "_cpu_usage"}
	gymLeftOut  = []string{"_desired_replicas", "_latency", "_cpu_request", "_mem_request", "_cpu_limit", "_mem_limit"}
)

// TrafficUnit values of [ImportOptions].
const (
	TrafficKbit  = "kbit/s"
	TrafficKbyte = "kB/s"
)

// gymNotes are the assumptions that hold for every import from gym-hpa (github.com/jpedro1992/gym-hpa, its
// envs/deployment.py update_obs_k8s at commit 13e12c1).
var gymNotes = []string{
	"Units were taken as gym-hpa's labels name them: CPU in millicores, memory in MiB, all pods of a service together.",
	"gym-hpa sums over all cgroups of a pod; where pod and container are both exported, CPU counts twice.",
	"gym-hpa's code computes memory as the rate of change of the working set over 100000: check it before use.",
	"replicas is gym-hpa's num_pods (the Deployment's spec); how many were ready is not known.",
	"desired_replicas, the wish of gym-hpa's own rule, was left out.",
	"latency was left out: it is one number for all services, the mean over all GET /cart since the start (Redis: mean " +
		"command time), and percentiles cannot be had from it.",
}

// ImportGymHPA reads the wide CSV of gym-hpa: column date, then <service>_num_pods, _desired_replicas, _cpu_usage,
// _mem_usage, _traffic_in, _traffic_out, _latency for each service, renamed by [ServiceNames]. A file without a header, as gym-hpa leaves
// it, is taken to have the columns that gym-hpa writes.
//
// gym-hpa records no request rate. With KbitPerRequest the rate of the entry service (frontend, or leader for Redis)
// is estimated as its received traffic over that figure, which the user must have measured: received traffic
// also holds the answers of the services that it calls. Without it the recording has no endpoints table and cannot
// be replayed, and its notes say so.
func ImportGymHPA(r io.Reader, file string, opt ImportOptions) (*Recording, error) {
	toKbps := 1.0
	switch opt.TrafficUnit {
	case "", TrafficKbit:
	case TrafficKbyte:
		toKbps = 8
	default:
		return nil, fmt.Errorf("traffic unit %q is not known; use %s or %s", opt.TrafficUnit, TrafficKbit, TrafficKbyte)
	}
	if k := opt.KbitPerRequest; !(k >= 0 && k <= 1e9) {
		return nil, fmt.Errorf("%v kbit per request is not a number from 0 to 1e9", k)
	}
	w, err := readWide(r, file, gymImplied, func(cols []string, out *findings) []bool { return gymColumns(cols, file, out) })
	if err != nil {
		return nil, err
	}
	if err := w.refuseNegative(func(col string) bool { return strings.HasSuffix(col, "_num_pods") }); err != nil {
		return nil, err
	}
	g, err := newGrid(w, opt.Interval, opt.AllowGaps || opt.Fill)
	if err != nil {
		return nil, err
	}
	services := gymServices(w.columns)
	rec := &Recording{Meta: opt.meta(gymApplication(services), "imported from gym-hpa's "+file, "")}
	rec.Meta.Notes = slices.Clone(gymNotes)
	unit := TrafficKbit + " as labelled"
	if toKbps != 1 {
		unit = "kB/s and multiplied by 8"
	}
	rec.Meta.Notes = append(rec.Meta.Notes, "Traffic was taken to be in "+unit+"; gym-hpa's code divides bytes per second by 1000 and calls it kbit/s.")
	w.describe(&rec.Meta, g)
	rec.Services = gymRows(w, g, services, toKbps)
	if err := rec.estimateRates(opt.KbitPerRequest); err != nil {
		return nil, err
	}
	return opt.checked(rec)
}

// gymColumns says which columns are used, and reports those that cannot be gym-hpa's.
func gymColumns(cols []string, file string, out *findings) []bool {
	use := make([]bool, len(cols))
	if isDate(cols[0]) { // gymImplied did not know it
		out.errorf(CodeFields, file, 1, "", "add a header line: date and <service>"+strings.Join(gymSuffixes, ", "),
			"there is no header, and %d fields are not the %d or %d that gym-hpa writes", len(cols), gymWidth(0), gymWidth(1))
		return use
	}
	for i, c := range cols {
		service, suffix := gymSplit(c)
		switch {
		case c == "" || strings.HasPrefix(c, "Unnamed: ") || slices.Contains(dateColumns, c) || timeUnits[c] > 0:
			// pandas writes the row number under these names
		case service == "":
			out.errorf(CodeColumnUnknown, file, 1, "", "columns are date and <service>"+strings.Join(gymSuffixes, ", "), "unknown column %s", quoted(c))
		case slices.Contains(cols[:i], c):
			out.errorf(CodeColumnTwice, file, 1, c, "keep one of them", "the column is there twice")
		case badName(service) != "":
			out.errorf(CodeName, file, 1, c, "", "service %s %s", quoted(service), badName(service))
		default:
			use[i] = !slices.Contains(gymLeftOut, suffix)
		}
	}
	services := gymServices(cols)
	if len(services) == 0 && out.errors == 0 {
		out.errorf(CodeColumnMissing, file, 1, "", "columns are date and <service>"+strings.Join(gymSuffixes, ", "), "there is no service")
	}
	ours := map[string]string{}
	for _, s := range services {
		for _, suffix := range gymRequired {
			if !slices.Contains(cols, s+suffix) {
				out.errorf(CodeColumnMissing, file, 1, s+suffix, "export it too", "the column is missing")
			}
		}
		name, _ := renamed(s)
		if other := ours[name]; other != "" {
			out.errorf(CodeColumnTwice, file, 1, s+"_num_pods", "rename one of them", "services %s and %s are both %s here", other, s, name)
		}
		ours[name] = s
	}
	return use
}

// gymSplit cuts a column's name into service and suffix; service is "" if it has none of the suffixes.
func gymSplit(col string) (service, suffix string) {
	for _, list := range [][]string{gymSuffixes, gymLeftOut} {
		for _, x := range list {
			if s, ok := strings.CutSuffix(col, x); ok && s != "" {
				return s, x
			}
		}
	}
	return "", ""
}

// gymServices lists the services in the order of their columns.
func gymServices(cols []string) []string {
	var names []string
	for _, c := range cols {
		if s, _ := gymSplit(c); s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return names
}

// gymApplication is the application that the services belong to.
func gymApplication(services []string) string {
	for _, s := range services {
		if _, app := renamed(s); app != "" {
			return app
		}
	}
	return AnyApplication
}

// gymRows builds the services table.
func gymRows(w *wide, g *grid, services []string, toKbps float64) []ServiceRow {
	series := func(service, suffix string, scale float64, pick func([]float64) []float64) []float64 {
		i := slices.Index(w.columns, service+suffix)
		if i < 0 {
			none := make([]float64, g.steps)
			fillNoValue(none)
			return none
		}
		out := pick(w.values[i])
		for k := range out {
			out[k] *= scale
		}
		return out
	}
	type columns struct{ pods, cpu, mem, rx, tx []float64 }
	cols := make([]columns, len(services))
	for i, s := range services {
		cols[i] = columns{
			series(s, "_num_pods", 1, g.lasts), series(s, "_cpu_usage", 1, g.means), series(s, "_mem_usage", 1, g.means),
			series(s, "_traffic_in", toKbps, g.means), series(s, "_traffic_out", toKbps, g.means),
		}
	}
	var rows []ServiceRow
	no := NoValue()
	for k, is := range g.filled() {
		for i, s := range services {
			if !is {
				break
			}
			name, _ := renamed(s)
			c := &cols[i]
			rows = append(rows, ServiceRow{
				At: g.at(k), Service: name, Replicas: c.pods[k], Ready: no, CPUMillis: c.cpu[k], MemMiB: c.mem[k],
				RPS: no, P50Ms: no, P95Ms: no, P99Ms: no, ErrorRate: no, RxKbps: c.rx[k], TxKbps: c.tx[k], Throttled: no, MeanMs: no,
			})
		}
	}
	return rows
}

// estimateRates adds the total request rate, estimated from the traffic that the entry service receives.
func (r *Recording) estimateRates(kbit float64) error {
	if kbit == 0 {
		r.Meta.Notes = append(r.Meta.Notes, "gym-hpa records no request rate, so this recording cannot be replayed.")
		return nil
	}
	entry := "frontend"
	if slices.Contains(r.ServiceNames(), "leader") {
		entry = "leader"
	}
	no := NoValue()
	for i := range r.Services {
		if row := &r.Services[i]; row.Service == entry && Has(row.RxKbps) {
			r.Endpoints = append(r.Endpoints, EndpointRow{row.At, TotalEndpoint, row.RxKbps / kbit, no, no, no, no, no})
		}
	}
	if len(r.Endpoints) == 0 {
		return fmt.Errorf("there is no traffic received by a service %s, which could give a request rate; leave kbit-per-request out", entry)
	}
	r.Meta.Notes = append(r.Meta.Notes, fmt.Sprintf(
		"rps is an estimate: traffic received by %s over %g kbit per request, a figure given at the import.", entry, kbit))
	return nil
}
