package validate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// This file makes the recorded system of an application: its replicas, limits and nodes.

// readReplicas takes the replicas of each service from the services table: ready ones, or those wanted when replicas start as
// the application says. A service without any has the application's; one with some must have all.
func (r *replay) readReplicas(app *sim.App) error {
	steps := r.load.Ticks() / r.interval // at least one: a load has whole intervals
	r.replicas = make([][]int, steps)
	for k := range r.replicas {
		r.replicas[k] = make([]int, len(app.Services))
		for s := range r.replicas[k] {
			r.replicas[k][s] = -1
		}
	}
	for i := range r.rec.Services {
		row := &r.rec.Services[i]
		s := app.ServiceIndex(row.Service)
		if s < 0 {
			return fmt.Errorf("service %q of the recording is not in application %s, which has %s; rename it in one of them", row.Service, app.Name, serviceNames(app))
		}
		n := row.Ready
		if !trace.Has(n) || r.startUp {
			n = row.Replicas
		}
		if k := int(row.At / r.rec.Meta.Interval); k < steps && trace.Has(n) {
			r.replicas[k][s] = int(n)
		}
	}
	for s := range app.Services {
		if err := r.allReplicas(app, s); err != nil {
			return err
		}
	}
	return nil
}

// allReplicas demands a number of replicas of a service in every interval, or in none: then it is the application's.
func (r *replay) allReplicas(app *sim.App, s int) error {
	name := app.Services[s].Name
	unknown := func(row []int) bool { return row[s] < 0 }
	first := slices.IndexFunc(r.replicas, unknown)
	if first < 0 {
		return nil
	}
	for _, row := range r.replicas {
		if !unknown(row) {
			return fmt.Errorf("the recording has no replicas of %s at t=%g s; bridge gaps with --fill", name, (time.Duration(first) * r.rec.Meta.Interval).Seconds())
		}
		row[s] = app.Services[s].InitialReplicas
	}
	r.notes = append(r.notes, fmt.Sprintf("the replicas of %s were not recorded: %d, as the application says", name, app.Services[s].InitialReplicas))
	return nil
}

func serviceNames(app *sim.App) string {
	names := make([]string, len(app.Services))
	for i := range names {
		names[i] = app.Services[i].Name
	}
	return strings.Join(names, ", ")
}

// recordedApp makes a copy of the application with the limits that were recorded and without what the recorded system
// had none of.
func (r *replay) recordedApp(app *sim.App) error {
	a := *app.Variant()
	a.Services = slices.Clone(app.Services)
	for s := range a.Services {
		svc := &a.Services[s]
		if limit, ok := r.rec.Meta.CPULimitMillis[svc.Name]; ok {
			svc.CPURequestMillis *= limit / svc.CPULimitMillis
			svc.CPULimitMillis = limit
		} else {
			r.notes = append(r.notes, fmt.Sprintf("the CPU limit of %s was not recorded: %g m, as the application says", svc.Name, svc.CPULimitMillis))
		}
		if svc.CPULimitMillis <= svc.BaseCPUMillis {
			return fmt.Errorf("the recorded CPU limit of %s, %g m, is not above the %g m (base_cpu_m) that application %s lets an idle replica use",
				svc.Name, svc.CPULimitMillis, svc.BaseCPUMillis, app.Name)
		}
		svc.MinReplicas, svc.MaxReplicas = 0, 1
		for _, row := range r.replicas {
			svc.MaxReplicas = max(svc.MaxReplicas, row[s])
		}
		svc.StartupFixed, svc.StartupJitter = 0, 0
		if !r.startUp {
			svc.StartupCPUMs = 0
		}
	}
	r.recordedNodes(&a)
	r.app = &a
	return nil
}

// recordedNodes takes the place of the application's nodes by those that were recorded. Which pods a node had is not recorded, so
// requests do not bind: pods spread evenly.
func (r *replay) recordedNodes(a *sim.App) {
	nodes := Nodes(r.rec)
	if len(nodes) == 0 {
		return
	}
	a.Pools = Pools(nodes, a)
	for s := range a.Services {
		a.Services[s].CPURequestMillis, a.Services[s].MemRequestMiB = Negligible, Negligible
	}
}
