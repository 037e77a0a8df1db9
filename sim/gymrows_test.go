package sim

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// redisTable is a table of Redis' two services. A row's leader uses 100 m times its number, from 1: that tells which row is shown.
func redisTable(leader, follower []int) *trace.GymTable {
	t := &trace.GymTable{File: "rows.csv", Services: []string{"leader", "follower"}}
	for r := range leader {
		n := float64(r + 1)
		t.Rows = append(t.Rows, []trace.GymSample{
			{Pods: leader[r], CPUMillis: 100*n + 0.9, MemMiB: 10 * n, TrafficIn: n + 0.5, TrafficOut: 2 * n, LatencyMs: 100.5 * n},
			{Pods: follower[r], CPUMillis: n, MemMiB: n, TrafficIn: 3 * n, TrafficOut: 4 * n, LatencyMs: 9999},
		})
	}
	return t
}

// rowsEnv is gym_hpa on such rows.
func rowsEnv(tb testing.TB, table *trace.GymTable, reward string, n int) *testEnv {
	tb.Helper()
	app := loadApp(tb, "../configs/apps/redis.yaml")
	rows, err := NewGymRows(app, table)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := DefaultEnvConfig()
	cfg.Kind, cfg.App, cfg.Reward.Name, cfg.Reward.LatencyCapMs = KindGymHPA, "redis", reward, 250
	v, err := NewGymRowsVecEnv(app, cfg, rows, n)
	if err != nil {
		tb.Fatal(err)
	}
	return begun(tb, v)
}

// Every step shows a row that has as many followers as the agent chose and, where there is one, the same change of them since the row
// before; replicas are the agent's. Checked over random actions against the rule read anew from upstream's simulation_update.
func TestGymRowsDraw(t *testing.T) {
	leader, follower := []int{1, 2, 3, 1, 5, 2, 2, 8, 1}, []int{1, 3, 3, 2, 5, 3, 1, 3, 8}
	e := rowsEnv(t, redisTable(leader, follower), RewardCost, 1)
	pods, change := [2]int{}, 0 // the agent's replicas, and the last change of the followers
	drawn := map[int]bool{}
	shown := func() int { return int(e.obs.Services[2])/100 - 1 }
	reset := func() {
		r := shown()
		pods, change = [2]int{leader[r], follower[r]}, 0
		if e.obs.Services[0] != float32(leader[r]) || e.obs.Services[6] != float32(follower[r]) {
			t.Fatalf("an episode begins with %v and %v replicas at row %d", e.obs.Services[0], e.obs.Services[6], r)
		}
	}
	reset()
	for step := 1; step <= 25*200; step++ {
		e.randomStep(t)
		if e.truncated[0] != (step%25 == 0) {
			t.Fatalf("step %d: truncated %v", step, e.truncated[0])
		}
		if e.truncated[0] {
			reset()
			continue
		}
		s, move := e.actions[0], int(e.actions[1])
		if move > 7 {
			move = 7 - move
		}
		if want := pods[s] + move; want >= 1 && want <= 8 && move != 0 {
			pods[s] = want
			if s == 1 {
				change = move
			}
		} else if move != 0 && e.rewards[0] != -1 {
			t.Fatalf("step %d: %d replicas and %d more: reward %v, want -1", step, pods[s], move, e.rewards[0])
		}
		r := shown()
		drawn[r] = true
		if got := [2]int{int(e.obs.Services[0]), int(e.obs.Services[6])}; got != pods {
			t.Fatalf("step %d: %v replicas are shown, the agent has %v", step, got, pods)
		}
		var same, alike []int
		for k := range follower {
			if follower[k] == pods[1] {
				same = append(same, k)
				if k > 0 && follower[k]-follower[k-1] == change {
					alike = append(alike, k)
				}
			}
		}
		switch {
		case len(alike) > 0 && !slices.Contains(alike, r), len(alike) == 0 && len(same) > 0 && !slices.Contains(same, r):
			t.Fatalf("step %d: row %d has %d followers; %d are wanted after a change of %d: one of %v, else of %v", step, r, follower[r], pods[1], change, alike, same)
		case len(same) == 0 && follower[r] != map[int]int{4: 3, 6: 5, 7: 8}[pods[1]]: // of 3 and 5, as near, the lower
			t.Fatalf("step %d: row %d has %d followers, which are not nearest to %d", step, r, follower[r], pods[1])
		}
	}
	if len(drawn) != len(follower) {
		t.Errorf("only rows %v were drawn", drawn)
	}
}

