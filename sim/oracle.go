package sim

import (
	"errors"
	"fmt"
	"time"
)

// Oracle knows the future load. At each decision it asks, for each service, for the most that the demand curve needs
// from now until a replica asked for at the next decision could be ready: so capacity is there in time, as far as
// it can be, and goes as soon as nothing ahead needs it. It pays start-up times like everybody; at the very
// beginning it may be late. It is the bound that every table shows, for the demand curve's own measure of need.
type Oracle struct {
	app  *App
	ep   *Episode
	lead []time.Duration // [service] longest time from a replica's creation to Ready

	reasons []Reason
}

var (
	_ Controller   = (*Oracle)(nil)
	_ EpisodeAware = (*Oracle)(nil)
	_ Explainer    = (*Oracle)(nil)
)

// Name returns "oracle".
func (o *Oracle) Name() string { return "oracle" }

// SetEpisode tells the oracle what will happen.
func (o *Oracle) SetEpisode(ep *Episode) { o.ep = ep }

// Reasons are those of the last Decide.
func (o *Oracle) Reasons(dst []Reason) []Reason { return append(dst, o.reasons...) }

// Reset prepares for an application. SetEpisode comes first.
func (o *Oracle) Reset(app *App, _ uint64) error {
	if o.ep == nil {
		return errors.New("it was told of no episode")
	}
	if n := len(app.Services); len(o.ep.Needed)%n != 0 || len(o.ep.Needed) == 0 {
		return fmt.Errorf("episode %q: demand curve of %d numbers for the %d services of %s", o.ep.Name, len(o.ep.Needed), n, app.Name)
	}
	slowest := app.Pools[0].SpeedFactor
	for _, p := range app.Pools {
		slowest = min(slowest, p.SpeedFactor)
	}
	o.app, o.lead = app, o.lead[:0]
	for s := range app.Services {
		svc := &app.Services[s]
		o.lead = append(o.lead, svc.StartupFixed+svc.StartupJitter+startupCPU(svc, svc.CPULimitMillis, slowest))
	}
	return nil
}

// Decide asks for the largest need within reach.
func (o *Oracle) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	o.reasons = o.reasons[:0]
	for s := range v.Services {
		want := o.want(s, v.At)
		o.reasons = append(o.reasons, Reason{Service: s, From: v.Services[s].Spec, To: want, Rule: "oracle", Note: "the most that the demand curve needs until a replica could be ready"})
		if want != v.Services[s].Spec {
			dst = append(dst, ScaleRequest{Service: s, Replicas: want, Pool: AnyPool})
		}
	}
	return dst, nil
}

// want is what it asks for at the episode's time at.
func (o *Oracle) want(s int, at time.Duration) int {
	svc := &o.app.Services[s]
	return min(max(o.needed(s, at, at+o.lead[s]+ControlInterval), svc.MinReplicas), svc.MaxReplicas)
}

// needed is the most that service s needs in any window that overlaps [from, to]; after the episode's end its last
// window holds.
func (o *Oracle) needed(s int, from, to time.Duration) int {
	n := len(o.app.Services)
	last := len(o.ep.Needed)/n - 1
	most := 0
	for w := min(int(from/WindowDuration), last); w <= min(int(to/WindowDuration), last); w++ {
		most = max(most, o.ep.Needed[w*n+s])
	}
	return most
}
