package vpa

import (
	"math"
	"time"
)

// Unset stands for a time that was never set.
const Unset time.Duration = math.MinInt64

// MaxAmount is the largest amount of a resource, millicores or bytes: bounds of a container with little history stop
// there (upstream MaxResourceAmount).
const MaxAmount int64 = 100_000_000_000_000

// Resource is the name of a resource, as in a pod's requests.
type Resource string

// The resources that are recommended.
const (
	CPU    Resource = "cpu"
	Memory Resource = "memory"
)

var resources = [...]Resource{CPU, Memory}

// Amounts are an amount of each resource. 0 is none: no request, no limit, no bound, not recommended.
type Amounts struct {
	CPUMillis   int64
	MemoryBytes int64
}

// Of returns the amount of a resource; of one other than CPU and Memory there is none.
func (a Amounts) Of(r Resource) int64 {
	switch r {
	case CPU:
		return a.CPUMillis
	case Memory:
		return a.MemoryBytes
	}
	return 0
}

func (a *Amounts) set(r Resource, v int64) {
	if r == CPU {
		a.CPUMillis = v
	} else {
		a.MemoryBytes = v
	}
}

// Resources are what a container requests and what it is limited to.
type Resources struct {
	Request, Limit Amounts
}

// amountOf truncates to a whole amount between 0 and MaxAmount (upstream resourceAmountFromFloat). Not a number, which
// 0 times an infinite multiplier gives, is 0.
func amountOf(v float64) int64 {
	switch {
	case !(v > 0):
		return 0
	case v > float64(MaxAmount):
		return MaxAmount
	}
	return int64(v)
}

func scaled(amount int64, factor float64) int64 { return amountOf(float64(amount) * factor) }