// Numbers of a row are cut to whole ones, the latency is the first service's, at worst -250; desired replicas are worked out anew.
func TestGymRowsNumbers(t *testing.T) {
	e := rowsEnv(t, redisTable([]int{3}, []int{1}), RewardLatency, 1)
	// The leader: target int(0.75 · 250) = 187 m and MiB. ceil(0.7 · ceil(100/187) + 0.3 · ceil(10/187)) = 1.
	if got, want := e.obs.Services, []float32{3, 1, 100, 10, 1, 2, 1, 1, 1, 1, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	e.idleGym(t)
	if e.rewards[0] != -100.5 {
		t.Errorf("reward %v, want minus the latency", e.rewards[0])
	}
	e = rowsEnv(t, redisTable([]int{1, 1, 1}, []int{1, 1, 1}), RewardLatency, 1)
	worst := float32(0)
	for range 50 {
		e.idleGym(t)
		worst = min(worst, e.rewards[0])
	}
	if worst != -250 {
		t.Errorf("301.5 ms give %v, want -250", worst)
	}
	e = rowsEnv(t, redisTable([]int{3}, []int{1}), RewardCost, 1)
	if e.idleGym(t); e.rewards[0] != 1 { // the follower alone has what is desired
		t.Errorf("cost reward %v, want 1", e.rewards[0])
	}
}

func (e *testEnv) idleGym(t *testing.T) {
	clear(e.actions)
	e.step(t)
}

// What is saved with other rows is refused: it could not be played again.
func TestGymRowsSave(t *testing.T) {
	e := rowsEnv(t, redisTable([]int{1, 2, 3}, []int{1, 2, 3}), RewardCost, 2)
	e.randomStep(t)
	saved, err := e.Save()
	if err != nil {
		t.Fatal(err)
	}
	if err := rowsEnv(t, redisTable([]int{1, 2, 3}, []int{1, 2, 3}), RewardCost, 2).Load(saved, e.obs); err != nil {
		t.Error(err)
	}
	if err := rowsEnv(t, redisTable([]int{1, 2, 4}, []int{1, 2, 3}), RewardCost, 2).Load(saved, e.obs); err == nil || !strings.Contains(err.Error(), "another configuration, application or load") {
		t.Error(err)
	}
}

func TestGymRowsRefuses(t *testing.T) {
	app := loadApp(t, "../configs/apps/redis.yaml")
	for want, table := range map[string]*trace.GymTable{
		"rows.csv: no columns of follower, which redis has; it has those of leader, web": {File: "rows.csv", Services: []string{"leader", "web"}, Rows: make([][]trace.GymSample, 1)},
		"rows.csv: no rows": {File: "rows.csv", Services: []string{"leader", "follower"}},
	} {
		if _, err := NewGymRows(app, table); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	rows, err := NewGymRows(app, redisTable([]int{1}, []int{1}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewGymRowsVecEnv(app, DefaultEnvConfig(), rows, 1); err == nil || !strings.Contains(err.Error(), "recorded rows are for kind gym_hpa, and this is cluster") {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"gym_hpa: {rows: a.csv}\n":                                              "gym_hpa.rows: only for kind gym_hpa; this is cluster",
		"kind: gym_hpa\ngym_hpa: {rows: a.csv}\n":                               "reward.name: slo_cost needs a simulated cluster; with gym_hpa.rows it is cost or latency",
		"kind: gym_hpa\ngym_hpa: {rows: a.csv}\nreward: {name: cost}\ntrace: b": "trace: rows of gym-hpa take its place; leave out trace or gym_hpa.rows",
		"kind: gym_hpa\ngym_hpa: {row: a.csv}\n":                                "row",
	} {
		if _, err := DecodeEnvConfig(bytes.NewReader([]byte(text)), "env.yaml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestGymRowsAllocateNothing(t *testing.T) {
	e := rowsEnv(t, redisTable([]int{1, 2, 3, 4}, []int{1, 2, 2, 5}), RewardCost, 1)
	env := e.envs[0]
	for range 30 { // room for the log of actions
		e.randomStep(t)
	}
	row, final := e.obs.Row(e.Spec(), 0), e.final.Row(e.Spec(), 0)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := env.Step(e.actions, &row, &final); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per step", n)
	}
}

// BenchmarkGymHPA is the speed of gym_hpa with random actions, one environment on one core, in both modes and for both applications:
// steps per second of CPU time, which neighbours on the machine do not change much.
func BenchmarkGymHPA(b *testing.B) {
	run := func(mode, app string, make func(b *testing.B) *testEnv) {
		b.Run("mode="+mode+"/app="+app, func(b *testing.B) {
			e := make(b)
			cpu := cpuTime()
			for b.Loop() {
				e.randomStep(b)
			}
			b.ReportMetric(float64(b.N)/(cpuTime()-cpu).Seconds(), "steps/cpu-s")
		})
	}
	for _, name := range []string{"online_boutique", "redis"} {
		run("simulated", name, func(b *testing.B) *testEnv {
			app := loadApp(b, "../configs/apps/"+name+".yaml")
			cfg := DefaultEnvConfig()
			cfg.Kind, cfg.App, cfg.Reward.Name, cfg.Initial, cfg.Workers = KindGymHPA, name, RewardCost, InitialApp, 1
			return newTestEnv(b, app, cfg, constantSource{constantEpisode(app, 1200, 20)}, 1)
		})
	}
	run("sampled", "redis", func(b *testing.B) *testEnv {
		return rowsEnv(b, redisTable([]int{1, 2, 3, 4}, []int{1, 2, 2, 5}), RewardCost, 1)
	})
	run("sampled", "online_boutique", func(b *testing.B) *testEnv {
		table, err := trace.ReadGymTable("trace/testdata/gymhpa/online_boutique.csv")
		if err != nil {
			b.Fatal(err)
		}
		rows, err := NewGymRows(onlineBoutique(b), table)
		if err != nil {
			b.Fatal(err)
		}
		cfg := DefaultEnvConfig()
		cfg.Kind, cfg.Reward.Name = KindGymHPA, RewardCost
		v, err := NewGymRowsVecEnv(onlineBoutique(b), cfg, rows, 1)
		if err != nil {
			b.Fatal(err)
		}
		return begun(b, v)
	})
}
