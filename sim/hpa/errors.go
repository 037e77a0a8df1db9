package hpa

import "errors"

// What can go wrong with one metric in one sync. Compare with errors.Is: those that name a pod or a container are
// wrapped.
var (
	ErrMetricsAPI             = errors.New("metrics API failed")
	ErrNoMetrics              = errors.New("no metrics returned")
	ErrNoMetricsForKnownPods  = errors.New("no metrics returned matched known pods")
	ErrOnlyUnreadyPods        = errors.New("did not receive metrics for targeted pods (pods might be unready)")
	ErrNoPods                 = errors.New("no pods to count while calculating replicas")
	ErrMissingRequest         = errors.New("missing request")
	ErrContainerNotFound      = errors.New("container not found")
	ErrMissingContainerMetric = errors.New("container not present in metrics")
	ErrUnknownMetricType      = errors.New("unknown metric type")
)
