package hpa

import "math"

// OverflowRule says what becomes of numbers that do not fit: sums beyond int64, percentages and replica counts beyond
// int32. Only absurd metrics and policies get there, and where they do, releases differ: a count that wraps around is
// negative and scales to minReplicas instead of maxReplicas. Wherever numbers fit, all rules are the same.
type OverflowRule uint8

const (
	// OverflowSaturates holds every number at the end of its type.
	OverflowSaturates OverflowRule = iota
	// OverflowUntil133 lets integers wrap around, and turns a float64 that does not fit into the smallest integer, which
	// is what programs for amd64 do.
	OverflowUntil133
	// Overflow134 saturates external metrics with a target per pod. Their values are summed in order, and a sum below 0 is
	// taken for an overflow, which means: as many replicas as possible, also for values that are truly negative.
	Overflow134
	// OverflowUntil137 (1.35 to 1.37) also saturates value targets of object and external metrics, from above and not
	// from 0 replicas.
	OverflowUntil137
	// Overflow138 saturates like OverflowSaturates, but for policies (Pods, and Percent on the way down), for sums of
	// negative values of external metrics and for negative sums as of Overflow134. The release sums samples without any
	// bound; here the bounds of int64 hold.
	Overflow138
)

// wraps reports whether resource, pods and per-pod object metrics and policies wrap around.
func (o OverflowRule) wraps() bool {
	return o == OverflowUntil133 || o == Overflow134 || o == OverflowUntil137
}

func (o OverflowRule) add(a, b int64) int64 {
	if o.wraps() {
		return a + b
	}
	return addSat(a, b)
}

// mul is a*b for b > 0.
func (o OverflowRule) mul(a, b int64) int64 {
	if o.wraps() {
		return a * b
	}
	return mulSat(a, b)
}

// narrow makes an int32 of a percentage.
func (o OverflowRule) narrow(v int64) int32 {
	if o.wraps() {
		return int32(v)
	}
	return clampInt32(v)
}

// pods makes an int32 of the bound that a Pods policy sets; no release saturates there.
func (o OverflowRule) pods(v int64) int32 {
	if o != OverflowSaturates {
		return int32(v)
	}
	return clampInt32(v)
}

// replicas rounds up to a count.
func (o OverflowRule) replicas(x float64) int32 {
	if o.wraps() {
		return wrapInt32(x)
	}
	return ceilReplicas(x)
}

// totalReplicas rounds up to a count for a value target (upstream getUsageRatioReplicaCount).
func (o OverflowRule) totalReplicas(x float64) int32 {
	if o == OverflowUntil137 {
		return ceilReplicas(x) // what is too small becomes the smallest either way
	}
	return o.replicas(x)
}

// truncated rounds towards 0 to the bound that a Percent policy sets on the way down; no release saturates there.
func (o OverflowRule) truncated(x float64) int32 {
	x = math.Trunc(x)
	if o != OverflowSaturates {
		return wrapInt32(x)
	}
	return ceilReplicas(x)
}

// total sums the values of an external metric for a value target (upstream GetExternalMetricReplicas).
func (o OverflowRule) total(values []int64) int64 {
	sum := int64(0)
	for _, v := range values {
		switch {
		case o == OverflowSaturates:
			sum = addSat(sum, v)
			continue
		case o >= OverflowUntil137 && v > 0 && sum > math.MaxInt64-v:
			return math.MaxInt64
		}
		sum += v
	}
	return sum
}

// totalForPods sums them for a target per pod (upstream GetExternalPerPodMetricReplicas).
func (o OverflowRule) totalForPods(values []int64) int64 {
	sum := int64(0)
	for _, v := range values {
		if o == OverflowSaturates {
			sum = addSat(sum, v)
			continue
		}
		sum += v
		if sum < 0 && o != OverflowUntil133 {
			return math.MaxInt64
		}
	}
	return sum
}

// perPod is what is reported as each replica's part of a total.
func (o OverflowRule) perPod(total int64, replicas int32, wraps bool) int64 {
	x := float64(total) / float64(replicas)
	switch {
	case o == OverflowSaturates:
		return ceilMillis(x)
	case !wraps && float64(total) >= math.MaxInt64:
		return math.MaxInt64
	case o == Overflow138 && replicas == 0:
		return 0
	}
	x = math.Ceil(x)
	if !(math.MinInt64 <= x && x < math.MaxInt64) {
		return math.MinInt64
	}
	return int64(x)
}

// wrapInt32 rounds up; what does not fit becomes the smallest count.
func wrapInt32(x float64) int32 {
	x = math.Ceil(x)
	if !(math.MinInt32 <= x && x <= math.MaxInt32) {
		return math.MinInt32
	}
	return int32(x)
}
