package trace

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// locustHeader is the header of Locust 2.12.1, without columns that no reader needs.
const locustHeader = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,95%,99%,100%,Total Request Count,Total Failure Count,Total Average Response Time\n"

func TestImportLocust(t *testing.T) {
	all := func(get func(*EndpointRow) float64) func(*Recording, string) []float64 {
		return func(r *Recording, name string) []float64 { return endpointColumn(r, name, get) }
	}
	for _, c := range []struct {
		name, text, endpoint string
		opt                  ImportOptions
		get                  func(*Recording, string) []float64
		want                 []float64
		note                 string
	}{
		{"rates are differences of counts", locustHeader + "100,1,GET,a,9,9,1,2,3,4,50,0,1\n110,1,GET,a,9,9,1,2,3,4,150,0,1\n120,1,GET,a,9,9,1,2,3,4,160,0,1\n", "a", ImportOptions{},
			all(rpsOf), []float64{10, 1}, "Rates are of requests that ended"},
		{"a name that appears had no requests before", locustHeader + "100,1,,Aggregated,0,0,N/A,N/A,N/A,N/A,0,0,0\n110,1,,Aggregated,0,0,N/A,N/A,N/A,N/A,0,0,0\n" +
			"120,1,GET,a,9,9,1,2,3,4,30,0,1\n120,1,,Aggregated,9,9,1,2,3,4,30,0,1\n", "a", ImportOptions{}, all(rpsOf), []float64{0, 3}, "Aggregated) were left out"},
		{"a reset", locustHeader + "100,1,GET,a,9,9,1,2,3,4,500,0,1\n110,1,GET,a,9,9,1,2,3,4,20,0,1\n120,1,GET,a,9,9,1,2,3,4,40,0,1\n", "a", ImportOptions{}, all(rpsOf), []float64{2, 2}, "1 time a count fell"},
		{"without counts", "Timestamp,Name,Requests/s,Failures/s\n100,a,1,0\n110,a,5,1\n120,a,7,0\n", "a", ImportOptions{}, all(rpsOf), []float64{5, 7}, "Rates are Locust's Requests/s"},
		{"and their failures", "Timestamp,Name,Requests/s,Failures/s\n100,a,1,0\n110,a,5,1\n120,a,7,0\n", "a", ImportOptions{}, all(errorRateOf), []float64{0.2, 0}, ""},
		{"two types of one name", locustHeader + "100,1,GET,a,9,9,1,2,3,4,0,0,1\n100,1,POST,a,9,9,1,2,3,4,0,0,1\n110,1,GET,a,9,9,1,2,3,4,10,0,1\n110,1,POST,a,9,9,1,2,3,4,20,0,1\n", "POST a", ImportOptions{}, all(rpsOf), []float64{2},
			"2 names stand for requests of several types"},
		{"joined by another name", locustHeader + "100,1,GET,a,9,9,1,2,3,4,0,0,1\n100,1,POST,a,9,9,1,2,3,4,0,0,1\n110,1,GET,a,9,9,1,2,3,4,10,0,1\n110,1,POST,a,9,9,1,2,3,4,20,0,1\n", "cart",
			ImportOptions{Rename: map[string]string{"GET a": "cart", "POST a": "cart"}}, all(rpsOf), []float64{3}, "cart is 2 names of the file together"},
		// 10 requests of 100 ms, then 30 of 300 ms: (40*250 - 10*100)/30.
		{"the mean latency of an interval", locustHeader + "100,1,GET,a,9,9,1,2,3,4,0,0,0\n110,1,GET,a,9,9,1,2,3,4,10,1,100\n120,1,GET,a,9,9,1,2,3,4,40,1,250\n", "a", ImportOptions{},
			all(func(r *EndpointRow) float64 { return r.MeanMs }), []float64{100, 300}, ""},
		{"its error rate", locustHeader + "100,1,GET,a,9,9,1,2,3,4,0,0,0\n110,1,GET,a,9,9,1,2,3,4,10,1,100\n120,1,GET,a,9,9,1,2,3,4,40,1,250\n", "a", ImportOptions{}, all(errorRateOf), []float64{0.1, 0}, ""},
		{"percentiles since the start are left out", locustHeader + "100,1,GET,a,9,9,1,2,3,40,0,0,0\n110,1,GET,a,9,9,1,2,3,40,10,1,100\n120,1,GET,a,9,9,1,2,3,40,40,1,250\n", "a", ImportOptions{}, all(p95Of), []float64{nan, nan},
			"of all requests since the start"},
		{"those of the last ten seconds are used", locustHeader + "100,1,GET,a,9,9,1,2,3,40,0,0,0\n110,1,GET,a,9,9,1,2,3,40,10,1,100\n120,1,GET,a,9,9,1,5,6,7,40,1,250\n", "a", ImportOptions{}, all(p95Of), []float64{2, 5}, "of about 10 s"},
		{"not where Locust knows none", locustHeader + "100,1,GET,a,9,9,1,2,3,40,0,0,0\n110,1,GET,a,9,9,0,0,0,0,10,1,100\n120,1,GET,a,9,9,1,5,6,7,40,1,250\n", "a", ImportOptions{}, all(p95Of), []float64{nan, 5}, ""},
		{"nor of intervals of which they are a small part", locustHeader + "100,1,GET,a,9,9,1,2,3,40,0,0,0\n130,1,GET,a,9,9,1,5,6,7,40,1,250\n", "a", ImportOptions{Interval: 30 * time.Second}, all(p95Of), []float64{nan},
			"Locust's are of the last 10 s alone, and an interval is 30 s"},
		{"all requests together", locustHeader + "100,1,,Aggregated,9,9,1,2,3,4,0,0,1\n110,1,,Aggregated,9,9,1,2,3,4,10,0,1\n", "all", ImportOptions{}, all(rpsOf), []float64{1}, "run Locust with --csv-full-history"},
		{"a gap", locustHeader + "100,1,GET,a,9,9,1,2,3,4,0,0,1\n110,1,GET,a,9,9,1,2,3,4,10,0,1\n120,1,GET,a,9,9,1,2,3,4,20,0,1\n200,1,GET,a,9,9,1,2,3,4,30,0,1\n210,1,GET,a,9,9,1,2,3,4,40,0,1\n", "a",
			ImportOptions{AllowGaps: true}, all(rpsOf), []float64{1, 1, 1}, "8 intervals without rows in the file"},
	} {
		rec, err := ImportLocust(strings.NewReader(c.text), "stats_history.csv", c.opt)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := c.get(rec, c.endpoint); !cmp.Equal(c.want, got, cmpopts.EquateNaNs()) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if c.note != "" {
			wantNote(t, rec, c.note)
		}
		accepted(t, rec)
	}
}

