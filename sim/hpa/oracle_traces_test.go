package hpa

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"
)

// proposals decodes a number, null, or a list of these.
type proposals []*int64

func (p *proposals) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '[' {
		return json.Unmarshal(raw, (*[]*int64)(p))
	}
	var v *int64
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	*p = proposals{v}
	return nil
}

type behaviorTrace struct {
	ID                      string           `json:"id"`
	SyncPeriodS             float64          `json:"sync_period_s"`
	MinReplicas             int32            `json:"min_replicas"`
	MaxReplicas             int32            `json:"max_replicas"`
	StartReplicas           int32            `json:"start_replicas"`
	DownscaleStabilizationS float64          `json:"downscale_stabilization_s"`
	BehaviorGiven           *oracleBehavior  `json:"behavior_given"`
	Recommended             []proposals      `json:"recommended"`
	ManualScale             map[string]int32 `json:"manual_scale"`
	Expected                struct {
		Replicas      []int32  `json:"replicas"`
		LimitedReason []Reason `json:"limited_reason"`
		AbleReason    []Reason `json:"able_reason"`
		Error         []bool   `json:"error"`
	} `json:"expected"`
}

// TestOracleBehaviorTraces runs 50 to 60 syncs in a row. Each metric is an external one with an average-value target of 1
// and no tolerance, so that its value is its proposal.
func TestOracleBehaviorTraces(t *testing.T) {
	for _, c := range readOracle[behaviorTrace](t, "behavior_traces.json") {
		t.Run(c.ID, func(t *testing.T) { c.run(t) })
	}
}

func (c *behaviorTrace) run(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Tolerance = Tolerance{}
	cfg.DownscaleStabilization = seconds(c.DownscaleStabilizationS)
	cfg.SyncPeriod = seconds(c.SyncPeriodS)
	metrics := make([]oracleMetric, len(c.Recommended[0]))
	for i := range metrics {
		metrics[i] = oracleMetric{Type: ExternalMetric, Target: oracleTarget{Type: AverageValueTarget, AverageValueMilli: 1000}}
	}
	ctl, err := New(oracleSpec(&c.MinReplicas, c.MaxReplicas, metrics, c.BehaviorGiven), cfg)
	if err != nil {
		t.Fatal(err)
	}
	replicas := c.StartReplicas
	in := Inputs{Metrics: make([]MetricData, len(metrics))}
	for i, want := range c.Recommended {
		if n, ok := c.ManualScale[strconv.Itoa(i)]; ok {
			replicas = n
		}
		in.SpecReplicas, in.StatusReplicas = replicas, replicas
		for k, v := range want {
			in.Metrics[k] = MetricData{Err: ErrMetricsAPI}
			if v != nil {
				in.Metrics[k] = MetricData{ValuesMillis: []int64{*v * 1000}}
			}
		}
		d := ctl.Sync(time.Duration(i)*cfg.SyncPeriod, &in)
		replicas = d.Desired
		e := &c.Expected
		if replicas != e.Replicas[i] || d.ScalingLimited.Reason != e.LimitedReason[i] || d.AbleToScale.Reason != e.AbleReason[i] {
			t.Fatalf("sync %d: %d %q %q, want %d %q %q: %s", i, replicas, d.ScalingLimited.Reason, d.AbleToScale.Reason,
				e.Replicas[i], e.LimitedReason[i], e.AbleReason[i], d.Explain())
		}
		wantErr := e.AbleReason[i] == SucceededGetScale // where errors are not listed, only a failed sync has one
		if e.Error != nil {
			wantErr = e.Error[i]
		}
		if (d.Err != nil) != wantErr {
			t.Fatalf("sync %d: error %v, want %v", i, d.Err, wantErr)
		}
	}
}

type podTrace struct {
	ID             string       `json:"id"`
	Config         oracleConfig `json:"config"`
	RequestMilli   int64        `json:"request_milli"`
	MetricsWindowS float64      `json:"metrics_window_s"`
	StartReplicas  int32        `json:"start_replicas"`
	PodColumns     []string     `json:"pod_columns"`
	MetricColumns  []string     `json:"cpu_metric_columns"`
	HPA            struct {
		MinReplicas   int32           `json:"min_replicas"`
		MaxReplicas   int32           `json:"max_replicas"`
		BehaviorGiven *oracleBehavior `json:"behavior_given"`
		Metrics       []oracleMetric  `json:"metrics"`
	} `json:"hpa"`
	Steps []struct {
		T              float64             `json:"t"`
		SpecReplicas   int32               `json:"spec_replicas"`
		StatusReplicas int32               `json:"status_replicas"`
		Pods           [][]json.RawMessage `json:"pods"`
		CPUMetrics     [][]json.RawMessage `json:"cpu_metrics"` // null: the metrics API failed
		QPSMilli       map[string]int64    `json:"qps_milli"`
		Expected       struct {
			Replicas      int32  `json:"replicas"`
			LimitedReason Reason `json:"limited_reason"`
			AbleReason    Reason `json:"able_reason"`
			Error         bool   `json:"error"`
			Utilization   *int32 `json:"utilization"`
		} `json:"expected"`
	} `json:"steps"`
}

