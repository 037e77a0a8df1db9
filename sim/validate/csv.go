package validate

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// WriteCSV writes every row, recorded and predicted numbers side by side.
func WriteCSV(w io.Writer, rows []Row) error {
	b := bufio.NewWriter(w)
	b.WriteString("recording,contended,t,kind,name,class,own_class,requests") // errors stick until Flush
	columns := []struct {
		name string
		of   func(*Values) float64
	}{{"rps", func(v *Values) float64 { return v.RPS }}}
	for _, q := range Quantities {
		name := [...]string{"cpu_m", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "throttled", "error_rate"}[q]
		columns = append(columns, struct {
			name string
			of   func(*Values) float64
		}{name, q.of})
	}
	for _, c := range columns {
		fmt.Fprintf(b, ",%s,predicted_%s", c.name, c.name)
	}
	b.WriteByte('\n')
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(b, "%s,%t,%g,%s,%s,%s,%s,%s", r.Recording, r.Contended, r.At.Seconds(), r.Kind, r.Name, r.Class, r.OwnClass, number(r.Count))
		for _, c := range columns {
			fmt.Fprintf(b, ",%s,%s", number(c.of(&r.Recorded)), number(c.of(&r.Predicted)))
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}

// number is six digits, or nothing where there is no value.
func number(v float64) string {
	if !trace.Has(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
