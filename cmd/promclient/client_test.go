package promclient

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const token = "secret-7f3a91"

// noon is when the ranges of these tests begin.
var noon = time.Date(2025, 6, 30, 12, 0, 0, 0, time.UTC)

// tenSteps is a range of ten steps of 15 s.
var tenSteps = Range{noon, noon.Add(150 * time.Second), 15 * time.Second}

// stub is a server, a client of it, and how long the client waited.
type stub struct {
	*httptest.Server
	client *Client
	waits  []time.Duration

	mu    sync.Mutex // a request that the client gave up may still be here when the next one comes
	asked []url.Values
}

// newStub makes a server that answers requests one after the other, the last one of answers again and again.
func newStub(t *testing.T, opt Options, answers ...http.HandlerFunc) *stub {
	t.Helper()
	s := &stub{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.asked)
		s.asked = append(s.asked, r.URL.Query())
		s.mu.Unlock()
		answers[min(n, len(answers)-1)](w, r)
	}))
	t.Cleanup(s.Close)
	if opt.URL == "" {
		opt.URL = s.URL
	}
	opt.Wait = func(ctx context.Context, d time.Duration) error {
		s.waits = append(s.waits, d)
		return ctx.Err()
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s.client = c
	return s
}

func (s *stub) fetch() error {
	_, err := s.client.Fetch(context.Background(), []Query{{"endpoint_rps", "up"}}, tenSteps)
	return err
}

// reply answers with a status, a content type and a text.
func reply(status int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

const jsonKind = "application/json"

// constant answers like Prometheus with a series of ones, a sample for each step asked for.
func constant(w http.ResponseWriter, r *http.Request) {
	number := func(name string) float64 {
		v, err := strconv.ParseFloat(r.URL.Query().Get(name), 64)
		if err != nil {
			panic(err)
		}
		return v
	}
	var values []string
	for at := number("start"); at <= number("end"); at += number("step") {
		values = append(values, fmt.Sprintf(`[%v,"1"]`, strconv.FormatFloat(at, 'f', -1, 64)))
	}
	reply(200, jsonKind, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"endpoint":"home"},"values":[`+strings.Join(values, ",")+`]}]}}`)(w, r)
}

// TestParts: a range is asked in parts, which are joined without a step twice or missing.
func TestParts(t *testing.T) {
	s := newStub(t, Options{Points: 4}, constant)
	s.client.base.Path = "/prefix"
	answers, err := s.client.Fetch(context.Background(), []Query{{"endpoint_rps", "up"}}, tenSteps)
	if err != nil {
		t.Fatal(err)
	}
	var starts, ends []string
	for _, q := range s.asked {
		starts, ends = append(starts, q.Get("start")), append(ends, q.Get("end"))
		if q.Get("query") != "up" || q.Get("step") != "15" {
			t.Errorf("asked %v", q)
		}
	}
	first := noon.Unix()
	at := func(steps ...int64) (out []string) {
		for _, k := range steps {
			out = append(out, strconv.FormatInt(first+15*k, 10))
		}
		return out
	}
	if !slices.Equal(starts, at(1, 5, 9)) || !slices.Equal(ends, at(4, 8, 10)) {
		t.Errorf("from %v to %v", starts, ends)
	}
	var got apiAnswer
	if err := json.Unmarshal(answers[0].Data, &got); err != nil {
		t.Fatal(err)
	}
	var values [][2]any
	if err := json.Unmarshal(got.Data.Result[0].Values, &values); err != nil {
		t.Fatal(err)
	}
	if len(got.Data.Result) != 1 || len(values) != 10 {
		t.Fatalf("%s", answers[0].Data)
	}
	for k, v := range values {
		if v[0] != float64(first+15*int64(k+1)) {
			t.Errorf("value %d is of %v", k, v[0])
		}
	}
}

// TestJoin: series may come and go between parts, and warnings are kept once.
func TestJoin(t *testing.T) {
	part := func(text string) http.HandlerFunc { return reply(200, jsonKind, text) }
	s := newStub(t, Options{Points: 5},
		part(`{"status":"success","warnings":["a store is away"],"data":{"resultType":"matrix","result":[{"metric":{"b":"2","a":"1"},"values":[[1,"1"]]},{"metric":{"a":"x"},"values":[ ]}]}}`),
		part(`{"status":"success","warnings":["a store is away"],"infos":["no counter"],"data":{"resultType":"matrix","result":[{"metric":{"a":"x"},"values":[[2,"5"]]},{"metric":{"a":"1","b":"2"},"values":[[2,"NaN"]]},{"metric":{}}]}}`))
	answers, err := s.client.Fetch(context.Background(), []Query{{"endpoint_rps", "up"}}, tenSteps)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"status":"success","warnings":["a store is away"],"infos":["no counter"],"data":{"resultType":"matrix","result":[` +
		`{"metric":{"a":"1","b":"2"},"values":[[1,"1"],[2,"NaN"]]},{"metric":{"a":"x"},"values":[[2,"5"]]},{"metric":{}}]}}` + "\n"
	if got := string(answers[0].Data); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// TestRetries: what passes is tried again, five times, after waits that double or that the server asks for.
