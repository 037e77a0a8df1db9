package sim

// leastAllocated chooses the node for a pod: among the nodes of the wanted pool (AnyPool: of all) that have
// room for its requests, the one with the highest mean free share of CPU and memory once the pod is there
// (kube-scheduler's NodeResourcesFit plug-in with the LeastAllocated strategy, equal weights). The first of
// equals wins, where Kubernetes draws lots. -1 if no node has room.
func leastAllocated(nodes []NodeState, cpuMillis, memMiB float64, pool int) int {
	best, bestScore := -1, -1.0
	for i := range nodes {
		n := &nodes[i]
		if pool != AnyPool && n.Pool != pool {
			continue
		}
		cpu, mem := n.CPURequestedM+cpuMillis, n.MemRequestedMiB+memMiB
		if cpu > n.CPUMillis || mem > n.MemMiB {
			continue
		}
		if score := (1-cpu/n.CPUMillis)/2 + (1-mem/n.MemMiB)/2; score > bestScore {
			best, bestScore = i, score
		}
	}
	return best
}
