package keda_test

import (
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
)

// A workload sleeps at zero. Requests wake it: the operator's poll starts the first replica, the HPA the others. When they
// cease the HPA would keep one, but after the cooldown the poll takes it away.
func Example() {
	cooldown := int32(20)
	web := keda.Spec{
		Name: "web", CooldownPeriodSeconds: &cooldown,
		Triggers: []keda.Trigger{{
			Type: keda.PrometheusTrigger, Prometheus: keda.Prometheus{Query: "sum(rate(http_requests_total[1m]))", Threshold: 50, ActivationThreshold: 1},
		}},
	}
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	operator, err := keda.New(web, start)
	if err != nil {
		fmt.Println(err)
		return
	}
	object, err := web.HPA()
	if err != nil {
		fmt.Println(err)
		return
	}
	controller, err := hpa.New(object, hpa.DefaultConfig())
	if err != nil {
		fmt.Println(err)
		return
	}
	replicas := int32(0)
	for i, rps := range []float64{0, 180, 180, 0} {
		at := time.Duration(i) * 30 * time.Second
		in := keda.Inputs{At: start.Add(at), Replicas: replicas, ReadyReplicas: replicas, Readings: []keda.Reading{{Value: rps}}}
		d := operator.Poll(&in)
		fmt.Println("KEDA:", d.Explain())
		in.Replicas = d.Desired
		h := controller.Sync(at, &hpa.Inputs{SpecReplicas: in.Replicas, StatusReplicas: in.Replicas, Metrics: operator.Metrics(&in, nil)})
		fmt.Println("HPA: ", h.Explain())
		replicas = h.Desired
	}
	// Output:
	// KEDA: 2026-03-02T09:00:00Z: 0 replicas kept: no trigger is active
	// HPA:  0s: 0 replicas kept: autoscaling is off at 0 replicas
	// KEDA: 2026-03-02T09:00:30Z: 0 -> 1 replicas: a trigger is active
	// HPA:  30s: 1 -> 4 replicas: External metric s0-prometheus proposes 4 (180 per pod, target 50)
	// KEDA: 2026-03-02T09:01:00Z: 4 replicas kept: a trigger is active, the HPA decides
	// HPA:  1m0s: 4 replicas kept: External metric s0-prometheus proposes 4 (45 per pod, target 50: within tolerance)
	// KEDA: 2026-03-02T09:01:30Z: 4 -> 0 replicas: no trigger is active, the cooldown is over
	// HPA:  1m30s: 0 replicas kept: autoscaling is off at 0 replicas
}

// Ten replicas in office hours, two at night, none at the weekend.
func ExampleSchedule() {
	s, err := keda.NewSchedule("Europe/Berlin", []keda.ScheduleRule{
		{Cron: "0 8 * * 1-5", Replicas: 10},
		{Cron: "0 18 * * 1-5", Replicas: 2},
		{Cron: "0 0 * * 6", Replicas: 0},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, at := range []string{"2026-03-06T12:00:00+01:00", "2026-03-06T18:00:00+01:00", "2026-03-08T12:00:00+01:00"} {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			fmt.Println(err)
			return
		}
		replicas, ok := s.ReplicasAt(t)
		fmt.Println(t.Weekday(), t.Format("15:04"), replicas, ok)
	}
	// Output:
	// Friday 12:00 10 true
	// Friday 18:00 2 true
	// Sunday 12:00 0 true
}