// TestOraclePodTraces runs 56 syncs in a row with pods that are scheduled, start, become ready, burn CPU, fail and terminate.
func TestOraclePodTraces(t *testing.T) {
	for _, c := range readOracle[podTrace](t, "pod_traces.json") {
		t.Run(c.ID, func(t *testing.T) { c.run(t) })
	}
}

// fields makes an object of a row, so that order and number of columns may change.
func fields[T any](t *testing.T, columns []string, row []json.RawMessage) T {
	t.Helper()
	if len(columns) != len(row) {
		t.Fatalf("%d values for %d columns", len(row), len(columns))
	}
	object := map[string]json.RawMessage{}
	for i, c := range columns {
		object[c] = row[i]
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (c *podTrace) run(t *testing.T) {
	ctl, err := New(oracleSpec(&c.HPA.MinReplicas, c.HPA.MaxReplicas, c.HPA.Metrics, c.HPA.BehaviorGiven), c.Config.config())
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Steps {
		s := &c.Steps[i]
		in := c.inputs(t, i)
		d := ctl.Sync(seconds(s.T), &in)
		e := &s.Expected
		if d.Desired != e.Replicas || d.ScalingLimited.Reason != e.LimitedReason || d.AbleToScale.Reason != e.AbleReason {
			t.Fatalf("t=%v: %d %q %q, want %d %q %q: %s", s.T, d.Desired, d.ScalingLimited.Reason, d.AbleToScale.Reason,
				e.Replicas, e.LimitedReason, e.AbleReason, d.Explain())
		}
		if (d.Err != nil) != e.Error {
			t.Fatalf("t=%v: error %v, want %v", s.T, d.Err, e.Error)
		}
		if e.Utilization != nil && (len(d.Metrics) == 0 || d.Metrics[0].Proposal.Utilization != *e.Utilization) {
			t.Fatalf("t=%v: metrics %+v, want utilization %d", s.T, d.Metrics, *e.Utilization)
		}
	}
}

// inputs builds the inputs of step i.
func (c *podTrace) inputs(t *testing.T, i int) Inputs {
	type sampleRow struct {
		Pod         string  `json:"pod"`
		UsageMilli  int64   `json:"usage_milli"`
		TimestampS  float64 `json:"timestamp_s"`
		MemoryMilli int64   `json:"memory_milli"`
	}
	s := &c.Steps[i]
	in := Inputs{SpecReplicas: s.SpecReplicas, StatusReplicas: s.StatusReplicas}
	index := map[string]int{}
	request := Requests{CPU: Millis(c.RequestMilli), Memory: Millis(c.RequestMilli)}
	for k, row := range s.Pods {
		p := fields[oraclePod](t, c.PodColumns, row).pod(t, CPU, false)
		p.Containers = []Container{{Name: "server", Requests: request}}
		in.Pods = append(in.Pods, p)
		index[p.Name] = k
	}
	at := func(pod string) int {
		if k, ok := index[pod]; ok {
			return k
		}
		return Gone
	}
	for _, m := range c.HPA.Metrics {
		var data MetricData
		switch {
		case m.Type == PodsMetric:
			for pod, v := range s.QPSMilli {
				data.Samples = append(data.Samples, Sample{Pod: at(pod), Millis: v})
			}
		case s.CPUMetrics == nil:
			data.Err = ErrMetricsAPI
		default:
			for _, row := range s.CPUMetrics {
				v := fields[sampleRow](t, c.MetricColumns, row)
				if m.Resource == Memory {
					v.UsageMilli = v.MemoryMilli
				}
				data.Samples = append(data.Samples, Sample{at(v.Pod), seconds(v.TimestampS), seconds(c.MetricsWindowS), v.UsageMilli})
			}
		}
		in.Metrics = append(in.Metrics, data)
	}
	return in
}
