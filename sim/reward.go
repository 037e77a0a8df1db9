package sim

import (
	"errors"
	"fmt"
	"time"
)

// Names of rewards.
const (
	RewardSLOCost = "slo_cost" // violations, unused and unneeded CPU, missing replicas: RewardTerms
	RewardLatency = "latency"  // gym-hpa's
	RewardCost    = "cost"     // gym-hpa's
)

// RewardConfig chooses the reward of an interval and its weights.
type RewardConfig struct {
	// Name is slo_cost (default), latency or cost.
	Name string `yaml:"name"`
	// Weights of slo_cost's terms, each 0 or more. Defaults 5, 1, 3, 2.
	SLOViolation float64 `yaml:"slo_violation"`
	Slack        float64 `yaml:"slack"`
	Overshoot    float64 `yaml:"overshoot"`
	ReplicaLag   float64 `yaml:"replica_lag"`
	// Undershoot is the weight of one more term of slo_cost, 0 or more. Default 0.
	Undershoot float64 `yaml:"undershoot"`
	// ReplicationMiBPerS is how fast a new replica of a stateful service copies its data. Default 50.
	ReplicationMiBPerS float64 `yaml:"replication_mib_per_s"`
	// ReplicationLagBound is the replication lag that counts as 1. Default 10 s, Redis' repl-ping-replica-period.
	ReplicationLagBound time.Duration `yaml:"replication_lag_bound"`
	// LatencyCapMs is the latency above which the reward latency is -LatencyCapMs, and its penalty for a blocked
	// action. Default 3000, as gym-hpa has it for Online Boutique (250 for Redis).
	LatencyCapMs float64 `yaml:"latency_cap_ms"`
}

// DefaultRewardConfig is slo_cost with its default weights.
func DefaultRewardConfig() RewardConfig {
	return RewardConfig{Name: RewardSLOCost, SLOViolation: 5, Slack: 1, Overshoot: 3, ReplicaLag: 2,
		ReplicationMiBPerS: 50, ReplicationLagBound: 10 * time.Second, LatencyCapMs: 3000}
}

// Validate reports every mistake at once.
func (c RewardConfig) Validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("reward."+format, args...))
		}
	}
	bad(c.Name == RewardSLOCost || c.Name == RewardLatency || c.Name == RewardCost,
		"name: unknown %q; one of %s, %s, %s", c.Name, RewardSLOCost, RewardLatency, RewardCost)
	for _, w := range []struct {
		key string
		v   float64
	}{{"slo_violation", c.SLOViolation}, {"slack", c.Slack}, {"overshoot", c.Overshoot}, {"replica_lag", c.ReplicaLag}, {"undershoot", c.Undershoot}} {
		bad(w.v >= 0 && w.v <= 1e6, "%s: weight %v; must be from 0 to 1e6", w.key, w.v)
	}
	bad(c.ReplicationMiBPerS > 0, "replication_mib_per_s: %v; must be above 0", c.ReplicationMiBPerS)
	bad(c.ReplicationLagBound > 0, "replication_lag_bound: %v; must be above 0", c.ReplicationLagBound)
	bad(c.LatencyCapMs > 0, "latency_cap_ms: %v; must be above 0", c.LatencyCapMs)
	return errors.Join(errs...)
}

// Of is the reward slo_cost: minus the weighted terms.
func (c *RewardConfig) Of(t RewardTerms) float64 {
	return -c.SLOViolation*t.SLOViolation - c.Slack*t.Slack - c.Overshoot*t.Overshoot - c.ReplicaLag*t.ReplicaLag - c.Undershoot*t.Undershoot
}

// RewardTerms are what an interval is judged by, each from 0 (good) to 1. With sums over the ticks t of the
// interval, the services i, the endpoints e and the windows W that ended in it:
//
//	SLOViolation = B / max(B, Σ_e offered_e), B = Σ_e (late_e + failed_e); 0 if B = 0
//	Slack        = Σ_i Σ_W w_i (A_iW - U_iW)⁺ / Σ_i Σ_t w_i a_i(t)
//	Overshoot    = Σ_i Σ_t w_i (a_i(t) - n_i(t))⁺ / Σ_i Σ_t w_i a_i(t)
//	ReplicaLag   = Σ_t Σ_i m_i(t) / Σ_t Σ_i r_i(t)
//	Undershoot   = Σ_i Σ_t w_i (n_i(t) - s_i(t))⁺ / Σ_i Σ_t w_i n_i(t)
//
// a_i = CPU request of one replica × (ready + starting) replicas, A_iW its sum over the ticks of W, U_iW the CPU that
// the service used in W (start-up included); s_i = CPU request of one replica × ready replicas; n_i = the demand curve's replicas × the nominal request; w_i =
// price of a CPU-second where the service's pods are; r_i = wanted replicas (spec); m_i = those of them that are not
// ready. A replica of a stateful service that is ready still has its data to copy: it counts as
// min(1, lag / bound), its lag being memory / copy rate when it becomes ready and falling by 1 s each second.
type RewardTerms struct {
	SLOViolation, Slack, Overshoot, ReplicaLag, Undershoot float64
}
