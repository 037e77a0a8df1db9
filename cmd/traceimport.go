package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// fromServer is the format that is not a file: a server is asked.
const fromServer = "prometheus-url"

// importFormats lists what --from may be.
func importFormats() []string {
	var names []string
	for _, i := range trace.Importers() {
		names = append(names, i.Name)
		if i.Name == "prometheus" {
			names = append(names, fromServer)
		}
	}
	return names
}

func newTraceImport(w *world) *cobra.Command {
	var opt trace.ImportOptions
	var out, start string
	var replace bool
	var server serverFlags
	names := importFormats()
	c := &cobra.Command{
		Use:   "import SOURCE",
		Short: "Turn another format, or what Prometheus knows, into a recording",
		Long: "Turn another format, or what Prometheus knows, into a recording. Formats:\n\n" + importerHelp() + `
docs/import.md has the names of Prometheus's answers, the queries and a worked example.`,
		Example: `  grlscaler trace import --from csv rates.csv -o black-friday
  grlscaler trace import --from gym-hpa --kbit-per-request 8 v1_dataset.csv -o gym
  grlscaler trace import --from recorded --point h_rushsale raw/ -o h_rushsale
  grlscaler trace import --from recorded --point 'g*' --interval 60s raw/ -o grid
  grlscaler trace import --from prometheus answers/ -o yesterday
  grlscaler trace import --from prometheus-url --queries cadvisor-istio --namespace shop --entry frontend \
    --from-time -24h --step 30s https://prometheus.example.org -o yesterday
  grlscaler trace import --from locust run_stats_history.csv --rename '/=home,/cart=cart_view' -o run`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if opt.From == "" {
				return usagef("--from is missing; one of %s", strings.Join(names, ", "))
			}
			if !slices.Contains(names, opt.From) {
				return usagef("--from %s: unknown format; one of %s", opt.From, strings.Join(names, ", "))
			}
			if out == "" {
				return usagef("--out is missing; name the directory to write")
			}
			if start != "" {
				t, err := time.Parse(time.RFC3339, start)
				if err != nil {
					return usagef("--start %q: not a time like 2025-11-28T08:00:00Z", start)
				}
				opt.Start = t
			}
			write := trace.WriteOptions{Replace: replace}
			if opt.From == "recorded" && strings.ContainsAny(opt.Point, "*?[") {
				return importMany(w, args[0], out, opt, write)
			}
			var rec *trace.Recording
			var err error
			if opt.From == fromServer {
				rec, err = server.importFrom(c.Context(), w, args[0], opt)
			} else if err = server.refuse(w, c.Flags()); err == nil {
				rec, err = trace.Import(args[0], opt)
			}
			if err != nil {
				return err
			}
			if err := trace.Write(out, rec, write); err != nil {
				return err
			}
			return printImported(w, rec)
		},
	}
	f := c.Flags()
	f.StringVar(&opt.From, "from", "", "format of the source: "+strings.Join(names, ", "))
	f.StringVarP(&out, "out", "o", "", "directory to write")
	f.BoolVar(&replace, "replace", false, "replace a recording that is already there")
	f.StringVar(&opt.Application, "app", "", "application of the recording (default: the format's)")
	f.DurationVar(&opt.Interval, "interval", 0, "time between rows (default: as in the source)")
	f.StringVar(&start, "start", "", "time of the first row, RFC 3339 (default: as in the source)")
	f.StringVar(&opt.Source, "source", "", "where the data come from, for meta.yaml")
	f.StringVar(&opt.Licence, "licence", "", "their licence, for meta.yaml")
	f.BoolVar(&opt.AllowGaps, "allow-gaps", false, "accept missing rows, and leave them missing")
	f.BoolVar(&opt.Fill, "fill", false, "bridge missing rows and values with the value before them; the notes of the recording say how many")
	f.StringVar(&opt.RateColumn, "rate-column", "", "csv: name of the column with the total rate")
	f.Float64Var(&opt.KbitPerRequest, "kbit-per-request", 0, "gym-hpa: traffic received per request, to estimate rates")
	f.StringVar(&opt.TrafficUnit, "traffic-unit", "", "gym-hpa: unit of the traffic columns, kbit/s (default) or kB/s")
	f.StringVar(&opt.Point, "point", "", "recorded: name of the run, or a pattern such as g* for one recording each below --out")
	f.BoolVar(&opt.WarmUp, "warm-up", false, "recorded: keep the warm-up before the run")
	registerNames(f, &opt)
	server.register(f, "prometheus-url: ")
	server.registerAccess(f)
	return c
}

// registerNames adds the flags that say what names in a recording are made of.
func registerNames(f *pflag.FlagSet, opt *trace.ImportOptions) {
	d := trace.DefaultLabels()
	label := func(to *[]string, name, what string, def []string) {
		f.StringSliceVar(to, name, nil, "prometheus, prometheus-url: labels that name "+what+", the first that a series has (default "+strings.Join(def, ",")+")")
	}
	label(&opt.Labels.Service, "service-label", "a service", d.Service)
	label(&opt.Labels.Endpoint, "endpoint-label", "an endpoint", d.Endpoint)
	label(&opt.Labels.Node, "node-label", "a node", d.Node)
	label(&opt.Labels.Source, "source-label", "a calling service", d.Source)
	label(&opt.Labels.Destination, "destination-label", "a called service", d.Destination)
	f.StringToStringVar(&opt.Rename, "rename", nil, "prometheus, prometheus-url, locust: OLD=NEW,... other names for endpoints, services and nodes")
	f.BoolVar(&opt.AbsentIsZero, "absent-is-zero", false, "prometheus, prometheus-url: a rate of requests that is missing while others are there is 0")
}

// printImported prints what was imported, and what was done to it.
func printImported(w *world, rec *trace.Recording) error {
	printWarnings(w.stdout, rec)
	for _, note := range rec.Meta.Notes {
		fmt.Fprintf(w.stdout, "note: %s\n", note)
	}
	return printSummary(w.stdout, trace.Inspect(rec))
}

// importMany makes one recording below out of each run whose name matches the pattern opt.Point.
func importMany(w *world, src, out string, opt trace.ImportOptions, write trace.WriteOptions) error {
	names, err := trace.MatchRecorded(os.DirFS(src), opt.Point)
	if err != nil {
		return fmt.Errorf("importing %s: %w", src, err)
	}
	for _, name := range names {
		opt.Point = name
		rec, err := trace.Import(src, opt)
		if err != nil {
			return err
		}
		dir := filepath.Join(out, name)
		if err := trace.Write(dir, rec, write); err != nil {
			return err
		}
		fmt.Fprintf(w.stdout, "%s: %v in steps of %v\n", dir, rec.Duration(), rec.Meta.Interval)
		printWarnings(w.stdout, rec)
	}
	return nil
}

func importerHelp() string {
	var b strings.Builder
	for _, i := range trace.Importers() {
		fmt.Fprintf(&b, "  %-14s %s (%s)\n", i.Name, i.Summary, i.Source)
		if i.Name == "prometheus" {
			fmt.Fprintf(&b, "  %-14s the same, asked of a server (its URL)\n", fromServer)
		}
	}
	return b.String()
}
