package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/configs"
)

func newTraceQueries(w *world) *cobra.Command {
	var server serverFlags
	var address string
	c := &cobra.Command{
		Use:   "queries [SET]",
		Short: "Print the queries that an import asks Prometheus",
		Long: `Print a set of queries: a built-in one, to copy and change for --queries, or the path of a .yaml file, which is checked. Without SET,
list the built-in ones. With --namespace, --entry and --window those are put in the place of $namespace, $entry and $window; with
--curl URL commands are printed that save each answer, for a machine that reaches the server and does not have grlscaler.`,
		Example: `  grlscaler trace queries cadvisor-istio > mine.yaml
  grlscaler trace queries cadvisor-istio --namespace shop --entry frontend --step 30s --curl http://localhost:9090 | sh`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, name := range configs.Names(configs.Queries) {
					set, _, err := readSet(name)
					if err != nil {
						return err
					}
					fmt.Fprintf(w.stdout, "%-18s %s\n", name, set.About)
				}
				return nil
			}
			if address != "" {
				return server.printCurl(w, args[0], address)
			}
			_, file, err := readSet(args[0])
			if err != nil {
				return err
			}
			if err := server.values.Check(); err != nil {
				return usageError{err}
			}
			text, _ := server.values.Replace(string(file.Data))
			_, err = fmt.Fprint(w.stdout, text)
			return err
		},
	}
	server.register(c.Flags(), "")
	c.Flags().StringVar(&address, "curl", "", "print commands that ask the server at this URL and save the answers here")
	return c
}

// printCurl prints a command for each query.
func (s *serverFlags) printCurl(w *world, set, address string) error {
	r, err := s.timeRange(w)
	if err != nil {
		return err
	}
	queries, err := s.expand(set)
	if err != nil {
		return err
	}
	for _, q := range queries {
		command, err := curl(address, q, r)
		if err != nil {
			return usageError{err}
		}
		fmt.Fprint(w.stdout, command)
	}
	return nil
}
