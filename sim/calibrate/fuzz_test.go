package calibrate

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/grlscaler/grlscaler/sim"
)

// Whatever application file is edited, in whatever style it is written: what comes out decodes, with the new numbers in their places
// and everything else as it was, or the edit is refused.
func FuzzEdit(f *testing.F) {
	for _, path := range []string{"../../configs/apps/redis.yaml", "../simtest/apps/chain.yaml", "../simtest/apps/one.yaml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
		f.Add(strings.ReplaceAll(string(data), "\n", "\r\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		was, err := sim.DecodeApp(strings.NewReader(text), "app.yaml")
		if err != nil {
			return
		}
		e, err := newEditor("app.yaml", []byte(text))
		if err != nil {
			return // what the editor does not read
		}
		// The first operation of the first service that has one.
		service := was.Ops[0].Service
		op := []any{"services", service, "operations", 0}
		for _, change := range []struct {
			path     []any
			key, sub string
			value    string
		}{{op, "cpu_ms", "", "1.25"}, {op, "wait_ms", "", "2.5"}, {[]any{"services", service}, "startup", "cpu_ms", "75"}} {
			if err := e.set(change.path, change.key, change.sub, []string{"cpu_ms", "name"}, note{value: change.value, se: "0.1", was: "?"}); err != nil {
				return
			}
		}
		is, err := sim.DecodeApp(strings.NewReader(string(e.bytes())), "app.yaml")
		if err != nil {
			t.Fatalf("%v\n%s\nbecame\n%s", err, text, e.bytes())
		}
		if is.Ops[0].WaitMs != 2.5 || is.Services[service].StartupCPUMs != 75 {
			t.Fatalf("%+v\n%s\nbecame\n%s", is.Ops[0], text, e.bytes())
		}
		if speed := is.Ops[0].CPUMs / 1.25; !(speed > 0) || math.IsInf(speed, 0) { // cpu_ms over the application's speed factor
			t.Fatalf("%+v", is.Ops[0])
		}
		is.Ops[0].CPUMs, is.Ops[0].WaitMs, is.Services[service].StartupCPUMs = was.Ops[0].CPUMs, was.Ops[0].WaitMs, was.Services[service].StartupCPUMs
		for _, d := range []string{
			cmp.Diff(was.Services, is.Services), cmp.Diff(was.Ops, is.Ops, cmpopts.EquateEmpty()), cmp.Diff(was.Endpoints, is.Endpoints), cmp.Diff(was.Pools, is.Pools),
		} {
			if d != "" {
				t.Fatalf("%s\n%s\nbecame\n%s", d, text, e.bytes())
			}
		}
	})
}