// TestImportLocustFile imports a file that Locust 2.12.1 wrote: six users with constant throughput for 45 s against a small server, GET and POST of
// /cart after 20 to 50 ms, a third of the requests of flaky answered with status 500. What the importer says is compared with the
// counts in the file, read by a reader of its own.
func TestImportLocustFile(t *testing.T) {
	const file = "testdata/locust/full_history.csv"
	rec, err := Import(file, ImportOptions{From: "locust", Interval: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	accepted(t, rec)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(row []string, i int) float64 {
		v, err := strconv.ParseFloat(row[i], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first, end := number(rows[1], 0), 0.0
	end = first + rec.Duration().Seconds()
	counts := map[string]float64{}
	for _, row := range rows[1:] {
		if name := row[3]; name != "Aggregated" && number(row, 0) <= end {
			if name == "/cart" {
				name = row[2] + " " + name
			}
			counts[name] = number(row, 17)
		}
	}
	if len(counts) != 4 || len(rec.EndpointNames()) != 4 {
		t.Fatalf("endpoints %v, counts %v", rec.EndpointNames(), counts)
	}
	for name, n := range counts {
		sum := 0.0
		for _, v := range endpointColumn(rec, name, rpsOf) {
			sum += v * 5
		}
		// The last row before the end may be a second old, in which one name gets at most 11 requests.
		if math.Abs(sum-n) > 11 {
			t.Errorf("%s: %v requests, Locust counted %v", name, sum, n)
		}
	}
	for _, c := range []struct {
		name     string
		get      func(*EndpointRow) float64
		low, top float64
	}{
		{"flaky", errorRateOf, 0.1, 0.6},
		{"home", errorRateOf, 0, 0},
		{"GET /cart", p95Of, 40, 110},
		{"GET /cart", func(r *EndpointRow) float64 { return r.MeanMs }, 20, 60},
	} {
		known := 0
		for _, v := range endpointColumn(rec, c.name, c.get) {
			if !Has(v) {
				continue
			}
			if known++; v < c.low || v > c.top {
				t.Errorf("%s: %v is not from %v to %v", c.name, v, c.low, c.top)
			}
		}
		if known < 5 {
			t.Errorf("%s: %d values are known", c.name, known)
		}
	}
	rec, err = Import("testdata/locust/aggregated.csv", ImportOptions{From: "locust"})
	if err != nil {
		t.Fatal(err)
	}
	// Six users of four requests each.
	if got := endpointColumn(rec, TotalEndpoint, rpsOf); len(got) != 1 || math.Abs(got[0]-24) > 4 {
		t.Errorf("rates %v, want about 24", got)
	}
}