func TestRetries(t *testing.T) {
	after := func(seconds string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", seconds)
			reply(429, "text/plain", "slow down")(w, r)
		}
	}
	broken := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "{")
	}
	busy := reply(503, jsonKind, `{"status":"error","errorType":"timeout","error":"query timed out"}`)
	s := func(n ...time.Duration) []time.Duration {
		for i := range n {
			n[i] *= time.Second
		}
		return n
	}
	for _, c := range []struct {
		name    string
		answers []http.HandlerFunc
		waits   []time.Duration
		err     string
	}{
		{"none needed", []http.HandlerFunc{constant}, nil, ""},
		{"busy twice", []http.HandlerFunc{busy, busy, constant}, s(1, 2), ""},
		{"a wait that the server asks for", []http.HandlerFunc{after("7"), busy, constant}, s(7, 2), ""},
		{"one that is too long", []http.HandlerFunc{after("86400"), constant}, s(60), ""},
		{"one that cannot be understood", []http.HandlerFunc{after("Fri, 31 Dec 1999 23:59:59 GMT"), constant}, s(1), ""},
		{"a connection that breaks off", []http.HandlerFunc{broken, constant}, s(1), ""},
		{"busy for good", []http.HandlerFunc{busy}, s(1, 2, 4, 8, 16), "HTTP 503 Service Unavailable: timeout: query timed out (6 attempts)"},
		{"a gateway", []http.HandlerFunc{reply(502, "text/html", "<html>Bad gateway</html>")}, s(1, 2, 4, 8, 16), "HTTP 502 Bad Gateway (6 attempts)"},
		{"a query that is wrong", []http.HandlerFunc{reply(400, jsonKind, `{"status":"error","errorType":"bad_data","error":"1:4: parse error"}`)}, nil, "HTTP 400 Bad Request: bad_data: 1:4: parse error"},
		{"one that takes too much", []http.HandlerFunc{reply(422, jsonKind, `{"status":"error","errorType":"execution","error":"would load too many samples"}`)}, nil,
			"HTTP 422 Unprocessable Entity: execution: would load too many samples"},
		{"not allowed", []http.HandlerFunc{reply(401, "text/plain", "no access for Bearer "+token)}, nil, "HTTP 401 Unauthorized: no access for Bearer [token]; check the token"},
		{"forbidden", []http.HandlerFunc{reply(403, "text/html", "<html>")}, nil, "HTTP 403 Forbidden; check the token"},
		{"nothing there", []http.HandlerFunc{http.NotFound}, nil, "the address below which api/v1/query_range is?"},
		{"a page to log in", []http.HandlerFunc{reply(200, "text/html; charset=utf-8", "<html>")}, nil, "the answer is text/html, not JSON"},
		{"no content type", []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil }}, nil, "the answer is nothing, not JSON"},
		{"JSON that is none", []http.HandlerFunc{reply(200, jsonKind, `{"status":`)}, nil, "is not JSON of Prometheus"},
		{"other JSON", []http.HandlerFunc{reply(200, jsonKind, `{"up":true}`)}, nil, "the server says nothing"},
		{"an error with status 200", []http.HandlerFunc{reply(200, jsonKind, `{"status":"error","errorType":"internal","error":"x"}`)}, nil, "the server says error: internal: x"},
		{"a vector", []http.HandlerFunc{reply(200, jsonKind, `{"status":"success","data":{"resultType":"vector","result":[]}}`)}, nil, "the answer is a vector, not a matrix"},
		{"what a terminal would obey", []http.HandlerFunc{reply(400, "text/plain", "\x1b[2J"+strings.Repeat("long ", 200))}, nil, "HTTP 400 Bad Request: [2Jlong long"},
	} {
		stub := newStub(t, Options{Token: token}, c.answers...)
		err := stub.fetch()
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
		if !slices.Equal(stub.waits, c.waits) {
			t.Errorf("%s: waited %v, want %v", c.name, stub.waits, c.waits)
		}
		if err == nil {
			continue
		}
		if text := err.Error(); strings.Contains(text, token) || strings.ContainsAny(text, "\x1b\n") || len(text) > 600 {
			t.Errorf("%s: %q", c.name, text)
		}
		if !strings.HasPrefix(err.Error(), "asking "+stub.client.Host()+" for endpoint_rps: ") {
			t.Errorf("%s: %v does not say who was asked for what", c.name, err)
		}
	}
}

// TestSlow: a server that does not answer in time is asked again, and given up. It answers when the test is over.
func TestSlow(t *testing.T) {
	over := make(chan struct{})
	s := newStub(t, Options{Timeout: 10 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(over) })
	if err := s.fetch(); err == nil || !strings.Contains(err.Error(), "no answer within 10ms (6 attempts)") {
		t.Error(err)
	}
}

// TestInterrupted: a wait that is cut short ends everything.
func TestInterrupted(t *testing.T) {
	s := newStub(t, Options{}, reply(503, "text/plain", "busy"))
	ctx, cancel := context.WithCancel(context.Background())
	s.client.opt.Wait = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}
	if _, err := s.client.Fetch(ctx, []Query{{"endpoint_rps", "up"}}, tenSteps); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Sleep(context.Background(), 0); err != nil {
		t.Error(err)
	}
}

