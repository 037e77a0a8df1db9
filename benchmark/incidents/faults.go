package incidents

import (
	"errors"
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// faultFile is a time in which metrics fail, in a file.
type faultFile struct {
	FromS   int      `yaml:"from_s"` // of the counted part
	ToS     int      `yaml:"to_s"`
	Sources []string `yaml:"sources"` // resources, requests; none means both
	Reading *float64 `yaml:"reading"` // times the truth; none means that metrics are lost
}

var metricSources = map[string]sim.MetricSource{"resources": sim.ResourceMetrics, "requests": sim.RequestMetrics}

func (f *faultFile) fault(warmup time.Duration) (sim.MetricFault, error) {
	out := sim.MetricFault{From: warmup + time.Duration(f.FromS)*time.Second, To: warmup + time.Duration(f.ToS)*time.Second, Lost: f.Reading == nil}
	var errs []error
	if f.FromS < 0 || f.ToS <= f.FromS {
		errs = append(errs, fmt.Errorf("from_s %d, to_s %d: must be at least 0 and end after they begin", f.FromS, f.ToS))
	}
	if f.Reading != nil {
		if out.Factor = *f.Reading; !(out.Factor >= 0 && out.Factor <= sim.MaxFaultFactor) {
			errs = append(errs, fmt.Errorf("reading: %v: must be from 0 to %g times the truth", out.Factor, sim.MaxFaultFactor))
		}
	}
	for _, name := range f.Sources {
		if metricSources[name] == 0 {
			errs = append(errs, fmt.Errorf("sources: %q: of resources, requests", name))
		}
		out.Sources |= metricSources[name]
	}
	if len(f.Sources) == 0 {
		out.Sources = sim.ResourceMetrics | sim.RequestMetrics
	}
	return out, errors.Join(errs...)
}

// faulty is a load with metric faults in every episode: so whoever runs it, a search for settings too, meets them.
type faulty struct {
	sim.LoadSource
	faults []sim.MetricFault
}

// Episode is the source's with the faults.
func (s *faulty) Episode(seed uint64, ep *sim.Episode) error {
	err := s.LoadSource.Episode(seed, ep)
	ep.Faults = append(ep.Faults, s.faults...)
	return err
}

// decodeFaults puts the faults into the incident's load.
func (x *Incident) decodeFaults(list []faultFile, bad func(format string, args ...any)) {
	var faults []sim.MetricFault
	for i := range list {
		f, err := list[i].fault(x.Warmup)
		if err != nil {
			bad("metric_faults[%d]: %w", i, err)
		}
		faults = append(faults, f)
	}
	if len(faults) > 0 {
		x.Source = &faulty{x.Source, faults}
	}
}
