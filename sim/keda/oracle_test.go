package keda

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

type executorCase struct {
	ID    string `json:"id"`
	Input struct {
		Min              *int32   `json:"min_replica_count"`
		Idle             *int32   `json:"idle_replica_count"`
		CooldownS        int32    `json:"cooldown_s"`
		InitialCooldownS int32    `json:"initial_cooldown_s"`
		Current          int32    `json:"current_replicas"`
		Active           bool     `json:"is_active"`
		Error            bool     `json:"is_error"`
		FallbackReplicas *int32   `json:"fallback_replicas"`
		Force            bool     `json:"force_activation"`
		Paused           bool     `json:"paused"`
		PausedScaleIn    bool     `json:"paused_scale_in"`
		PausedScaleOut   bool     `json:"paused_scale_out"`
		SinceActiveS     *float64 `json:"since_last_active_s"`
		SinceCreationS   float64  `json:"since_creation_s"`
	} `json:"input"`
	Expected struct {
		Replicas int32 `json:"replicas"`
		Noted    bool  `json:"last_active_time_set"`
	} `json:"expected"`
}

// readOracle reads the executor's table under $ORACLES, or in the repository's testdata.
func readOracle(t *testing.T) []executorCase {
	t.Helper()
	dir := os.Getenv("ORACLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "testdata", "oracles")
	}
	path := filepath.Join(dir, "hpa", "keda_executor.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Count int            `json:"count"`
		Cases []executorCase `json:"cases"`
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(table.Cases) == 0 || len(table.Cases) != table.Count {
		t.Fatalf("%s: %d cases, says %d", path, len(table.Cases), table.Count)
	}
	return table.Cases
}

var errSource = errors.New("source is down")

func ptr[T any](v T) *T { return &v }

func prometheus(threshold float64) Trigger {
	return Trigger{Type: PrometheusTrigger, Prometheus: Prometheus{Query: "sum(rate(requests_total[2m]))", Threshold: threshold}}
}

func newExecutor(t testing.TB, s Spec, created time.Time) *Executor {
	t.Helper()
	e, err := New(s, created)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestOracleExecutor plays each case with two triggers, one that is active or not, and one that fails or is not active, and
// with a fallback that is still far.
func TestOracleExecutor(t *testing.T) {
	for _, c := range readOracle(t) {
		t.Run(c.ID, func(t *testing.T) {
			in := &c.Input
			s := Spec{
				Name: "case", MinReplicaCount: in.Min, IdleReplicaCount: in.Idle,
				CooldownPeriodSeconds: &in.CooldownS, InitialCooldownPeriodSeconds: &in.InitialCooldownS,
				Annotations: Annotations{Paused: in.Paused, PausedScaleIn: in.PausedScaleIn, PausedScaleOut: in.PausedScaleOut, ForceActivation: in.Force},
				Triggers:    []Trigger{prometheus(10), prometheus(10)},
			}
			if in.FallbackReplicas != nil {
				s.Fallback = &Fallback{FailureThreshold: 3, Replicas: *in.FallbackReplicas}
			}
			ago := func(s float64) time.Time { return epoch.Add(-time.Duration(s * float64(time.Second))) }
			e := newExecutor(t, s, ago(in.SinceCreationS))
			if in.SinceActiveS != nil {
				e.lastActive, e.wasActive = ago(*in.SinceActiveS), true
			}
			readings := make([]Reading, 2)
			if in.Active {
				readings[0].Value = 1
			}
			if in.Error {
				readings[1].Err = errSource
			}
			d := e.Poll(&Inputs{At: epoch, Replicas: in.Current, Readings: readings})
			if d.Desired != c.Expected.Replicas || d.Noted != c.Expected.Noted {
				t.Errorf("%s (%s), noted %v; want %d replicas, noted %v", d.Explain(), d.Reason, d.Noted, c.Expected.Replicas, c.Expected.Noted)
			}
			if at, ok := e.LastActive(); d.Noted && (!ok || !at.Equal(epoch)) {
				t.Errorf("noted, but the last activity is %v, %v", at, ok)
			}
		})
	}
}
