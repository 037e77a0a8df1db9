package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/cmd/promclient"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// tokenVariable holds the bearer token where no file is named. It is no flag's: a token on a command line is seen by all.
const tokenVariable = envPrefix + "PROMETHEUS_TOKEN"

// serverFlags say what a server with Prometheus's API is asked, and how.
type serverFlags struct {
	queries string
	values  promclient.Values
	from    string
	to      string
	step    time.Duration

	tokenFile, caFile string
	tenant, save      string
	points            int

	names []string // of these flags
}

// register adds the flags that make queries of a set.
func (s *serverFlags) register(f *pflag.FlagSet, prefix string) {
	before := flagNames(f)
	if prefix != "" { // trace queries has the set as its argument
		f.StringVar(&s.queries, "queries", "", prefix+"set of queries: "+strings.Join(configs.Names(configs.Queries), ", ")+", or the path of a .yaml file")
	}
	f.StringVar(&s.values.Namespace, "namespace", "", prefix+"$namespace of the queries: where the application runs")
	f.StringVar(&s.values.Entry, "entry", "", prefix+"$entry of the queries: the service that users talk to")
	f.DurationVar(&s.values.Window, "window", 0, prefix+"$window of the queries: over how long rates are taken (default: the step)")
	f.StringVar(&s.from, "from-time", "-1h", prefix+"start: RFC 3339, or before now like -24h or -7d")
	f.StringVar(&s.to, "to-time", "now", prefix+"end, likewise")
	f.DurationVar(&s.step, "step", time.Minute, prefix+"time between values")
	s.added(f, before)
}

// registerAccess adds the flags that say how the server is asked.
func (s *serverFlags) registerAccess(f *pflag.FlagSet) {
	const prefix = fromServer + ": "
	before := flagNames(f)
	f.StringVar(&s.tokenFile, "token-file", "", prefix+"file with a bearer token (default: environment variable "+tokenVariable+")")
	f.StringVar(&s.caFile, "ca-file", "", prefix+"PEM certificates of the CA that signed the server's, instead of the system's")
	f.StringVar(&s.tenant, "tenant", "", prefix+"tenant (X-Scope-OrgID), where Mimir has several")
	f.IntVar(&s.points, "points", promclient.MaxPoints, prefix+"most points of a series in one answer; longer ranges are asked in parts")
	f.StringVar(&s.save, "save", "", prefix+"directory in which answers are kept, for --from prometheus")
	s.added(f, before)
}

func flagNames(f *pflag.FlagSet) []string {
	var names []string
	f.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// added notes which flags were added.
func (s *serverFlags) added(f *pflag.FlagSet, before []string) {
	for _, name := range flagNames(f) {
		if !slices.Contains(before, name) {
			s.names = append(s.names, name)
		}
	}
}

// refuse returns an error if one of the flags is on the command line of an import that asks no server.
func (s *serverFlags) refuse(w *world, f *pflag.FlagSet) error {
	for _, name := range s.names {
		_, inEnv := w.env(envVariable(name))
		if f.Changed(name) && !inEnv {
			return usagef("--%s is for --from %s; leave it out", name, fromServer)
		}
	}
	return nil
}

// timeRange reads the range of time.
func (s *serverFlags) timeRange(w *world) (promclient.Range, error) {
	now := w.now()
	r := promclient.Range{Step: s.step}
	var err error
	if r.From, err = promclient.ParseTime(s.from, now); err != nil {
		return r, usagef("--from-time %q: %w", s.from, err)
	}
	if r.To, err = promclient.ParseTime(s.to, now); err != nil {
		return r, usagef("--to-time %q: %w", s.to, err)
	}
	if r.To.After(now) {
		return r, usagef("--to-time %s is not over yet", r.To.Format(time.RFC3339))
	}
	r = r.Aligned()
	if err := r.Check(); err != nil {
		return r, usagef("--from-time, --to-time, --step: %w", err)
	}
	return r, nil
}

// readSet reads a set of queries.
func readSet(word string) (*promclient.Set, *configs.File, error) {
	file, err := configs.Read(configs.Queries, word)
	if err != nil {
		return nil, nil, err
	}
	set, err := promclient.DecodeSet(file.Reader(), file.Name)
	return set, file, err
}

// expand reads the set and puts values in.
func (s *serverFlags) expand(word string) ([]promclient.Query, error) {
	set, _, err := readSet(word)
	if err != nil && !configs.IsPath(word) {
		err = usageError{err}
	}
	if err != nil {
		return nil, err
	}
	values := s.values
	if values.Window == 0 {
		values.Window = s.step
	}
	queries, err := set.Expand(values)
	if err != nil {
		return nil, usageError{err}
	}
	return queries, nil
}

// token reads the bearer token.
func (s *serverFlags) token(w *world) (string, error) {
	if s.tokenFile == "" {
		text, _ := w.env(tokenVariable)
		return strings.TrimSpace(text), nil
	}
	data, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", fmt.Errorf("reading the token: %s is empty", s.tokenFile)
	}
	return text, nil
}

