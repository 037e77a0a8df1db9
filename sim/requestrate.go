package sim

// RateAtRequest is the visits/s of a service at which one busy, warm replica on the reference platform uses share of its CPU request, under the
// application's mix of endpoints: what a threshold on request rates stands for in terms of CPU. 0 if the service gets no visits.
func (a *App) RateAtRequest(service int, share float64) float64 {
	visits, cpuMs := 0.0, 0.0
	for e := range a.Endpoints {
		i := e*len(a.Services) + service
		visits += a.Endpoints[e].Weight * a.graph.svcVisit[i]
		cpuMs += a.Endpoints[e].Weight * a.graph.svcCPU[i]
	}
	svc := &a.Services[service]
	free := share*svc.CPURequestMillis - svc.BaseCPUMillis
	if visits <= 0 || cpuMs <= 0 || free <= 0 {
		return 0
	}
	return free * visits / cpuMs // millicores are CPU ms/s
}
