package cmd

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/cmd/promclient"
)

// world is everything outside that a command may use.
type world struct {
	args           []string // without the program's name
	env            func(key string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // stderr is a terminal, so progress may rewrite its line
	now            func() time.Time
	wait           func(ctx context.Context, d time.Duration) error // ends early with the context's error
	proxy          func(*http.Request) (*url.URL, error)            // for requests that leave this machine
}

// osWorld is the world of this process.
func osWorld() *world {
	return &world{
		args: os.Args[1:], env: os.LookupEnv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		terminal: isTerminal(os.Stderr), now: time.Now, wait: promclient.Sleep, proxy: http.ProxyFromEnvironment,
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Execute runs the process's command and ends the process with its exit code. The first Ctrl-C (or SIGTERM) lets a
// command save what it has and end; the second ends the process.
func Execute() {
	reexecForThreads()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, osWorld()))
}

// envPrefix begins the environment variables that stand for flags: GRLSCALER_SEED for --seed.
const envPrefix = "GRLSCALER_"

// envVariable is the environment variable that stands for a flag.
func envVariable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fillFromEnv gives every flag that was not on the command line the value of its environment variable, if set.
func (w *world) fillFromEnv(c *cobra.Command) error {
	var failed error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		key := envVariable(f.Name)
		value, ok := w.env(key)
		if f.Changed || !ok || failed != nil || f.Name == "help" {
			return
		}
		if err := c.Flags().Set(f.Name, value); err != nil {
			failed = usagef("environment variable %s=%s: %v", key, value, err)
		}
	})
	return failed
}