// client makes the client of the server at an address.
func (s *serverFlags) client(w *world, address string, progress func(done, all int, what string)) (*promclient.Client, error) {
	token, err := s.token(w)
	if err != nil {
		return nil, err
	}
	opt := promclient.Options{URL: address, Token: token, Tenant: s.tenant, Points: s.points, Wait: w.wait, Proxy: w.proxy, Progress: progress}
	if s.caFile != "" {
		if opt.CA, err = os.ReadFile(s.caFile); err != nil {
			return nil, fmt.Errorf("reading the CA: %w", err)
		}
	}
	return promclient.New(opt)
}

// importFrom asks a server and makes a recording of what it says. Nothing is written before every query is answered.
func (s *serverFlags) importFrom(ctx context.Context, w *world, address string, opt trace.ImportOptions) (*trace.Recording, error) {
	if s.queries == "" {
		return nil, usagef("--queries is missing; one of %s, or the path of a .yaml file", strings.Join(configs.Names(configs.Queries), ", "))
	}
	r, err := s.timeRange(w)
	if err != nil {
		return nil, err
	}
	queries, err := s.expand(s.queries)
	if err != nil {
		return nil, err
	}
	report := reporter{w: w}
	client, err := s.client(w, address, func(done, all int, what string) {
		if done == all {
			report.line(true, "%d of %d answers", done, all)
			return
		}
		report.line(false, "%d of %d answers, asking for %s", done, all, what)
	})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	answers, err := client.Fetch(ctx, queries, r)
	report.end()
	if err != nil {
		return nil, err
	}
	if s.save != "" {
		if err := promclient.Save(s.save, answers, queries); err != nil {
			return nil, err
		}
	}
	if opt.Source == "" {
		opt.Source = "imported from Prometheus at " + client.Host()
	}
	rec, err := trace.ImportAnswers(client.Host(), answers, opt)
	if err != nil {
		if s.save != "" {
			err = withHint(err, "the answers are in %s and need not be asked for again: --from prometheus", s.save)
		}
		return nil, err
	}
	rec.Meta.Notes = append(rec.Meta.Notes, s.notes(queries)...)
	return rec, nil
}

// notes says what was asked.
func (s *serverFlags) notes(queries []promclient.Query) []string {
	var values []string
	for _, v := range []struct{ name, value string }{{"namespace", s.values.Namespace}, {"entry", s.values.Entry}} {
		if v.value != "" {
			values = append(values, v.name+" "+v.value)
		}
	}
	text := fmt.Sprintf("%s of the set %s", plural(len(queries), "query", "queries"), s.queries)
	if values != nil {
		text += " with " + strings.Join(values, ", ")
	}
	notes := []string{text + " were asked."}
	if win := s.values.Window; win > s.step {
		notes = append(notes, fmt.Sprintf("Rates are means over %v before the end of each step of %v: a surge is smeared over that time.", win, s.step))
	} else if win > 0 && win < s.step {
		notes = append(notes, fmt.Sprintf("Rates are means over the last %v of each step of %v: the rest was not looked at.", win, s.step))
	}
	return notes
}

// errMany is why a range does not fit one answer.
var errMany = errors.New("a server answers with at most 11000 steps; ask for a shorter range or longer steps")

// curl is a shell command that saves the answer to a query.
func curl(address string, q promclient.Query, r promclient.Range) (string, error) {
	if r.Steps() > promclient.MaxPoints {
		return "", errMany
	}
	quote := func(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
	seconds := func(ms int64) string { return strings.TrimSuffix(fmt.Sprintf("%d.%03d", ms/1000, ms%1000), ".000") }
	return fmt.Sprintf("curl -sS -G %s \\\n  --data-urlencode %s \\\n  -d start=%s -d end=%s -d step=%s -o %s.json\n",
		quote(strings.TrimSuffix(address, "/")+"/api/v1/query_range"), quote("query="+q.Text),
		seconds(r.From.Add(r.Step).UnixMilli()), seconds(r.To.UnixMilli()), seconds(r.Step.Milliseconds()), q.Quantity), nil
}
