package rl

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func readCurve(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCurve(t *testing.T) {
	path := filepath.Join(t.TempDir(), ProgressFile)
	row := func(steps int) map[string]float64 {
		return map[string]float64{"time/total_timesteps": float64(steps), "rollout/ep_rew_mean": -1.5, "rollout/ep_len_mean": math.NaN(), "train/loss": 1e-9}
	}
	write := func(from int, steps ...int) {
		c, err := openCurve(path, AlgorithmPPO, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range steps {
			if err := c.write(row(n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
	}
	write(0, 100, 1_000_000, 3_000_000)
	lines := strings.Split(readCurve(t, path), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "time/total_timesteps,time/iterations,rollout/episodes,rollout/ep_rew_mean,") {
		t.Fatalf("file:\n%s", strings.Join(lines, "\n"))
	}
	// Counts are written out, what is not known or not a number is empty.
	if want := "1000000,,,-1.5,,,,1e-09,"; !strings.HasPrefix(lines[2], want) {
		t.Errorf("row %q, want %q", lines[2], want)
	}

	// A resumed run keeps the rows up to its step, whatever came after.
	if err := os.WriteFile(path, []byte(readCurve(t, path)+"4000000,1"), 0o644); err != nil {
		t.Fatal(err)
	}
	write(1_000_000, 2_000_000)
	got := strings.Split(readCurve(t, path), "\n")
	want := append(slices.Clone(lines[:3]), strings.Replace(lines[2], "1000000", "2000000", 1), "")
	if !slices.Equal(got, want) {
		t.Errorf("after resuming:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// A new run, and a file of other columns, start over.
	write(0, 5)
	if n := strings.Count(readCurve(t, path), "\n"); n != 2 {
		t.Errorf("a new run left %d lines", n)
	}
	c, err := openCurve(path, AlgorithmSAC, 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if text := readCurve(t, path); strings.Count(text, "\n") != 1 || !strings.Contains(text, "train/ent_coef") {
		t.Errorf("a file of other columns became\n%s", text)
	}
}

// Every logged number is in the table of metrics, and every column of the table is logged.
func TestMetricsTable(t *testing.T) {
	general := []string{"time/total_timesteps", "time/iterations", "rollout/episodes", "rollout/ep_rew_mean", "rollout/ep_len_mean"}
	p := &ppo{rollout: &rollout{}, world: &world{}}
	for algorithm, row := range map[string]map[string]float64{
		AlgorithmPPO: new(ppoSums).row(p, 1), AlgorithmSAC: new(sacSums).row(1, 1, 1),
	} {
		logged := slices.Clone(general)
		for name := range row {
			logged = append(logged, name)
		}
		var columns []string
		for _, m := range metricsOf(algorithm) {
			columns = append(columns, m.Name)
			if m.Meaning == "" {
				t.Errorf("%s has no meaning", m.Name)
			}
		}
		slices.Sort(logged)
		slices.Sort(columns)
		if !slices.Equal(logged, columns) {
			t.Errorf("%s logs %v, the table has %v", algorithm, logged, columns)
		}
	}
}

func TestStopwatch(t *testing.T) {
	now := time.Unix(1000, 0)
	w := newStopwatch(func() time.Time { return now }, 500)
	now = now.Add(10 * time.Second)
	st := Status{Step: 2500, Total: 4500}
	w.fill(&st)
	if st.StepsPerSecond != 200 || st.ETA != 10*time.Second || st.Elapsed != 10*time.Second {
		t.Errorf("%+v", st)
	}
	var none Status
	newStopwatch(nil, 0).fill(&none)
	if none != (Status{}) {
		t.Errorf("without a clock: %+v", none)
	}
}

func TestEpisodes(t *testing.T) {
	ep := newEpisodes(2)
	if r, l := ep.means(); !math.IsNaN(r) || !math.IsNaN(l) {
		t.Errorf("before any episode: %v, %v", r, l)
	}
	yes, no := []bool{true, false}, []bool{false, false}
	ep.add([]float32{1, 10}, no, no)
	ep.add([]float32{2, 10}, yes, no)
	ep.add([]float32{4, 10}, no, []bool{true, true})
	// Episodes: 1+2 over two steps; 4 over one; 30 over three.
	if r, l := ep.means(); math.Abs(r-37./3) > 1e-9 || l != 2 || ep.Ended != 3 {
		t.Errorf("reward %v, length %v, ended %d", r, l, ep.Ended)
	}
	for range 2 * episodeWindow {
		ep.add([]float32{7, 7}, []bool{true, true}, no)
	}
	if r, l := ep.means(); r != 7 || l != 1 || len(ep.Rewards) != episodeWindow {
		t.Errorf("after many: reward %v, length %v, %d kept", r, l, len(ep.Rewards))
	}
}