// TestRedirects: they are followed on the same server, and the token goes nowhere else.
func TestRedirects(t *testing.T) {
	elsewhere := newStub(t, Options{}, constant)
	var seen []string
	s := newStub(t, Options{Token: token, Tenant: "shop"},
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other"+r.URL.RequestURI(), http.StatusFound)
		},
		func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Scope-OrgID"))
			constant(w, r)
		})
	if err := s.fetch(); err != nil {
		t.Error(err)
	}
	if want := []string{"/other/api/v1/query_range", "Bearer " + token, "shop"}; !slices.Equal(seen, want) {
		t.Errorf("the server saw %q", seen)
	}
	s = newStub(t, Options{Token: token}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/login?next="+token, http.StatusFound)
	})
	err := s.fetch()
	if err == nil || !strings.Contains(err.Error(), "it redirects to "+elsewhere.URL+"/login: give that address") || strings.Contains(err.Error(), token) {
		t.Error(err)
	}
	if len(elsewhere.asked) > 0 || len(s.waits) > 0 {
		t.Errorf("asked %v, waited %v", elsewhere.asked, s.waits)
	}
	s = newStub(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.RequestURI(), http.StatusFound)
	})
	if err := s.fetch(); err == nil || !strings.Contains(err.Error(), "in a circle") {
		t.Error(err)
	}
}

// TestCertificates: a certificate that nobody known signed is refused, unless its CA is given.
func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(constant))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the client that does not trust it
	server.StartTLS()
	t.Cleanup(server.Close)
	ask := func(ca []byte) error {
		c, err := New(Options{URL: server.URL, CA: ca})
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Fetch(context.Background(), []Query{{"endpoint_rps", "up"}}, tenSteps)
		return err
	}
	if err := ask(nil); err == nil || !strings.Contains(err.Error(), "its certificate is not trusted") || !strings.Contains(err.Error(), "--ca-file") {
		t.Error(err)
	}
	if err := ask(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})); err != nil {
		t.Error(err)
	}
	if err := ask([]byte("no certificate")); err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
		t.Error(err)
	}
}

// TestNothingThere: a server that is not there is not asked again and again.
func TestNothingThere(t *testing.T) {
	s := newStub(t, Options{}, constant)
	s.Close()
	if err := s.fetch(); err == nil || !strings.Contains(err.Error(), "connection refused") || len(s.waits) > 0 || strings.Contains(err.Error(), "query=") {
		t.Error(err, s.waits)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		opt  Options
		err  string
	}{
		{"no scheme", Options{URL: "prometheus:9090"}, "is not the URL of a server"},
		{"nothing", Options{}, "is not the URL of a server"},
		{"another scheme", Options{URL: "ftp://prometheus"}, "is not the URL of a server"},
		{"a password", Options{URL: "https://me:hunter2@prometheus"}, "the URL holds a user or password"},
		{"a password that cannot be parsed", Options{URL: "https://me:hun%ter2@prometheus"}, `"...@prometheus" is not the URL`},
		{"a query", Options{URL: "https://prometheus/?a=b"}, "has more than a path"},
		{"a token of two lines", Options{URL: "https://prometheus", Token: token + "\n" + token}, "the token holds spaces, line breaks"},
		{"a tenant of two lines", Options{URL: "https://prometheus", Tenant: "a\nb"}, "is not a tenant"},
		{"a token in the open", Options{URL: "http://prometheus", Token: token}, "would be sent to prometheus unencrypted"},
		{"a token on this machine", Options{URL: "http://localhost:9090", Token: token}, ""},
		{"or by its address", Options{URL: "http://[::1]:9090", Token: token}, ""},
		{"too many points", Options{URL: "http://prometheus", Points: 20_000}, "20000 points in an answer are not from 2 to 11000"},
		{"the whole address", Options{URL: "https://prometheus/api/v1/query_range"}, ""},
	} {
		client, err := New(c.opt)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
		if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "hun%")) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && client.base.Path != "" {
			t.Errorf("%s: path %q", c.name, client.base.Path)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(200, jsonKind, []byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"1"]]}]}}`))
	f.Add(200, jsonKind, []byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":null,"values":"x"},{"metric":null,"values":[]}]}}`))
	f.Add(503, "text/plain", []byte("\x1b[0m\nbusy"))
	c, err := New(Options{URL: "http://localhost"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, code int, kind string, body []byte) {
		resp := &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {kind}}}
		answer, failed := c.judge(resp, body)
		if failed != nil {
			if text := failed.Error(); strings.ContainsAny(text, "\x1b\n") {
				t.Fatalf("%q", text)
			}
			return
		}
		joined, index := &apiAnswer{}, map[string]int{}
		for range 2 {
			if err := joined.join(answer, index); err != nil {
				return
			}
		}
		if _, err := json.Marshal(joined); err != nil {
			t.Fatal(err)
		}
	})
}
