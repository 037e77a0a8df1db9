package calibrate

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// truth is what shop says.
var truth = map[string]float64{
	"front.base_cpu_m": 8, "front.page.cpu_ms": 16, "front.page.wake_ms": 12, "front.page.wait_ms": 12,
	"front.ping.cpu_ms": 6, "front.ping.wake_ms": 2.4, "front.ping.wait_ms": 4,
	"list.base_cpu_m": 6, "list.Get.cpu_ms": 4, "list.Get.wake_ms": 3, "list.Get.wait_ms": 3,
	"price.base_cpu_m": 5, "price.Get.cpu_ms": 10, "price.Get.wake_ms": 3.2, "price.Get.wait_ms": 8,
}

func fit(t testing.TB, src Source, recs []validate.Named, opt Options) *Result {
	t.Helper()
	if opt.Engine == nil {
		opt.Engine = des
	}
	opt.Workers = 2
	r, err := Fit(context.Background(), src, recs, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Recordings made by the request-level engine with known numbers, from five seeds: the interval of 2 standard errors (t with
// 11 degrees of freedom: 93 %) covers the truth as often as it says. 75 numbers, of which about 40 are independent: below
// 80 % has a chance of 0.3 %. The mean of five fits is within 5 % of every cpu_ms and wait_ms, within 12 % (3 standard errors of the
// mean) of wake_ms and of what idle replicas use.
func TestFitFindsTheTruth(t *testing.T) {
	app := decode(t, shop)
	const seeds = 5
	sum, count := map[string]float64{}, map[string]float64{}
	covered, total := 0, 0
	for seed := range uint64(seeds) {
		r := fit(t, guess(), grid(t, app, seed), Options{Seed: 99 + seed, Fit: []string{"cpu", "wait"}})
		for _, f := range r.Fitted {
			want, ok := truth[f.Key]
			if !ok {
				t.Errorf("%s was fitted", f.Key)
			}
			sum[f.Key] += f.Value
			count[f.Key]++
			total++
			if math.Abs(f.Value-want) <= 2*f.SE {
				covered++
			}
		}
	}
	if share := float64(covered) / float64(total); share < 0.8 {
		t.Errorf("2 standard errors cover %d of %d", covered, total)
	}
	for key, want := range truth {
		bound := 0.05
		if strings.Contains(key, fieldBase) || strings.Contains(key, fieldWake) {
			bound = 0.12
		}
		if count[key] < 3 {
			t.Errorf("%s was identified in %v of %d fits", key, count[key], seeds)
		} else if got := sum[key] / count[key]; math.Abs(got/want-1) > bound {
			t.Errorf("%s is %.3g on average, want %v", key, got, want)
		}
	}
}

// A platform 1.25 times as fast as the application says, from two minutes of recording.
func TestSpeedOnly(t *testing.T) {
	app := decode(t, strings.Replace(shop, "name: shop\n", "name: shop\nspeed_factor: 1.25\n", 1))
	recs := []validate.Named{
		record(t, app, "a", time.Minute, 1, stage{1, []float64{10, 5}, []int{1, 1, 1}}),
		record(t, app, "b", time.Minute, 2, stage{1, []float64{20, 5}, []int{2, 2, 2}}),
	}
	r := fit(t, Source{"shop.yaml", []byte(shop)}, recs, Options{SpeedOnly: true})
	if len(r.Fitted) != 1 || r.Fitted[0].Key != "speed_factor" {
		t.Fatalf("fitted %+v", r.Fitted)
	}
	if f := r.Fitted[0]; math.Abs(f.Value-1.25) > 3*f.SE || f.SE > 0.05 {
		t.Errorf("speed factor %.3f +- %.3f, want 1.25", f.Value, f.SE)
	}
	if !strings.Contains(string(r.Text), "name: shop\nspeed_factor: "+r.Fitted[0].Text+" # fitted: ") {
		t.Errorf("the file does not say so:\n%s", r.Text)
	}
}

// What a recording cannot tell is not fitted, and the reason is given.
func TestRefusals(t *testing.T) {
	app := decode(t, shop)
	at := func(name string, rps []float64, replicas ...int) validate.Named {
		return record(t, app, name, time.Minute, uint64(name[0]), stage{1, rps, replicas})
	}
	low := []validate.Named{at("a", []float64{2, 1}, 1, 1, 1), at("b", []float64{2, 1}, 1, 1, 1), at("c", []float64{2, 1}, 1, 1, 1), at("d", []float64{2, 1}, 1, 1, 1)}
	busy := []validate.Named{at("e", []float64{20, 1}, 1, 1, 1), at("f", []float64{21, 1}, 1, 1, 1), at("g", []float64{19, 1}, 1, 1, 1)}
	without := func(recs []validate.Named, strip func(*trace.Recording)) []validate.Named {
		var out []validate.Named
		for _, r := range recs {
			c := *r.Recording
			c.Endpoints = append([]trace.EndpointRow(nil), c.Endpoints...)
			c.Services = append([]trace.ServiceRow(nil), c.Services...)
			strip(&c)
			out = append(out, validate.Named{Name: r.Name, Recording: &c})
		}
		return out
	}
	for _, tc := range []struct {
		name string
		recs []validate.Named
		want []string // key: reason
	}{
		{"one interval", low[:1], []string{"front CPU per visit: 1 interval(s) are too few"}},
		{"one load", low, []string{
			"front cpu_ms : wake_ms: in all 4 intervals",
			"list cpu_ms : wake_ms: in all 4 intervals",
			"front cpu_ms of page : ping: ",
			"front.balancing: all intervals have 1 replica(s)",
			"front.base_cpu_m: ",
			"list.startup.cpu_ms: 0 start(s)",
			"list.startup.fixed_s: 0 start(s)",
			"front cv, wait_cv: its visits call others",
			"list cv, wait_cv: no recording has its 50th and 95th percentiles",
		}},
		{"busy", busy, []string{"front wait_ms: it is throttled in all intervals"}},
		{"no latency", without(low, func(r *trace.Recording) {
			for i := range r.Services {
				r.Services[i].MeanMs = trace.NoValue()
			}
			for i := range r.Endpoints {
				r.Endpoints[i].MeanMs = trace.NoValue()
			}
		}), []string{"front wait_ms: no recording has its mean latency", "price wait_ms: no recording has its mean latency"}},
		{"no CPU", without(low, func(r *trace.Recording) {
			for i := range r.Services {
				r.Services[i].CPUMillis = trace.NoValue()
			}
		}), []string{"list CPU per visit: no recording has its CPU"}},
		{"no throttling", without(low, func(r *trace.Recording) {
			for i := range r.Services {
				r.Services[i].Throttled = trace.NoValue()
			}
		}), []string{"front wait_ms: throttling was not recorded"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := fit(t, guess(), tc.recs, Options{Rounds: 2, Replications: 2})
			var got []string
			for _, k := range r.Kept {
				for _, key := range k.Keys {
					got = append(got, key+": "+k.Reason)
				}
				if k.Cure == "" {
					t.Errorf("%v: no cure", k.Keys)
				}
			}
			for _, want := range tc.want {
				found := false
				for _, g := range got {
					found = found || strings.HasPrefix(g, want)
				}
				if !found {
					t.Errorf("%q is not among\n%s", want, strings.Join(got, "\n"))
				}
			}
		})
	}
}

var digits = regexp.MustCompile(`\d+(\.\d+)?`)

// Fitting the fitted file again gives a file of the same form, and the number of workers does not matter.
func TestFittedFile(t *testing.T) {
	app := decode(t, shop)
	recs := grid(t, app, 1)
	opt := Options{Rounds: 3, Replications: 1, Fit: []string{"cpu"}}
	once := fit(t, guess(), recs, opt)
	if one, err := Fit(context.Background(), guess(), recs, Options{Engine: des, Rounds: 3, Replications: 1, Fit: opt.Fit, Workers: 1}); err != nil || string(one.Text) != string(once.Text) {
		t.Errorf("one worker gives another file (%v)", err)
	}
	again := fit(t, Source{"fitted.yaml", once.Text}, recs, opt)
	form := func(text []byte) string { return digits.ReplaceAllString(string(text), "N") }
	if d := cmp.Diff(form(once.Text), form(again.Text)); d != "" {
		t.Error(d)
	}
	for _, want := range []string{"- name: front # the way in\n", "; from a benchmark\n", "base_cpu_m: ", " # fitted: cpu_ms "} {
		if !strings.Contains(string(once.Text), want) {
			t.Errorf("the file does not contain %q:\n%s", want, once.Text)
		}
	}
	if once.App == nil || once.App.Ops[0].CPUMs <= 0 {
		t.Error("the result has no application")
	}
}

// Three starts of list at a light load: 6,000 ms of CPU at 400 m, 15 s, after 4 s. Intervals of 5 s show a start's length
// with an error of 2 s, so the mean of three with 1.2 s.
func TestStartUp(t *testing.T) {
	app := decode(t, shop)
	rps := []float64{2, 1}
	rec := record(t, app, "starts", 5*time.Second, 3, stage{24, rps, []int{1, 1, 1}}, stage{9, rps, []int{1, 2, 1}}, stage{6, rps, []int{1, 1, 1}}, stage{9, rps, []int{1, 2, 1}}, stage{9, rps, []int{1, 3, 1}})
	other := grid(t, app, 5)
	r := fit(t, guess(), append(other, rec), Options{Rounds: 3, Replications: 2, Fit: []string{"cpu", "startup-cpu", "startup-delay"}, MaxSE: 0.5})
	got := map[string]float64{}
	for _, f := range r.Fitted {
		got[f.Key] = f.Value
	}
	if v := got["list.startup.cpu_ms"]; math.Abs(v/6000-1) > 0.15 {
		t.Errorf("start-up takes %.0f ms of CPU, want 6000 (%v)", v, r.Kept)
	}
	if v := got["list.startup.fixed_s"]; math.Abs(v-4) > 2.5 {
		t.Errorf("start-up is delayed by %.1f s, want 4 (%v)", v, r.Kept)
	}
}

// list's cold replicas need 4 times as much, falling with 300 visits; one start, 30 intervals at 13 visits/s of each replica. When
// in an interval the replica began to serve is not known: that alone may be 30 visits, 10 % of its extra cost.
func TestWarmUp(t *testing.T) {
	warm := func(text, warmup string) string {
		return strings.Replace(text, "    base_cpu_m: 6\n", "    base_cpu_m: 6\n    warmup: "+warmup+"\n", 1)
	}
	app := decode(t, warm(shop, "{calls: 300, factor: 4}"))
	rps := []float64{8, 2}
	recs := append(grid(t, app, 6)[:8], record(t, app, "starts", 5*time.Second, 4, stage{6, rps, []int{1, 1, 1}}, stage{30, rps, []int{1, 2, 1}}))
	r := fit(t, Source{"shop.yaml", []byte(warm(shop, "{calls: 1000, factor: 2}"))}, recs, Options{Rounds: 3, Replications: 2, Fit: []string{"cpu", "warmup"}})
	got := map[string]Fitted{}
	for _, f := range r.Fitted {
		got[f.Key] = f
	}
	for key, want := range map[string]float64{"list.warmup.factor": 4, "list.warmup.calls": 300} {
		if f, ok := got[key]; !ok || math.Abs(f.Value/want-1) > 0.2 || f.SE > 0.1*want {
			t.Errorf("%s is %.4g +- %.2g, want %v (%v)", key, f.Value, f.SE, want, r.Kept)
		}
	}
}

func TestFitRefusesOptions(t *testing.T) {
	rec := record(t, decode(t, shop), "a", time.Minute, 1, stage{1, []float64{1, 1}, []int{1, 1, 1}})
	for name, opt := range map[string]Options{
		"no engine was given": {}, "there is no group \"all\"": {Engine: des, Fit: []string{"all"}}, "a bound of 2 on standard errors": {Engine: des, MaxSE: 2},
	} {
		if _, err := Fit(context.Background(), guess(), []validate.Named{rec}, opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := *rec.Recording
	other.Meta.Application = "redis"
	if _, err := Fit(context.Background(), guess(), []validate.Named{{Name: "x", Recording: &other}}, Options{Engine: des}); err == nil || !strings.Contains(err.Error(), `recording "x" is of application redis, not shop`) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Fit(ctx, guess(), []validate.Named{rec}, Options{Engine: des}); err == nil || ctx.Err() == nil {
		t.Error("a cancelled fit went on")
	}
}

func TestFolds(t *testing.T) {
	var recs []validate.Named
	for _, n := range []string{"g1", "g1r", "g2", "g3", "g4", "g2r", "g5"} {
		recs = append(recs, validate.Named{Name: n})
	}
	var got []string
	for _, fold := range Folds(recs, 3) {
		var names []string
		for _, r := range fold {
			names = append(names, r.Name)
		}
		got = append(got, fmt.Sprint(names))
	}
	if d := cmp.Diff([]string{"[g1 g1r g4]", "[g2 g2r g5]", "[g3]"}, got); d != "" {
		t.Error(d)
	}
}

// Out of sample, the fits predict CPU of every service: no row is left out, and the median error is a few percent.
func TestCrossValidate(t *testing.T) {
	app := decode(t, shop)
	recs := grid(t, app, 2)[2:9]
	cv, err := CrossValidate(context.Background(), guess(), recs, nil, 3, Options{Engine: des, Rounds: 3, Replications: 1, Workers: 2, Fit: []string{"cpu", "wait"}}, validate.Options{Engine: des, Seeds: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(cv.Fits) != 3 || len(cv.Rows) != len(recs)*(1+2+3) {
		t.Errorf("%d fits, %d rows", len(cv.Fits), len(cv.Rows))
	}
	for _, class := range []validate.Class{validate.Unthrottled, validate.Throttled} {
		if s := validate.Summarise(cv.Rows, validate.CPU, class, validate.IsKind(validate.OfService)); s.N < 5 || s.Median > 0.06 {
			t.Errorf("median CPU error of %d rows is %.3f", s.N, s.Median)
		}
	}
}

// Recordings of one mix of endpoints, of which only the total rate is known, as Istio's own metrics have it: front's operations are tied, and
// what is known of them is their mean, 0.75 of page and 0.25 of ping. The application's proportion is wrong (24 to 4, not 16 to 6).
func TestTiedOperations(t *testing.T) {
	app := decode(t, shop)
	var recs []validate.Named
	for i, p := range []stage{
		{1, []float64{1.5, 0.5}, []int{1, 1, 1}}, {1, []float64{1.5, 0.5}, []int{3, 3, 3}}, {1, []float64{6, 2}, []int{1, 1, 1}}, {1, []float64{15, 5}, []int{1, 1, 1}},
		{1, []float64{24, 8}, []int{2, 2, 1}}, {1, []float64{36, 12}, []int{2, 2, 2}}, {1, []float64{45, 15}, []int{3, 3, 3}},
	} {
		rec := record(t, app, fmt.Sprint(i), time.Minute, rng.Derive(3, "tied", i), p)
		rows := rec.Recording.Endpoints
		no := trace.NoValue()
		rec.Recording.Endpoints = []trace.EndpointRow{{Endpoint: trace.TotalEndpoint, RPS: rows[0].RPS + rows[1].RPS, P50Ms: no, P95Ms: no, P99Ms: no, ErrorRate: no, MeanMs: no}}
		recs = append(recs, rec)
	}
	r := fit(t, guess(), recs, Options{Rounds: 4, Replications: 2, Fit: []string{"cpu"}})
	tied := map[string]bool{}
	for _, f := range r.Fitted {
		tied[f.Key] = f.Tied
	}
	for _, f := range r.Fitted {
		if got, want := f.Tied, strings.HasPrefix(f.Key, "front.p"); got != want {
			t.Errorf("%s is tied: %v", f.Key, got)
		}
	}
	if _, ok := tied["front.ping.cpu_ms"]; !ok {
		t.Fatalf("not fitted: %+v", r.Kept)
	}
	mean := regexp.MustCompile(`only the mean of their visits is known, (\S+) \+- (\S+) ms`)
	found := false
	for _, k := range r.Kept {
		m := mean.FindStringSubmatch(k.Reason)
		if m == nil {
			continue
		}
		found = true
		value, _ := strconv.ParseFloat(m[1], 64)
		se, _ := strconv.ParseFloat(m[2], 64)
		if want := 0.75*16 + 0.25*6; !(math.Abs(value-want) <= 3*se) || se > 0.1*want {
			t.Errorf("front's visits cost %s, want %v", m[0], want)
		}
	}
	if !found {
		t.Errorf("no mean is given: %+v", r.Kept)
	}
	if !slices.ContainsFunc(r.Warnings, func(w string) bool {
		return strings.Contains(w, `recording "0" has no rates by endpoint, only their total: the mix of shop (weight) was taken, and what operations of front cost cannot be told apart`)
	}) {
		t.Errorf("warnings: %q", r.Warnings)
	}
	if !strings.Contains(string(r.Text), " tied (was 24)") {
		t.Errorf("the file does not say what is tied:\n%s", r.Text)
	}
}
