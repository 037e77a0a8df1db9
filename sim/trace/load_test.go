package trace

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// ends builds an endpoints table from rates[interval][name].
func ends(interval time.Duration, names []string, rates ...[]float64) *Recording {
	rec := &Recording{Meta: Meta{Application: "shop", Interval: interval}}
	no := NoValue()
	for k, row := range rates {
		for i, v := range row {
			rec.Endpoints = append(rec.Endpoints, EndpointRow{time.Duration(k) * interval, names[i], v, no, no, no, no, no})
		}
	}
	return rec
}

func TestLoad(t *testing.T) {
	no := NoValue()
	s := time.Second
	two := []string{"home", "cart"}
	for _, c := range []struct {
		name     string
		rec      *Recording
		opt      LoadOptions
		want     []float64 // [tick][home, cart]
		warnings []string
	}{
		{"held for the interval", ends(2*s, two, []float64{1, 10}, []float64{3, 30}), LoadOptions{}, []float64{1, 10, 1, 10, 3, 30, 3, 30}, nil},
		{"order is the application's", ends(s, []string{"cart", "home"}, []float64{10, 1}, []float64{30, 3}), LoadOptions{}, []float64{1, 10, 3, 30}, nil},
		{"window", ends(2*s, two, []float64{1, 10}, []float64{3, 30}), LoadOptions{From: 1 * s, To: 3 * s}, []float64{1, 10, 3, 30}, nil},
		{"scale", ends(s, two, []float64{1, 10}), LoadOptions{Scale: 2.5}, []float64{2.5, 25}, nil},
		// Ticks of 2 s over intervals of 1.5 s: 1.5 s at 1 and 0.5 s at 3 = (1.5+1.5)/2; 1 s at 3 and 1 s at 5.
		{"a tick over two intervals", ends(1500*time.Millisecond, two, []float64{1, 0}, []float64{3, 0}, []float64{5, 0}), LoadOptions{Step: 2 * s},
			[]float64{1.5, 0, 4, 0}, nil},
		// Ticks of 1 s over intervals of 0.4 s; the last 0.2 s fill no tick: 0.4*1+0.4*2+0.2*3, 0.2*3+0.4*4+0.4*5.
		{"a tick over three intervals", ends(400*time.Millisecond, two, []float64{1, 0}, []float64{2, 0}, []float64{3, 0}, []float64{4, 0}, []float64{5, 0}),
			LoadOptions{}, []float64{1.8, 0, 4.2, 0}, nil},
		{"a total over the mix", ends(s, []string{"all"}, []float64{8}, []float64{0}), LoadOptions{Weights: []float64{3, 1}}, []float64{6, 2, 0, 0}, nil},
		{"total beside endpoints", ends(s, []string{"all", "home", "cart"}, []float64{4, 1, 3}), LoadOptions{Weights: []float64{1, 1}}, []float64{1, 3}, nil},
		{"another total beside them", ends(s, []string{"all", "home", "cart"}, []float64{8, 1, 3}), LoadOptions{}, []float64{1, 3},
			[]string{`the rate of "all" is 2 times the sum of the endpoints' rates, which are used`}},
		{"endpoint not recorded", ends(s, two[:1], []float64{7}), LoadOptions{}, []float64{7, 0}, []string{`endpoint "cart" is not in the recording and gets no requests`}},
		{"gaps outside the window", ends(s, two, []float64{no, 1}, []float64{2, 2}, []float64{3, no}), LoadOptions{From: s, To: 2 * s}, []float64{2, 2}, nil},
	} {
		got, err := LoadFromRecording(c.rec, two, c.opt)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		// Rates within one interval are copied; only means over several may be rounded.
		if d := cmp.Diff(c.want, got.RPS, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-12 })); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if !slices.Equal(got.Warnings, c.warnings) {
			t.Errorf("%s: warnings %q", c.name, got.Warnings)
		}
		if got.Ticks() != len(c.want)/2 || got.Duration() != time.Duration(got.Ticks())*got.Step {
			t.Errorf("%s: %d ticks, %v", c.name, got.Ticks(), got.Duration())
		}
		if last := got.Ticks() - 1; got.Total(last) != got.At(last)[0]+got.At(last)[1] {
			t.Errorf("%s: total %v", c.name, got.Total(last))
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	no := NoValue()
	s := time.Second
	two := []string{"home", "cart"}
	good := ends(5*s, two, []float64{1, 2}, []float64{3, 4})
	total := ends(5*s, []string{"all"}, []float64{1})
	long := ends(5*s, two, []float64{1, 2})
	long.Endpoints = append(long.Endpoints, EndpointRow{At: 900_000_000 * s, Endpoint: "home", RPS: 1}, EndpointRow{At: 900_000_000 * s, Endpoint: "cart", RPS: 1})
	for _, c := range []struct {
		name string
		rec  *Recording
		ends []string
		opt  LoadOptions
		want string
	}{
		{"no rates", &Recording{Meta: good.Meta}, two, LoadOptions{}, "the recording has no request rates (no endpoints table), so it cannot be replayed"},
		{"unknown endpoint", good, two[:1], LoadOptions{}, "the application has no endpoint cart; it has home: use the application of the recording (shop), or rename the endpoints"},
		{"no endpoints", good, nil, LoadOptions{}, "give each of the application's endpoints once"},
		{"endpoint twice", good, []string{"home", "cart", "home"}, LoadOptions{}, "give each of the application's endpoints once"},
		{"no interval", &Recording{Endpoints: good.Endpoints}, two, LoadOptions{}, "interval of 0s"},
		{"total without mix", total, two, LoadOptions{}, "has only a total rate, and 0 weights were given to spread it over 2 endpoints"},
		{"negative weight", total, two, LoadOptions{Weights: []float64{1, -1}}, "-1 is not a weight"},
		{"weights of nothing", total, two, LoadOptions{Weights: []float64{0, 0}}, "the weights add up to 0"},
		{"NaN weight", total, two, LoadOptions{Weights: []float64{0, no}}, "NaN is not a weight"},
		{"window", good, two, LoadOptions{From: 5 * s, To: 11 * s}, "the window from 5s to 11s is not within the recording, which has rates from 0 to 10s"},
		{"window backwards", good, two, LoadOptions{From: 5 * s, To: 5 * s}, "is not within the recording"},
		{"window before", good, two, LoadOptions{From: -s}, "is not within the recording"},
		{"window off the ticks", good, two, LoadOptions{From: s / 2}, "the window from 500ms to 10s does not begin and end on a tick of 1s"},
		{"tick", good, two, LoadOptions{Step: -1}, "a tick of -1ns is too short"},
		{"scale", good, two, LoadOptions{Scale: -1}, "scale -1 is not a number above 0"},
		{"gap", ends(5*s, two, []float64{1, 1}, []float64{no, 1}), two, LoadOptions{}, `endpoint "home" has no rate at t=5; choose a window without gaps, or bridge them with --fill`},
		{"gap in the total", ends(5*s, []string{"all"}, []float64{1}, []float64{no}), two, LoadOptions{Weights: []float64{1, 1}}, `endpoint "home" has no rate at t=5`},
		{"too much load", ends(5*s, two, []float64{1, 1}, []float64{20, 1}), two, LoadOptions{Scale: 1e6},
			`endpoint "home" gets 2e+07 requests/s at t=5, 20 recorded times 1e+06; at most 1e+07 can be simulated: give a smaller scale`},
		{"too long", long, two, LoadOptions{}, "180000001 intervals of 2 endpoints are too many; use a longer interval"},
		{"too many ticks", good, two, LoadOptions{Step: time.Millisecond, To: 10 * s}, ""},
	} {
		_, err := LoadFromRecording(c.rec, c.ends, c.opt)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "load of the recording: ") {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
}

// TestLoadConserves: every tick has the requests that the recording has in it, whatever the two steps are. The
// recording's are counted by microsecond.
func TestLoadConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(name string) int { return rapid.IntRange(100, 3000).Draw(t, name) }
		interval, step := ms("interval"), ms("step")
		rates := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 20).Draw(t, "rates")
		total := len(rates) * interval
		if step > total {
			t.Skip("no whole tick")
		}
		rows := make([][]float64, len(rates))
		for i, v := range rates {
			rows[i] = []float64{v}
		}
		l, err := LoadFromRecording(ends(time.Duration(interval)*time.Millisecond, []string{"a"}, rows...), []string{"a"},
			LoadOptions{Step: time.Duration(step) * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if l.Ticks() != total/step {
			t.Fatalf("%d ticks of %d ms in %d ms", l.Ticks(), step, total)
		}
		for k := range l.Ticks() {
			var sum float64
			for m := k * step; m < (k+1)*step; m++ {
				sum += rates[m/interval]
			}
			if want := sum / float64(step); math.Abs(l.At(k)[0]-want) > 1e-9 {
				t.Fatalf("tick %d: %v, want %v", k, l.At(k)[0], want)
			}
		}
	})
}

