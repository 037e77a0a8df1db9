package hpa

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// oraclePath finds a table: under $ORACLES, or in the repository's testdata.
func oraclePath(name string) string {
	dir := os.Getenv("ORACLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "testdata", "oracles")
	}
	return filepath.Join(dir, "hpa", name)
}

// readOracle decodes a table's cases and requires that there are any, as many as it says.
func readOracle[T any](t *testing.T, name string) []T {
	t.Helper()
	raw, err := os.ReadFile(oraclePath(name))
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Count int `json:"count"`
		Cases []T `json:"cases"`
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(table.Cases) == 0 || len(table.Cases) != table.Count {
		t.Fatalf("%s: %d cases, says %d", name, len(table.Cases), table.Count)
	}
	return table.Cases
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

type oracleConfig struct {
	ToleranceUp              float64 `json:"tolerance_up"`
	ToleranceDown            float64 `json:"tolerance_down"`
	CPUInitializationPeriodS float64 `json:"cpu_initialization_period_s"`
	InitialReadinessDelayS   float64 `json:"initial_readiness_delay_s"`
	DownscaleStabilizationS  float64 `json:"downscale_stabilization_s"`
	LegacyScaleUpFactor      float64 `json:"legacy_scale_up_factor"`
	LegacyScaleUpMinimum     float64 `json:"legacy_scale_up_minimum"`
	PerHPATolerance          bool    `json:"per_hpa_tolerance_enabled"`
	SyncPeriodS              float64 `json:"sync_period_s"`
}

func (o oracleConfig) config() Config {
	c := DefaultConfig()
	c.Tolerance = Tolerance{Up: o.ToleranceUp, Down: o.ToleranceDown}
	c.CPUInitializationPeriod = seconds(o.CPUInitializationPeriodS)
	c.InitialReadinessDelay = seconds(o.InitialReadinessDelayS)
	c.DownscaleStabilization = seconds(o.DownscaleStabilizationS)
	c.PerHPATolerance = o.PerHPATolerance
	if o.LegacyScaleUpFactor != 0 {
		c.ScaleUpFactor, c.ScaleUpMinimum = o.LegacyScaleUpFactor, o.LegacyScaleUpMinimum
	}
	if o.SyncPeriodS != 0 {
		c.SyncPeriod = seconds(o.SyncPeriodS)
	}
	return c
}

type oraclePod struct {
	Name             string            `json:"name"`
	Phase            string            `json:"phase"`
	Deleting         bool              `json:"deleting"`
	StartTimeS       *float64          `json:"start_time_s"`
	Ready            *string           `json:"ready"`
	ReadyTransitionS *float64          `json:"ready_transition_s"`
	Containers       []oracleContainer `json:"containers"`
	InitContainers   []oracleContainer `json:"init_containers"`
	PodLevelMilli    *int64            `json:"pod_level_request_milli"`
}

type oracleContainer struct {
	Name          string `json:"name"`
	RequestMilli  *int64 `json:"request_milli"`
	RestartAlways bool   `json:"restart_always"`
}

func quantity(v *int64) Quantity {
	if v == nil {
		return Quantity{}
	}
	return Millis(*v)
}

// requestsOf is a request for the case's resource alone, so that a mix-up of resources shows.
func requestsOf(res Resource, q Quantity) Requests {
	if res == Memory {
		return Requests{Memory: q}
	}
	return Requests{CPU: q}
}

var oraclePhases = map[string]Phase{
	"": Running, "Pending": Pending, "Running": Running, "Succeeded": Succeeded, "Failed": Failed, "Unknown": PhaseUnknown,
}

var oracleReady = map[string]Ready{"True": ReadyTrue, "False": ReadyFalse, "Unknown": ReadyUnknown}

func (o oraclePod) pod(t *testing.T, res Resource, podLevel bool) Pod {
	t.Helper()
	phase, ok := oraclePhases[o.Phase]
	if !ok {
		t.Fatalf("unknown phase %q", o.Phase)
	}
	p := Pod{Name: o.Name, Phase: phase, Deleting: o.Deleting, StartedAt: Unset}
	if o.StartTimeS != nil {
		p.StartedAt = seconds(*o.StartTimeS)
	}
	if o.Ready != nil {
		if p.Ready, ok = oracleReady[*o.Ready]; !ok {
			t.Fatalf("unknown readiness %q", *o.Ready)
		}
		p.ReadyChangedAt = LongAgo
		if o.ReadyTransitionS != nil {
			p.ReadyChangedAt = seconds(*o.ReadyTransitionS)
		}
	}
	for _, c := range o.Containers {
		p.Containers = append(p.Containers, Container{c.Name, requestsOf(res, quantity(c.RequestMilli))})
	}
	for _, c := range o.InitContainers {
		if c.RestartAlways {
			p.Containers = append(p.Containers, Container{c.Name, requestsOf(res, quantity(c.RequestMilli))})
		}
	}
	if podLevel && o.PodLevelMilli != nil {
		r := requestsOf(res, quantity(o.PodLevelMilli))
		p.Requests = &r
	}
	return p
}

type oracleMetricsData struct {
	Error      bool `json:"error"`
	PodMetrics []struct {
		Pod        string  `json:"pod"`
		TimestampS float64 `json:"timestamp_s"`
		WindowS    float64 `json:"window_s"`
		ValueMilli *int64  `json:"value_milli"`
		Containers []struct {
			Name       string `json:"name"`
			UsageMilli *int64 `json:"usage_milli"`
		} `json:"containers"`
	} `json:"pod_metrics"`
	PodValues []struct {
		Pod        string `json:"pod"`
		ValueMilli int64  `json:"value_milli"`
	} `json:"pod_values"`
	ObjectValueMilli    *int64  `json:"object_value_milli"`
	ExternalValuesMilli []int64 `json:"external_values_milli"`
}

// data turns what the metrics APIs returned into samples, through AppendSamples where there are containers.
func (o oracleMetricsData) data(index map[string]int, res Resource, container string) MetricData {
	if o.Error {
		return MetricData{Err: ErrMetricsAPI}
	}
	at := func(name string) int {
		if i, ok := index[name]; ok {
			return i
		}
		return Gone
	}
	d := MetricData{ValuesMillis: o.ExternalValuesMilli}
	if o.ObjectValueMilli != nil {
		d.ValuesMillis = []int64{*o.ObjectValueMilli}
	}
	for _, v := range o.PodValues {
		// A pods metric whose API gives no window has one of 60 s.
		d.Samples = append(d.Samples, Sample{Pod: at(v.Pod), Window: time.Minute, Millis: v.ValueMilli})
	}
	var usage []PodUsage
	for _, m := range o.PodMetrics {
		if m.ValueMilli != nil {
			d.Samples = append(d.Samples, Sample{at(m.Pod), seconds(m.TimestampS), seconds(m.WindowS), *m.ValueMilli})
			continue
		}
		u := PodUsage{Pod: at(m.Pod), At: seconds(m.TimestampS), Window: seconds(m.WindowS)}
		for _, c := range m.Containers {
			r := requestsOf(res, quantity(c.UsageMilli))
			u.Containers = append(u.Containers, ContainerUsage{c.Name, r.CPU, r.Memory})
		}
		usage = append(usage, u)
	}
	d.Samples, d.Err = AppendSamples(d.Samples, usage, res, container, false)
	return d
}

type oracleExpected struct {
	Replicas             *int32           `json:"replicas"`
	Utilization          *int32           `json:"utilization"`
	UsageMilli           *int64           `json:"usage_milli"`
	ErrorKind            string           `json:"error_kind"`
	ErrorKindAlternative string           `json:"error_kind_alternative"`
	ReadyCount           *int             `json:"ready_count"`
	Unready              []string         `json:"unready"`
	Missing              []string         `json:"missing"`
	Ignored              []string         `json:"ignored"`
	RequestsMilli        map[string]int64 `json:"requests_milli"`
}

type calculatorCase struct {
	ID              string       `json:"id"`
	Function        string       `json:"function"`
	Config          oracleConfig `json:"config"`
	CurrentReplicas int32        `json:"current_replicas"`
	Target          struct {
		AverageUtilization int32 `json:"average_utilization"`
		AverageValueMilli  int64 `json:"average_value_milli"`
		ValueMilli         int64 `json:"value_milli"`
	} `json:"target"`
	Resource         Resource        `json:"resource"`
	Container        *string         `json:"container"`
	PodLevel         bool            `json:"pod_level_resources_enabled"`
	Pods             []oraclePod     `json:"pods"`
	Expected         oracleExpected  `json:"expected"`
	ExpectedUntilV32 *oracleExpected `json:"expected_until_v1_32"`
	oracleMetricsData
}

var errorKinds = map[string]error{
	"no_metrics":                ErrNoMetrics,
	"no_metrics_for_known_pods": ErrNoMetricsForKnownPods,
	"only_unready_pods":         ErrOnlyUnreadyPods,
	"missing_request":           ErrMissingRequest,
	"missing_container_metric":  ErrMissingContainerMetric,
	"container_not_found":       ErrContainerNotFound,
	"no_pods":                   ErrNoPods,
	"metrics_api_failure":       ErrMetricsAPI,
}

// query builds the question and the data of a case.
func (c *calculatorCase) query(t *testing.T) (*Query, MetricData) {
	q := &Query{Replicas: c.CurrentReplicas, Resource: c.Resource}
	if c.Container != nil {
		q.Container = *c.Container
	}
	index := map[string]int{}
	for i, p := range c.Pods {
		q.Pods = append(q.Pods, p.pod(t, c.Resource, c.PodLevel))
		index[p.Name] = i
	}
	data := c.data(index, c.Resource, q.Container)
	q.Samples = data.Samples
	return q, data
}

func (c *calculatorCase) run(t *testing.T, calc *Calculator, q *Query, data MetricData) (Proposal, error) {
	if data.Err != nil {
		return Proposal{}, data.Err
	}
	first := func() int64 {
		if len(data.ValuesMillis) == 0 {
			t.Fatal("no value")
		}
		return data.ValuesMillis[0]
	}
	switch c.Function {
	case "resource_utilization":
		return calc.ResourceUtilization(q, c.Target.AverageUtilization)
	case "resource_average_value":
		return calc.ResourceAverageValue(q, c.Target.AverageValueMilli)
	case "pods_average_value":
		return calc.PodsAverageValue(q, c.Target.AverageValueMilli)
	case "object_value":
		return calc.ObjectValue(q, first(), c.Target.ValueMilli)
	case "object_average_value":
		return calc.ObjectAverageValue(q, first(), c.Target.AverageValueMilli)
	case "external_value":
		return calc.ExternalValue(q, data.ValuesMillis, c.Target.ValueMilli)
	case "external_average_value":
		return calc.ExternalAverageValue(q, data.ValuesMillis, c.Target.AverageValueMilli)
	}
	t.Fatalf("unknown function %q", c.Function)
	return Proposal{}, nil
}

func (e *oracleExpected) check(t *testing.T, p Proposal, err error) {
	t.Helper()
	if e.ErrorKind != "" {
		want, ok := errorKinds[e.ErrorKind]
		if !ok {
			t.Fatalf("unknown error kind %q", e.ErrorKind)
		}
		alt := errorKinds[e.ErrorKindAlternative]
		if !errors.Is(err, want) && (alt == nil || !errors.Is(err, alt)) {
			t.Errorf("error %v, want %v", err, want)
		}
		return
	}
	if err != nil {
		t.Fatalf("error %v, want none", err)
	}
	if e.Replicas == nil {
		t.Fatal("case expects nothing")
	}
	if p.Replicas != *e.Replicas {
		t.Errorf("replicas %d, want %d (%+v)", p.Replicas, *e.Replicas, p)
	}
	if e.Utilization != nil && p.Utilization != *e.Utilization {
		t.Errorf("utilization %d, want %d", p.Utilization, *e.Utilization)
	}
	if e.UsageMilli != nil && p.UsageMillis != *e.UsageMilli {
		t.Errorf("usage %d, want %d", p.UsageMillis, *e.UsageMilli)
	}
}

// TestOracleReplicaCalculator holds the rules of every metric against Kubernetes' own tests.
func TestOracleReplicaCalculator(t *testing.T) {
	testCalculatorTable(t, "replica_calculator.json", false)
}

// TestOracleReplicaCalculatorDerived holds them against what the Kubernetes code answered to random and edge inputs, by the
// tolerance rule of 1.33 and, where it differs, by the older one.
func TestOracleReplicaCalculatorDerived(t *testing.T) {
	testCalculatorTable(t, "replica_calculator_derived.json", true)
}

// testCalculatorTable runs a table by the newer tolerance rule, and by the older one where its answer is known: where the
// case says so, and else, if sameOtherwise, where both directions have the one tolerance that old releases had.
func testCalculatorTable(t *testing.T, table string, sameOtherwise bool) {
	for _, c := range readOracle[calculatorCase](t, table) {
		t.Run(c.ID, func(t *testing.T) {
			q, data := c.query(t)
			switch c.Function {
			case "pod_requests":
				c.checkRequests(t, q)
				return
			case "group_pods":
				c.checkGroups(t, q)
				return
			}
			cfg := c.Config.config()
			q.Tolerance = cfg.Tolerance
			p, err := c.run(t, NewCalculator(cfg), q, data)
			c.Expected.check(t, p, err)

			q.Tolerance.Rule = ToleranceDistance
			old := c.ExpectedUntilV32
			if old == nil && sameOtherwise && c.Config.ToleranceUp == c.Config.ToleranceDown {
				old = &c.Expected
			}
			if old != nil {
				p, err = c.run(t, NewCalculator(cfg), q, data)
				old.check(t, p, err)
			}
		})
	}
}

func (c *calculatorCase) checkRequests(t *testing.T, q *Query) {
	for i := range q.Pods {
		got, err := q.Pods[i].Request(q.Resource, q.Container)
		if c.Expected.ErrorKind != "" {
			c.Expected.check(t, Proposal{}, err)
			continue
		}
		want, ok := c.Expected.RequestsMilli[q.Pods[i].Name]
		if err != nil || !ok || got != want {
			t.Errorf("request %d, error %v, want %d", got, err, want)
		}
	}
}

func (c *calculatorCase) checkGroups(t *testing.T, q *Query) {
	g := NewCalculator(c.Config.config()).GroupPods(q)
	if c.Expected.ReadyCount == nil || g.Ready != *c.Expected.ReadyCount {
		t.Errorf("%d ready, want %v", g.Ready, c.Expected.ReadyCount)
	}
	for group, want := range map[Group][]string{
		GroupUnready: c.Expected.Unready, GroupMissing: c.Expected.Missing, GroupIgnored: c.Expected.Ignored,
	} {
		var got []string
		for i, of := range g.Of {
			if of == group {
				got = append(got, q.Pods[i].Name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("group %d: %v, want %v", group, got, want)
		}
	}
}
