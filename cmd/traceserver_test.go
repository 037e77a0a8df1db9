package cmd

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// promStub answers every query with a series of one pod for the range asked for, unless fail says otherwise.
func promStub(t *testing.T, fail func(w http.ResponseWriter, r *http.Request, n int) bool) string {
	t.Helper()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Content-Type", "application/json")
		if fail != nil && fail(w, r, n) {
			return
		}
		var from, to, step float64
		for name, v := range map[string]*float64{"start": &from, "end": &to, "step": &step} {
			if _, err := fmt.Sscan(r.URL.Query().Get(name), v); err != nil {
				t.Error(err)
			}
		}
		var values []string
		for at := from; at <= to; at += step {
			values = append(values, fmt.Sprintf(`[%.3f,"3"]`, at))
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"pod":"web-0"},"values":[%s]}]}}`, strings.Join(values, ","))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// ownSet is a set of two queries.
const ownSet = "format: 1\nqueries:\n  endpoint_rps: up\n  service_cpu_cores: up\n"

// TestImportFromServer: what is asked, with which token, and what is left when something goes wrong.
func TestImportFromServer(t *testing.T) {
	const token = "secret-7f3a91"
	now := time.Date(2025, 6, 30, 12, 0, 10, 0, time.UTC)
	echo := func(status int) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, r *http.Request, _ int) bool {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"status":"error","errorType":"auth","error":"got %s"}`, r.Header.Get("Authorization"))
			return true
		}
	}
	var tokens []string
	keep := func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		tokens = append(tokens, r.Header.Get("Authorization"), r.Header.Get("X-Scope-OrgID"))
		return false
	}
	for _, c := range []struct {
		name   string
		args   []string
		env    map[string]string
		fail   func(http.ResponseWriter, *http.Request, int) bool
		code   int
		stderr string // part of it
		stdout string
		tokens []string
		files  []string // what is there afterwards
	}{
		{"everything", []string{"--save", "answers", "--from-time", "-10m", "--step", "30s"}, nil, nil, 0, "2 of 2 answers\n",
			"application any, 10m0s in steps of 30s\nsource: imported from Prometheus at 127.0.0.1:", nil, []string{"answers", "own.yaml", "rec", "token"}},
		{"a token in the environment", []string{"--tenant", "team-a"}, map[string]string{"GRLSCALER_PROMETHEUS_TOKEN": token + "\n"}, keep, 0, "", "",
			[]string{"Bearer " + token, "team-a", "Bearer " + token, "team-a"}, []string{"own.yaml", "rec", "token"}},
		{"a token in a file goes first", []string{"--token-file", "token"}, map[string]string{"GRLSCALER_PROMETHEUS_TOKEN": "other"}, keep, 0, "", "",
			[]string{"Bearer " + token, "", "Bearer " + token, ""}, []string{"own.yaml", "rec", "token"}},
		{"a token that is refused is not shown", []string{"--token-file", "token"}, nil, echo(401), 1, "HTTP 401 Unauthorized: auth: got Bearer [token]; check the token", "", nil, []string{"own.yaml", "token"}},
		{"nor when it is tried again", []string{"--token-file", "token"}, nil, echo(503), 1, "got Bearer [token] (6 attempts)", "", nil, []string{"own.yaml", "token"}},
		{"a query that fails leaves nothing of the others", []string{"--save", "answers"}, nil, func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 2 {
				w.WriteHeader(422)
				fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"too many samples"}`)
			}
			return n == 2
		}, 1, "for service_cpu_cores: HTTP 422 Unprocessable Entity: execution: too many samples", "", nil, []string{"own.yaml", "token"}},
		{"answers that cannot be used are kept", []string{"--save", "answers", "--service-label", "app"}, nil, nil, 1,
			"no series names a service: its series have pod; name the label with --service-label; the answers are in answers and need not be asked for again: --from prometheus", "", nil, []string{"answers", "own.yaml", "token"}},
		{"they do not take the place of others", []string{"--save", "."}, nil, nil, 1, "the directory exists and is not empty; name another", "", nil, []string{"own.yaml", "token"}},
		{"an interval that is shorter than a step", []string{"--interval", "10s"}, nil, nil, 1, "an interval of 10s is shorter than the steps of", "", nil, []string{"own.yaml", "token"}},
		{"an option of another format", []string{"--point", "p"}, nil, nil, 1, "option point is not for this importer", "", nil, []string{"own.yaml", "token"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			for name, text := range map[string]string{"own.yaml": ownSet, "token": token + "\n"} {
				if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			tokens = nil
			var stdout, stderr bytes.Buffer
			w := &world{
				args:   append([]string{"trace", "import", "--from", "prometheus-url", promStub(t, c.fail), "--queries", "own.yaml", "-o", "rec"}, c.args...),
				env:    func(key string) (string, bool) { v, ok := c.env[key]; return v, ok },
				stdout: &stdout, stderr: &stderr, now: func() time.Time { return now }, wait: func(context.Context, time.Duration) error { return nil },
			}
			if code := run(context.Background(), w); code != c.code {
				t.Errorf("code %d", code)
			}
			if !strings.Contains(stderr.String(), c.stderr) || !strings.Contains(stdout.String(), c.stdout) {
				t.Errorf("stderr %s\nstdout %s", stderr.String(), stdout.String())
			}
			if strings.Contains(stderr.String()+stdout.String(), token) {
				t.Errorf("the token is shown: %s%s", stderr.String(), stdout.String())
			}
			if c.tokens != nil && strings.Join(tokens, " ") != strings.Join(c.tokens, " ") {
				t.Errorf("the server saw %q", tokens)
			}
			files, err := filepath.Glob("*")
			if err != nil || strings.Join(files, " ") != strings.Join(c.files, " ") {
				t.Errorf("files %v, %v", files, err)
			}
		})
	}
}
