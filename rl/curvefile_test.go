package rl

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/internal/learningcurve"
)

func TestCurveIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), ProgressFile)
	c, err := openCurve(path, AlgorithmPPO, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, reward := range []float64{math.NaN(), -250.5, -3} {
		if err := c.write(map[string]float64{"time/total_timesteps": float64(1000 * (i + 1)), "rollout/ep_rew_mean": reward}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	check := func(name string) {
		t.Helper()
		got, err := learningcurve.Decode([]byte(readCurve(t, path)), "rollout/ep_rew_mean", "time/total_timesteps")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || len(got[0]) != 3 || !math.IsNaN(got[0][0]) || got[0][1] != -250.5 || got[1][2] != 3000 {
			t.Errorf("%s: %v", name, got)
		}
	}
	check("whole")
	whole := readCurve(t, path)
	if err := os.WriteFile(path, []byte(whole+"4000,4,1"), 0o644); err != nil {
		t.Fatal(err)
	}
	check("with a row in the making")
	for _, bad := range []struct{ name, text, want string }{
		{"a word for a number", strings.Replace(whole, "-250.5", "much", 1), `line 3: rollout/ep_rew_mean: "much" is not a number`},
		{"another file", "a,b\n1,2\n", "no column rollout/ep_rew_mean"}, {"empty", "", "header"}, {"rows of two lengths", whole + "1,2\n", "wrong number of fields"},
	} {
		if _, err := learningcurve.Decode([]byte(bad.text), "rollout/ep_rew_mean"); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: error %v, want one with %q", bad.name, err, bad.want)
		}
	}
}
