// Package hpadiff holds package sim/hpa against the code that it imitates: the replica calculator and the horizontal
// controller of k8s.io/kubernetes, on random inputs, with no difference allowed.
//
// It is a module of its own, so that grlscaler does not depend on Kubernetes, and it consists of tests:
//
//	make hpadiff                                       a million inputs for each of the two tests
//	GOWORK=off go test . -args -n 5000 -seed 7         from this folder; a failure names the flags that repeat it
//	GOWORK=off go test . -modfile k8s-1.32.mod -tags k8s132
//	                                                   the same against an older release
//
// TestReplicaCalculator asks for proposals one at a time: NewReplicaCalculator with a metrics client of the real kind over
// API clients that answer from memory. TestController runs the real HorizontalController, its queue, its histories and the
// defaults of the API server, for hundreds of HPAs over many syncs, and compares what it writes: the scale and the
// object's status. Both run in a bubble of testing/synctest, where time stands still unless somebody sleeps: ages can so be
// exactly equal to a window, which is where off-by-one mistakes live.
//
// The path through it: gen_test.go and hpa_test.go make inputs in the types of sim/hpa, kube_test.go turns them into
// Kubernetes objects, cluster_test.go and apis_test.go are the cluster that the real code sees, calculator_test.go and
// controller_test.go run both and compare, dump_test.go prints what differed. gomod.sh writes the module files for another
// release; release_test.go and release132_test.go hold what differs in the releases' Go APIs.
//
// What it leaves out: API errors other than metrics that cannot be had, ambiguous selectors, conflicts, HPAs that are changed
// while they run, two samples of one pod, and sums over one pod's containers that do not fit an int64.
package hpadiff
