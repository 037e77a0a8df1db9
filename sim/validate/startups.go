package validate

import (
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// StartUp is how long replicas of a service took to start in a recording, and what the application says.
type StartUp struct {
	Recording, Service string
	Starts             int
	LimitMillis        float64
	// RecordedSeconds is the mean time from being wanted to being ready: starting replicas, summed over samples an interval
	// apart, over the starts. Uncertain by about half an interval.
	RecordedSeconds float64
	// CPUSeconds is the CPU that a replica needs until it is ready over its recorded limit. FixedSeconds is what the
	// application adds for the scheduler and probes: its fixed part and half its jitter.
	CPUSeconds, FixedSeconds float64
}

// StartUps finds the starts in a recording that has both `replicas` and `ready`.
func StartUps(app *sim.App, rec Named) []StartUp {
	var out []StartUp
	for s := range app.Services {
		svc := &app.Services[s]
		u := StartUp{Recording: rec.Name, Service: svc.Name, LimitMillis: svc.CPULimitMillis, FixedSeconds: (svc.StartupFixed + svc.StartupJitter/2).Seconds()}
		if limit, ok := rec.Meta.CPULimitMillis[svc.Name]; ok {
			u.LimitMillis = limit
		}
		u.CPUSeconds = svc.StartupCPUMs / u.LimitMillis
		before, starting := trace.NoValue(), 0.0
		for i := range rec.Services {
			row := &rec.Services[i]
			if row.Service != svc.Name || !trace.Has(row.Replicas) || !trace.Has(row.Ready) {
				continue
			}
			if row.Replicas > before {
				u.Starts += int(row.Replicas - before)
			}
			before = row.Replicas
			starting += row.Replicas - row.Ready
		}
		if u.Starts > 0 {
			u.RecordedSeconds = starting * rec.Meta.Interval.Seconds() / float64(u.Starts)
			out = append(out, u)
		}
	}
	return out
}
