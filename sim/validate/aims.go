package validate

import "fmt"

// aim is a bar of the fidelity table: the median error that rows of a kind and class should not be above.
type aim struct {
	what     string
	quantity Quantity
	kind     Kind
	classes  []Class
	median   float64
}

// aims are the bars that the simulator is held to on recordings, below saturation.
var aims = []aim{
	{"CPU of all services together", CPU, AllRequests, []Class{Unthrottled, Throttled}, 0.05},
	{"CPU of each service", CPU, OfService, []Class{Unthrottled, Throttled}, 0.05},
	{"mean latency, all requests", Mean, AllRequests, []Class{Unthrottled}, 0.15},
	{"mean latency, endpoints", Mean, OfEndpoint, []Class{Unthrottled}, 0.15},
	{"mean latency, services", Mean, OfService, []Class{Unthrottled}, 0.15},
	{"mean latency, all requests", Mean, AllRequests, []Class{Throttled}, 0.30},
	{"mean latency, endpoints", Mean, OfEndpoint, []Class{Throttled}, 0.30},
	{"mean latency, services", Mean, OfService, []Class{Throttled}, 0.30},
	{"p95, all requests", P95, AllRequests, []Class{Unthrottled}, 0.25},
	{"p95, endpoints", P95, OfEndpoint, []Class{Unthrottled}, 0.25},
	{"p95, services", P95, OfService, []Class{Unthrottled}, 0.25},
	{"p95, all requests", P95, AllRequests, []Class{Throttled}, 0.35},
	{"p95, endpoints", P95, OfEndpoint, []Class{Throttled}, 0.35},
	{"p95, services", P95, OfService, []Class{Throttled}, 0.35},
}

// Set is rows under the heading of a column.
type Set struct {
	Name string
	Rows []Row
}

// AimsTable sets the median errors of several sets of rows beside the bars. A median above its bar is bold.
func AimsTable(sets []Set) Table {
	t := Table{Title: "Errors against their aims", Header: []string{"median error", "class", "aim %"}}
	for _, s := range sets {
		t.Header = append(t.Header, s.Name)
	}
	for _, a := range aims {
		class := a.classes[0].String()
		if len(a.classes) > 1 {
			class = "both"
		}
		line := []string{a.what, class, fmt.Sprintf("%.0f", 100*a.median)}
		for _, s := range sets {
			var errs []float64
			for i := range s.Rows {
				r := &s.Rows[i]
				if r.Kind != a.kind {
					continue
				}
				for _, c := range a.classes {
					if e, ok := r.Error(a.quantity); ok && r.class(a.quantity) == c {
						errs = append(errs, e)
					}
				}
			}
			line = append(line, newStat(errs).against(a.median))
		}
		t.Rows = append(t.Rows, line)
	}
	t.Notes = []string{"Percent: median (90th percentile) of the absolute errors, median of the signed errors, number of rows. **Bold**: the median is above its aim."}
	return t
}

// against prints a Stat, marked if its median is above the bar.
func (s Stat) against(bar float64) string {
	if s.N > 0 && s.Median > bar {
		return "**" + significant(100*s.Median) + "**" + s.rest()
	}
	return s.cell()
}
