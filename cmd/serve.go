package cmd

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/sim"
)

// serveHelp explains --serve.
const serveHelp = "what a custom or external metric is, REGEXP=QUANTITY[*FACTOR][@SERVICE]; REGEXP is matched with the metric's name or query"

// serveRules say which metric of the simulated cluster a metric of an autoscaler is: those of a user first, then what queries
// commonly look like.
type serveRules []serveRule

type serveRule struct {
	text     string
	match    *regexp.Regexp
	quantity sim.Quantity
	factor   float64
	service  string // "" is found in the query, or is that of the autoscaler; "entry" is no service
}

func registerServe(f *pflag.FlagSet, words *[]string) {
	f.StringArrayVar(words, "serve", nil, serveHelp)
}

// parseServe reads the values of --serve.
func parseServe(words []string) (serveRules, error) {
	var rules serveRules
	for _, word := range words {
		at := strings.LastIndex(word, "=")
		if at < 1 {
			return nil, usagef("--serve %s: must be REGEXP=QUANTITY[*FACTOR][@SERVICE], such as 'my_queue_length=in_flight@cart'", word)
		}
		rule := serveRule{text: word}
		var err error
		if rule.match, err = regexp.Compile(word[:at]); err != nil {
			return nil, usagef("--serve %s: %w", word, err)
		}
		what, service, _ := strings.Cut(word[at+1:], "@")
		what, factor, has := strings.Cut(what, "*")
		rule.quantity, rule.service = sim.Quantity(what), service
		if !slices.Contains(sim.Quantities, rule.quantity) {
			return nil, usagef("--serve %s: %q is not served; one of %v", word, what, sim.Quantities)
		}
		if has {
			if rule.factor, err = strconv.ParseFloat(factor, 64); err != nil || !(rule.factor > 0) || rule.factor > 1e12 {
				return nil, usagef("--serve %s: factor %q must be a number above 0", word, factor)
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// String identifies the rules.
func (r serveRules) String() string {
	var out []string
	for i := range r {
		out = append(out, r[i].text)
	}
	return strings.Join(out, " ")
}

// commonRules recognise names and queries as meshes, exporters and adapters have them. Errors come before requests, whose counters
// they are taken from.
var commonRules = serveRules{
	{match: regexp.MustCompile(`(?i)(code|status|response_code)[a-z_]*=~?"(5|\\^?5)|error_rate|errors?_(ratio|share)`), quantity: sim.ErrorShare},
	{match: regexp.MustCompile(`(?i)histogram_quantile.*seconds|(latency|duration|p95|p99).*seconds`), quantity: sim.P95Latency, factor: 0.001},
	{match: regexp.MustCompile(`(?i)histogram_quantile|p95|p99|latency|duration`), quantity: sim.P95Latency},
	{match: regexp.MustCompile(`(?i)in_?flight|concurren|active_requests|queue`), quantity: sim.RequestsInFlight},
	{match: regexp.MustCompile(`(?i)requests?(_|-)?(total|count|rate|per)|(_|-|\b)(requests?|rps|qps)\b|response_total|grpc_server_(started|handled)_total`), quantity: sim.RequestsPerSecond},
	{match: regexp.MustCompile(`(?i)cpu_usage_seconds`), quantity: sim.CPUUsage, factor: 0.001},
}

// common tells whether these are not a user's.
func (r serveRules) common() bool { return len(r) > 0 && &r[0] == &commonRules[0] }

// labelValue finds the values that a query selects by.
var labelValue = regexp.MustCompile(`[a-zA-Z_]+\s*=~?\s*"([^"]*)"`)

// foreign are metrics of what a cluster is rather than of what it does.
var foreign = regexp.MustCompile(`(?i)\bkube_|\bnode_|container_(memory|network|fs)`)

// find says which metric of the simulated cluster a name or query asks for, on behalf of a service's autoscaler.
func (r serveRules) find(app *sim.App, service int, query string) (sim.ServedMetric, error) {
	for _, rules := range []serveRules{r, commonRules} {
		for i := range rules {
			rule := &rules[i]
			if !rule.match.MatchString(query) || rules.common() && foreign.MatchString(query) {
				continue
			}
			m := sim.ServedMetric{Quantity: rule.quantity, Factor: rule.factor, Service: service}
			switch rule.service {
			case "":
				if s := servedService(app, query); s >= 0 {
					m.Service = s
				}
			case "entry":
				m.Service = sim.Entry
			default:
				if m.Service = serviceOf(app, rule.service); m.Service < 0 {
					return m, fmt.Errorf("--serve %s: application %s has no service %q", rule.text, app.Name, rule.service)
				}
			}
			if rule.quantity == sim.SLOViolations {
				m.Service = sim.Entry
			}
			return m, m.Validate(app)
		}
	}
	return sim.ServedMetric{}, fmt.Errorf("metric %q: not one that the simulated cluster knows; say what it is with --serve 'REGEXP=QUANTITY', QUANTITY one of %v", query, sim.Quantities)
}

// servedService is the service that a query's labels name; -1 for none.
func servedService(app *sim.App, query string) int {
	for _, m := range labelValue.FindAllStringSubmatch(query, -1) {
		value := strings.TrimSuffix(strings.Trim(m[1], "^$"), ".*")
		value, _, _ = strings.Cut(value, ".") // "cart.shop.svc.cluster.local"
		if s := serviceOf(app, value); s >= 0 {
			return s
		}
	}
	return -1
}