func ExampleLoadFromRecording() {
	rec, err := Read("../../testdata/recordings/h_rushsale")
	if err != nil {
		panic(err)
	}
	endpoints := []string{"home", "product", "cart_view", "cart_add", "set_currency", "checkout"}
	load, err := LoadFromRecording(rec, endpoints, LoadOptions{From: 85 * time.Second, To: 105 * time.Second})
	if err != nil {
		panic(err)
	}
	for k := 0; k < load.Ticks(); k += 5 {
		fmt.Printf("%.1f requests/s, %.1f of them for a product\n", load.Total(k), load.At(k)[1])
	}
	// Output:
	// 12.0 requests/s, 5.2 of them for a product
	// 26.2 requests/s, 12.2 of them for a product
	// 48.8 requests/s, 21.4 of them for a product
	// 54.0 requests/s, 27.2 of them for a product
}

// The warnings of a recording are shown beside what is made of its load.
func TestLoadPassesWarningsOn(t *testing.T) {
	rec := ends(time.Second, []string{"home"}, []float64{1})
	rec.Warnings = []Finding{{Severity: SeverityWarning, File: "endpoints.csv", Line: 3, Cause: "no rows at t=5"}}
	l, err := LoadFromRecording(rec, []string{"home"}, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Warnings, []string{"endpoints.csv:3: no rows at t=5"}) {
		t.Errorf("%q", l.Warnings)
	}
}
