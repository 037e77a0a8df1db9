package vpa

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// oraclePath finds a table: under $ORACLES, or in the repository's testdata.
func oraclePath(name string) string {
	dir := os.Getenv("ORACLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "testdata", "oracles")
	}
	return filepath.Join(dir, "hpa", name)
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(oraclePath(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

type oracleAmounts struct {
	CPUMilli    int64 `json:"cpu_milli"`
	MemoryBytes int64 `json:"memory_bytes"`
}

// near is the tolerance that the tables ask for: one unit, or a millionth.
func near(got, want int64) bool {
	return math.Abs(float64(got-want)) <= max(1, 1e-6*float64(want))
}

// TestOracleRecommender holds recommendations against those of the recommender's own code.
func TestOracleRecommender(t *testing.T) {
	var table struct {
		Count int `json:"count"`
		Cases []struct {
			ID          string    `json:"id"`
			Seconds     []float64 `json:"t_s"`
			CPUMilli    []int64   `json:"cpu_milli"`
			MemoryBytes []int64   `json:"memory_bytes"`
			Expected    struct {
				Target oracleAmounts `json:"target"`
				Lower  oracleAmounts `json:"lower"`
				Upper  oracleAmounts `json:"upper"`
			} `json:"expected"`
		} `json:"cases"`
	}
	readJSON(t, "vpa_recommender.json", &table)
	if len(table.Cases) == 0 || len(table.Cases) != table.Count {
		t.Fatalf("%d cases, says %d", len(table.Cases), table.Count)
	}
	for _, c := range table.Cases {
		t.Run(c.ID, func(t *testing.T) {
			if n := len(c.Seconds); n == 0 || n != len(c.CPUMilli) || n != len(c.MemoryBytes) {
				t.Fatalf("%d times, %d CPU and %d memory samples", n, len(c.CPUMilli), len(c.MemoryBytes))
			}
			r, err := NewRecommender(Spec{}, "app", 1, DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			var at time.Duration
			for i, s := range c.Seconds {
				at = seconds(s)
				if !r.AddCPU(at, c.CPUMilli[i]) || !r.AddMemory(7, at, c.MemoryBytes[i]) {
					t.Fatalf("sample %d was discarded", i)
				}
			}
			got, ok := r.Recommendation(at)
			if !ok {
				t.Fatal("no recommendation")
			}
			for _, v := range []struct {
				name string
				got  Amounts
				want oracleAmounts
			}{
				{"target", got.Target, c.Expected.Target}, {"uncapped target", got.UncappedTarget, c.Expected.Target},
				{"lower", got.Lower, c.Expected.Lower}, {"upper", got.Upper, c.Expected.Upper},
			} {
				if !near(v.got.CPUMillis, v.want.CPUMilli) || !near(v.got.MemoryBytes, v.want.MemoryBytes) {
					t.Errorf("%s %+v, want %+v", v.name, v.got, v.want)
				}
			}
		})
	}
}
