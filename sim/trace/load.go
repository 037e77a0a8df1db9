package trace

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// DefaultStep is the simulator's tick.
const DefaultStep = time.Second

// maxLoadValues bounds the size of a Load (0.5 GiB), so that a wrong time cannot take all the memory.
const maxLoadValues = 1 << 26

// MaxRPS is the largest rate of an endpoint that is replayed: more than any site has.
const MaxRPS = 1e7

// Load is the intended rate of every endpoint in every tick: what the simulator replays.
type Load struct {
	Step      time.Duration // length of a tick
	Endpoints []string      // names, in the caller's order
	// RPS[k*len(Endpoints)+e] is the rate of endpoint e in tick k, requests per second.
	RPS []float64
	// Warnings are what a result made from this load should show.
	Warnings []string
}

// LoadOptions change how a load is made from a recording. The zero value is the default.
type LoadOptions struct {
	// Step is the length of a tick; 0 = DefaultStep.
	Step time.Duration
	// From and To cut a window out of the recording, both multiples of Step; To 0 = its end, whole ticks only.
	From, To time.Duration
	// Weights, one for each endpoint, is the mix over which a rate that is known only in total is spread: the
	// application's default mix. They need not add up to 1. Not used if the recording has rates by endpoint.
	Weights []float64
	// Scale multiplies every rate; 0 = 1.
	Scale float64
}

// Ticks is the number of ticks.
func (l *Load) Ticks() int {
	if len(l.Endpoints) == 0 {
		return 0
	}
	return len(l.RPS) / len(l.Endpoints)
}

// Duration is the time that the load covers.
func (l *Load) Duration() time.Duration { return time.Duration(l.Ticks()) * l.Step }

// At returns the rates of tick k, one for each endpoint. The slice shares the load's memory.
func (l *Load) At(k int) []float64 {
	n := len(l.Endpoints)
	return l.RPS[k*n : (k+1)*n : (k+1)*n]
}

// Total is the rate of all endpoints together in tick k.
func (l *Load) Total(k int) float64 {
	var sum float64
	for _, v := range l.At(k) {
		sum += v
	}
	return sum
}

// Requests is the expected number of requests of the whole load.
func (l *Load) Requests() float64 {
	var sum float64
	for _, v := range l.RPS {
		sum += v
	}
	return sum * l.Step.Seconds()
}

// LoadFromRecording takes the load from a recording's endpoints table, for the endpoints named in the order given,
// which is the application's.
//
// A row's rate is the mean over [At, At+Interval), so the load is piecewise constant: held for the interval, and averaged
// where a tick reaches over an interval's end. This gives every stretch of time as many requests as were recorded in it;
// a line through the means would not, and would round off the surges that a controller is tested with. The rates inside
// an interval are not known, and a smaller interval shows the noise of few requests: a replay draws its own.
//
// It is an error if the recording has no rates, an endpoint that is not among endpoints, or a missing rate within the
// window ([Recording.Fill] bridges gaps), or if a rate is above MaxRPS. The warnings of the recording go with the load. Endpoints that it does not mention get rate 0 and a warning.
func LoadFromRecording(rec *Recording, endpoints []string, opt LoadOptions) (*Load, error) {
	if opt.Step == 0 {
		opt.Step = DefaultStep
	}
	if opt.Scale == 0 {
		opt.Scale = 1
	}
	rates, warnings, err := recordedRates(rec, endpoints, opt)
	if err != nil {
		return nil, fmt.Errorf("load of the recording: %w", err)
	}
	l := &Load{Step: opt.Step, Endpoints: slices.Clone(endpoints)}
	for i := range rec.Warnings {
		l.Warnings = append(l.Warnings, rec.Warnings[i].Error())
	}
	l.Warnings = append(l.Warnings, warnings...)
	if err := l.fill(rates, rec.Meta.Interval, opt); err != nil {
		return nil, fmt.Errorf("load of the recording: %w", err)
	}
	return l, nil
}

// recordedRates returns the rate of each interval and endpoint, [interval][endpoint], NoValue where there is none.
func recordedRates(rec *Recording, endpoints []string, opt LoadOptions) (rates []float64, warnings []string, err error) {
	n := len(endpoints)
	rows := rec.Endpoints
	if n == 0 || len(distinct(endpoints, func(s *string) string { return *s })) != n {
		return nil, nil, fmt.Errorf("endpoints %q: give each of the application's endpoints once", endpoints)
	}
	if rec.Meta.Interval < minInterval {
		return nil, nil, fmt.Errorf("the recording's interval of %v is not at least %v", rec.Meta.Interval, minInterval)
	}
	if len(rows) == 0 {
		return nil, nil, errors.New("the recording has no request rates (no endpoints table), so it cannot be replayed; " +
			"import it again with a rate, or add endpoints.csv with t,endpoint,rps")
	}
	index, err := endpointIndex(rec, endpoints)
	if err != nil {
		return nil, nil, err
	}
	steps := int(rows[len(rows)-1].At/rec.Meta.Interval) + 1
	if steps > maxLoadValues/n {
		return nil, nil, fmt.Errorf("%d intervals of %d endpoints are too many; use a longer interval", steps, n)
	}
	rates = make([]float64, steps*n)
	total := make([]float64, steps)
	fillNoValue(rates)
	fillNoValue(total)
	for i := range rows {
		k := int(rows[i].At / rec.Meta.Interval)
		if rows[i].Endpoint == TotalEndpoint {
			total[k] = rows[i].RPS
		} else {
			rates[k*n+index[rows[i].Endpoint]] = rows[i].RPS
		}
	}
	if len(index) == 0 {
		return rates, nil, spread(rates, total, opt.Weights, n)
	}
	for e, name := range endpoints {
		if _, ok := index[name]; !ok {
			warnings = append(warnings, fmt.Sprintf("endpoint %q is not in the recording and gets no requests", name))
			for k := range steps {
				rates[k*n+e] = 0
			}
		}
	}
	if w := compareTotals(rates, total, n); w != "" {
		warnings = append(warnings, w)
	}
	return rates, warnings, nil
}

