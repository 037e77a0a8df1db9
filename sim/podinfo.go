package sim

import "time"

// PodInfo is the truth about one pod.
type PodInfo struct {
	ID             int64 // unique within a run, larger for pods created later
	Service        int
	Node           int // index into State.Nodes; meaningless while PodPending
	Phase          PodPhase
	CreatedAt      time.Duration
	StartedAt      time.Duration // kubelet's start time; meaningless while PodPending
	ReadyChangedAt time.Duration // last transition of the Ready condition
	CPUUsedMillis  float64       // mean over the last window (State.Window)
	PodResources
}

// PodLister is an engine that can list its pods. Metrics of single pods, which a [PodWatcher] needs, come from it.
type PodLister interface {
	// Pods appends every pod that exists at the present time, terminating ones included, to dst.
	Pods(dst []PodInfo) []PodInfo
}
