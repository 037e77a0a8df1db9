package trace

import "slices"

// kind is what the cells of a column hold.
type kind uint8

const (
	kindTime     kind = iota // seconds from the start
	kindName                 // name that identifies the row together with the time
	kindText                 // name that does not
	kindCount                // whole number
	kindRate                 // per second
	kindMs                   // milliseconds
	kindMillis               // millicores
	kindMiB                  // MiB
	kindKbps                 // kbit/s
	kindFraction             // 0..1
)

// unit is the kind's unit as meta.yaml names it, and most the largest number that can be meant.
func (k kind) unit() (unit string, most float64) {
	switch k {
	case kindTime:
		return "s", 1e9 // 31 years
	case kindCount:
		return "count", 1e6
	case kindRate:
		return "1/s", 1e7 // ten million
	case kindMs:
		return "ms", 1e8 // 28 hours
	case kindMillis:
		return "millicores", 1e8 // a hundred thousand cores
	case kindMiB:
		return "MiB", 1e9 // a pebibyte
	case kindKbps:
		return "kbit/s", 1e12
	case kindFraction:
		return "fraction", 1
	}
	return "", 0
}

// level reports whether a number of this kind stays about the same from one interval to the next, so that the last one
// stands in for one that is missing. Latencies and shares do not: they are made by what happened in the interval.
func (k kind) level() bool {
	switch k {
	case kindCount, kindRate, kindMillis, kindMiB, kindKbps:
		return true
	}
	return false
}

// column describes one column of a table.
type column struct {
	name     string
	kind     kind
	required bool
	doc      string
}

// maxTexts and maxValues are the largest numbers of text and number columns (t not counted) of a table.
const (
	maxTexts  = 2
	maxValues = 13
)

// Positions of the numbers that rules compare, in tables that have them; -1 elsewhere.
type pairs struct{ p50, p95, p99, replicas, ready int }

// table describes one file of a recording. Columns are t, then texts, then numbers.
type table struct {
	name    string // the file is name.csv or name.csv.gz
	columns []column
	texts   int  // text columns
	keys    int  // how many of them, with t, identify a row
	dense   bool // every name has a row at every time; otherwise a name may come and go
	sparse  bool // there may be times without any row
	pairs   pairs
}

// cells is one row of any table: the form in which all tables are checked.
type cells struct {
	at     int64 // ns
	texts  [maxTexts]string
	values [maxValues]float64
}

// The tables, in the order in which they are read and written. Their columns are those of docs/recordings.md.
var (
	endpointsTable = table{
		name: "endpoints", texts: 1, keys: 1, dense: true, pairs: pairs{1, 2, 3, -1, -1},
		columns: []column{
			{"t", kindTime, true, "start of the interval that the row covers, from the recording's start"},
			{"endpoint", kindName, true, "route of the entry service; `all` = all of them together"},
			{"rps", kindRate, true, "requests that started"},
			{"p50_ms", kindMs, false, "percentiles of the latency of those requests as the client saw it"},
			{"p95_ms", kindMs, false, ""},
			{"p99_ms", kindMs, false, ""},
			{"error_rate", kindFraction, false, "share of those requests that failed"},
			{"mean_ms", kindMs, false, "mean latency of those requests"},
		},
	}
	servicesTable = table{
		name: "services", texts: 1, keys: 1, dense: true, pairs: pairs{5, 6, 7, 0, 1},
		columns: []column{
			{"t", kindTime, true, "start of the interval that the row covers, from the recording's start"},
			{"service", kindName, true, ""},
			{"replicas", kindCount, true, "pods wanted and there, ready or starting, at the interval's last sample"},
			{"ready", kindCount, false, "those of them that serve"},
			{"cpu_m", kindMillis, false, "CPU used by all replicas together, mean over the interval"},
			{"mem_mib", kindMiB, false, "memory used by all replicas together, mean over the interval"},
			{"rps", kindRate, false, "requests received"},
			{"p50_ms", kindMs, false, "percentiles of the latency as the callers saw it"},
			{"p95_ms", kindMs, false, ""},
			{"p99_ms", kindMs, false, ""},
			{"error_rate", kindFraction, false, "share of requests that failed"},
			{"rx_kbps", kindKbps, false, "network traffic received by all replicas"},
			{"tx_kbps", kindKbps, false, "network traffic sent by all replicas"},
			{"throttled", kindFraction, false, "share of CFS periods in which a replica used its quota up"},
			{"mean_ms", kindMs, false, "mean latency as the callers saw it"},
		},
	}
	edgesTable = table{
		name: "edges", texts: 2, keys: 2, sparse: true, pairs: pairs{-1, -1, -1, -1, -1},
		columns: []column{
			{"t", kindTime, true, "start of the interval that the row covers, from the recording's start"},
			{"src", kindName, true, "calling service"},
			{"dst", kindName, true, "called service"},
			{"rps", kindRate, true, "calls; a pair of services without a row made none"},
			{"p95_ms", kindMs, false, "95th percentile of the latency as the caller saw it"},
			{"error_rate", kindFraction, false, "share of calls that failed"},
		},
	}
	nodesTable = table{
		name: "nodes", texts: 2, keys: 1, pairs: pairs{-1, -1, -1, -1, -1},
		columns: []column{
			{"t", kindTime, true, "start of the interval that the row covers, from the recording's start"},
			{"node", kindName, true, "a node without a row was not there"},
			{"pool", kindText, false, "node pool"},
			{"cpu_m", kindMillis, true, "allocatable CPU"},
			{"mem_mib", kindMiB, true, "allocatable memory"},
			{"cpu_used_m", kindMillis, false, "CPU used, mean over the interval"},
			{"mem_used_mib", kindMiB, false, "memory used, mean over the interval"},
		},
	}
	tables = []*table{&endpointsTable, &servicesTable, &edgesTable, &nodesTable}
)

// names lists the table's columns.
func (t *table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// values returns the number columns.
func (t *table) values() []column { return t.columns[1+t.texts:] }

// units maps every number column of every table to its unit.
func units() map[string]string {
	all := map[string]string{}
	for _, t := range tables {
		for _, c := range t.columns {
			if u, _ := c.kind.unit(); u != "" {
				all[c.name] = u
			}
		}
	}
	return all
}

// rows is the table of a recording behind one form: how many rows there are, what a row holds, and a new row at the end.
type rows interface {
	len() int
	get(i int, c *cells)
	add(c *cells)
}

// rowsOf returns the rows of r that belong in t.
func rowsOf(r *Recording, t *table) rows {
	switch t {
	case &endpointsTable:
		return (*endpointRows)(&r.Endpoints)
	case &servicesTable:
		return (*serviceRows)(&r.Services)
	case &edgesTable:
		return (*edgeRows)(&r.Edges)
	}
	return (*nodeRows)(&r.Nodes)
}

// fill puts the values of a row into c, NoValue behind them.
func (c *cells) fill(at int64, a, b string, v ...float64) {
	c.at, c.texts = at, [maxTexts]string{a, b}
	n := copy(c.values[:], v)
	for i := n; i < maxValues; i++ {
		c.values[i] = NoValue()
	}
}

// grown makes room for one more row, doubling: rows are large and come in millions.
func grown[R any](rows []R) []R {
	if len(rows) == cap(rows) {
		return slices.Grow(rows, max(len(rows), 64))
	}
	return rows
}