// endpointIndex maps the recording's endpoints to positions in endpoints.
func endpointIndex(rec *Recording, endpoints []string) (map[string]int, error) {
	index := map[string]int{}
	var unknown []string
	for _, name := range rec.EndpointNames() {
		if i := slices.Index(endpoints, name); i >= 0 {
			index[name] = i
		} else {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("the application has no endpoint %s; it has %s: use the application of the recording (%s), or rename the endpoints",
			strings.Join(unknown, ", "), strings.Join(endpoints, ", "), rec.Meta.Application)
	}
	return index, nil
}

// spread divides a total rate over the endpoints in proportion to weights.
func spread(rates, total, weights []float64, n int) error {
	if len(weights) != n {
		return fmt.Errorf("the recording has only a total rate, and %d weights were given to spread it over %d endpoints; "+
			"give the application's endpoint mix", len(weights), n)
	}
	var sum float64
	for _, w := range weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("%v is not a weight; give numbers from 0 up", w)
		}
		sum += w
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return fmt.Errorf("the weights add up to %v; give at least one above 0", sum)
	}
	for k, t := range total {
		for e, w := range weights {
			rates[k*n+e] = t * (w / sum)
		}
	}
	return nil
}

// compareTotals returns a warning if the total recorded beside the endpoints' rates is another number, by more than 1 %.
func compareTotals(rates, total []float64, n int) string {
	var a, b float64
	for k, t := range total {
		var sum float64
		for _, v := range rates[k*n : (k+1)*n] {
			sum += v
		}
		if Has(t) && Has(sum) {
			a, b = a+t, b+sum
		}
	}
	if math.Abs(a-b) > 0.01*max(a, b) {
		return fmt.Sprintf("the rate of %q is %.3g times the sum of the endpoints' rates, which are used", TotalEndpoint, a/b)
	}
	return ""
}

// fill computes l.RPS from the rates of the recording's intervals.
func (l *Load) fill(rates []float64, interval time.Duration, opt LoadOptions) error {
	n := len(l.Endpoints)
	end := time.Duration(len(rates)/n) * interval
	from, to, step := opt.From, opt.To, l.Step
	if to == 0 {
		to = end - end%max(step, 1)
	}
	switch {
	case step < time.Millisecond:
		return fmt.Errorf("a tick of %v is too short", step)
	case from < 0 || to > end || from >= to:
		return fmt.Errorf("the window from %v to %v is not within the recording, which has rates from 0 to %v", from, to, end)
	case from%step != 0 || to%step != 0:
		return fmt.Errorf("the window from %v to %v does not begin and end on a tick of %v", from, to, step)
	case int64((to-from)/step) > int64(maxLoadValues/n):
		return fmt.Errorf("%v in ticks of %v for %d endpoints is too much; choose a shorter window", to-from, step, n)
	case !(opt.Scale > 0) || math.IsInf(opt.Scale, 0):
		return fmt.Errorf("scale %v is not a number above 0", opt.Scale)
	}
	if err := refuseRates(rates, l.Endpoints, interval, from, to, opt.Scale); err != nil {
		return err
	}
	l.RPS = make([]float64, int((to-from)/step)*n)
	for k := range l.Ticks() {
		a := from + time.Duration(k)*step
		b := a + step
		row := l.At(k)
		first := int(a / interval)
		if b <= time.Duration(first+1)*interval { // the tick lies within one interval: its rate, to the bit
			for e := range row {
				row[e] = rates[first*n+e] * opt.Scale
			}
			continue
		}
		for t := a; t < b; {
			i := t / interval
			next := min(b, (i+1)*interval)
			share := float64(next-t) / float64(step)
			for e := range row {
				row[e] += rates[int(i)*n+e] * opt.Scale * share
			}
			t = next
		}
	}
	return nil
}

// refuseRates returns an error that names the first missing rate in the intervals that touch [from, to), or the first that
// is too large.
func refuseRates(rates []float64, endpoints []string, interval, from, to time.Duration, scale float64) error {
	n := len(endpoints)
	for k := int(from / interval); k <= int((to-1)/interval); k++ {
		for e, name := range endpoints {
			v := rates[k*n+e]
			at := seconds(int64(k) * int64(interval))
			if !Has(v) {
				return fmt.Errorf("endpoint %q has no rate at t=%s; choose a window without gaps, or bridge them with --fill", name, at)
			}
			if v*scale > MaxRPS {
				return fmt.Errorf("endpoint %q gets %s requests/s at t=%s, %s recorded times %s; at most %s can be simulated: give a smaller scale",
					name, short(v*scale), at, short(v), short(scale), short(MaxRPS))
			}
		}
	}
	return nil
}

func fillNoValue(v []float64) {
	for i := range v {
		v[i] = NoValue()
	}
}
