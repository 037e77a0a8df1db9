package hpadiff

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"

	"github.com/grlscaler/grlscaler/sim/rng"
)

var (
	number = flag.Int("n", 20_000, "number of inputs for each test")
	seed   = flag.Uint64("seed", 1, "seed of the inputs")
	only   = flag.Int("only", -1, "run only the input with this index")
)

// maxFailures is how many differences are printed before a test gives up.
const maxFailures = 5

func TestMain(m *testing.M) {
	flag.Parse()
	// Upstream's last error handler sleeps so that errors do not come too fast: in a bubble that would move the clock.
	utilruntime.ErrorHandlers = nil
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// inputs are the indexes to run.
func inputs() (first, n int) {
	if *only >= 0 {
		return *only, 1
	}
	return 0, *number
}

// minor is the release of Kubernetes that this binary was built with.
func minor() int {
	_, v, _ := strings.Cut(version.DefaultKubeBinaryVersion, ".")
	m, err := strconv.Atoi(v)
	if err != nil {
		panic(fmt.Sprintf("hpadiff: release %q", version.DefaultKubeBinaryVersion))
	}
	return m
}

// newGen is the source of input i of a test.
func newGen(test string, i int) *gen {
	return &gen{Stream: rng.New(*seed, "hpadiff", test, i), minor: minor()}
}

// counts prints a tally, most frequent first.
func counts(tally map[string]int) string {
	var keys []string
	for k := range tally {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return tally[b] - tally[a] })
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %d", k, tally[k])
	}
	return b.String()
}
