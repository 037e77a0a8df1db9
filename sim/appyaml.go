package sim

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/internal/strictyaml"
)

// appFormat is the newest format of application files that this version reads.
const appFormat = 1

type yamlApp struct {
	Format      int            `yaml:"format"`
	Name        string         `yaml:"name"`
	SpeedFactor float64        `yaml:"speed_factor"`
	Services    []yamlService  `yaml:"services"`
	Endpoints   []yamlEndpoint `yaml:"endpoints"`
	Pools       []yamlPool     `yaml:"pools"`
}

type yamlService struct {
	Name          string  `yaml:"name"`
	CPURequestM   float64 `yaml:"cpu_request_m"`
	CPULimitM     float64 `yaml:"cpu_limit_m"`
	MemRequestMiB float64 `yaml:"mem_request_mib"`
	MemLimitMiB   float64 `yaml:"mem_limit_mib"`
	Replicas      struct {
		Min     int `yaml:"min"`
		Max     int `yaml:"max"`
		Initial int `yaml:"initial"`
	} `yaml:"replicas"`
	Startup struct {
		FixedS  float64 `yaml:"fixed_s"`
		JitterS float64 `yaml:"jitter_s"`
		CPUMs   float64 `yaml:"cpu_ms"`
	} `yaml:"startup"`
	Warmup struct {
		Calls  float64 `yaml:"calls"`
		Factor float64 `yaml:"factor"`
		CPUMs  float64 `yaml:"cpu_ms"`
	} `yaml:"warmup"`
	GraceS  *float64 `yaml:"grace_s"`
	Removal *struct {
		LagS     *float64 `yaml:"lag_s"`
		PreStopS float64  `yaml:"pre_stop_s"`
	} `yaml:"removal"`
	Stateful     bool            `yaml:"stateful"`
	Workers      int             `yaml:"workers"`
	Cores        int             `yaml:"cores"`
	MaxVisits    int             `yaml:"max_visits"`
	Balancing    string          `yaml:"balancing"`
	BaseCPUM     float64         `yaml:"base_cpu_m"`
	SleepMs      float64         `yaml:"sleep_ms"`
	MemBaseMiB   float64         `yaml:"mem_base_mib"`
	MemPerRPSMiB float64         `yaml:"mem_per_rps_mib"`
	Operations   []yamlOperation `yaml:"operations"`
}

type yamlOperation struct {
	Name     string     `yaml:"name"`
	CPUMs    float64    `yaml:"cpu_ms"`
	WakeMs   float64    `yaml:"wake_ms"`
	CV       *float64   `yaml:"cv"`
	Dist     string     `yaml:"dist"`
	WaitMs   float64    `yaml:"wait_ms"`
	WaitCV   *float64   `yaml:"wait_cv"`
	WaitDist string     `yaml:"wait_dist"`
	Parallel bool       `yaml:"parallel"`
	Calls    []yamlCall `yaml:"calls"`
}

type yamlCall struct {
	Op          string   `yaml:"op"`
	Mean        *float64 `yaml:"mean"`
	TimeoutMs   float64  `yaml:"timeout_ms"`
	Optional    bool     `yaml:"optional"`
	Retries     int      `yaml:"retries"`
	RetryBudget float64  `yaml:"retry_budget"`
}

type yamlEndpoint struct {
	Name        string  `yaml:"name"`
	Op          string  `yaml:"op"`
	Weight      float64 `yaml:"weight"`
	SLOMs       float64 `yaml:"slo_ms"`
	TimeoutMs   float64 `yaml:"timeout_ms"`
	Retries     int     `yaml:"retries"`
	RetryBudget float64 `yaml:"retry_budget"`
}

type yamlPool struct {
	Name             string  `yaml:"name"`
	Nodes            int     `yaml:"nodes"`
	CPUM             float64 `yaml:"cpu_m"`
	MemMiB           float64 `yaml:"mem_mib"`
	SpeedFactor      float64 `yaml:"speed_factor"`
	PricePerCoreHour float64 `yaml:"price_per_core_hour"`
	Autoscale        *struct {
		Max    int      `yaml:"max"`
		DelayS *float64 `yaml:"delay_s"`
		IdleS  *float64 `yaml:"idle_s"`
	} `yaml:"autoscale"`
}

// Bounds that no real deployment reaches; they keep a slip of the pen from exhausting memory.
const (
	maxServices   = 2000
	maxNodes      = 5000
	maxReplicas   = 5000
	maxPods       = 100_000 // of all services together
	maxOps        = 20_000
	maxEndpoints  = 500
	maxMagnitude  = 1e12
	maxMillis     = 1e9 // a million cores
	maxTimeMs     = 1e7 // nearly three hours, for what one visit takes
	maxTimeS      = 1e6 // eleven days
	maxCV         = 100
	maxSpeed      = 1000   // a platform is not that many times as fast as another, or as slow
	defaultTimeMs = 30_000 // client timeout where none is given: that of the source system's load generator
	defaultGraceS = 30     // Kubernetes' terminationGracePeriodSeconds
	defaultLagS   = 1      // kube-proxy's --iptables-min-sync-period; the endpoints themselves change without delay
	defaultIdleS  = 600    // Cluster Autoscaler's --scale-down-unneeded-time
)

// DecodeApp reads an application file (format: docs/applications.md). name is the file's name for messages.
// Every mistake found is reported, each with file, line and key.
func DecodeApp(r io.Reader, name string) (*App, error) {
	var y yamlApp
	y.SpeedFactor = 1
	doc, err := strictyaml.Decode(r, name, &y)
	if err != nil {
		return nil, err
	}
	if y.Format > appFormat {
		return nil, doc.Errorf("format", "format %d is newer than this version reads (%d); upgrade grlscaler", y.Format, appFormat)
	}
	d := appDecoder{doc: doc, y: &y, app: &App{Name: y.Name}, ops: map[string]int{}}
	d.decode()
	if len(d.errs) > 0 {
		return nil, errors.Join(d.errs...)
	}
	d.app.compile()
	d.manyVisits()
	d.unreachable()
	d.room()
	if len(d.errs) > 0 {
		return nil, errors.Join(d.errs...)
	}
	return d.app, nil
}

type appDecoder struct {
	doc  *strictyaml.Document
	y    *yamlApp
	app  *App
	ops  map[string]int // operation name -> index
	pods int            // replicas.max of all services
	errs []error
}

func (d *appDecoder) fail(path, format string, args ...any) {
	d.errs = append(d.errs, d.doc.Errorf(path, format, args...))
}

// number demands lo <= v <= maxMagnitude.
func (d *appDecoder) number(path string, v, lo float64) { d.bounded(path, v, lo, maxMagnitude) }

// bounded demands lo <= v <= hi.
func (d *appDecoder) bounded(path string, v, lo, hi float64) {
	switch {
	case !(v >= lo):
		d.fail(path, "must be at least %v, found %v", lo, v)
	case v > hi:
		d.fail(path, "%v is beyond any real value; at most %v is supported", v, hi)
	}
}

// positive demands a number above 0, and not so near it that what is divided by it overflows.
func (d *appDecoder) positive(path string, v float64) { d.upTo(path, v, maxMagnitude) }

// upTo is positive with an upper bound.
func (d *appDecoder) upTo(path string, v, hi float64) {
	switch {
	case !(v > 0):
		d.fail(path, "must be above 0, found %v", v)
	case v < 1/maxMagnitude:
		d.fail(path, "%v is below any real value; at least %v is supported", v, 1/maxMagnitude)
	default:
		d.bounded(path, v, 0, hi)
	}
}

// speed demands a factor that a platform can have relative to another.
func (d *appDecoder) speed(path string, v float64) {
	if !(v >= 1.0/maxSpeed && v <= maxSpeed) {
		d.fail(path, "must be from %v to %d, found %v", 1.0/maxSpeed, maxSpeed, v)
	}
}

func (d *appDecoder) decode() {
	if d.y.Format < 1 {
		d.fail("format", "missing or below 1; write format: %d", appFormat)
	}
	if d.y.Name == "" {
		d.fail("name", "missing; name the application")
	}
	d.speed("speed_factor", d.y.SpeedFactor)
	switch {
	case len(d.y.Services) == 0:
		d.fail("services", "at least one service is needed")
	case len(d.y.Services) > maxServices:
		d.fail("services", "%d services; at most %d are supported", len(d.y.Services), maxServices)
	case len(d.y.Endpoints) == 0:
		d.fail("endpoints", "at least one endpoint is needed")
	case len(d.y.Endpoints) > maxEndpoints:
		d.fail("endpoints", "%d endpoints; at most %d are supported", len(d.y.Endpoints), maxEndpoints)
	case len(d.y.Pools) == 0:
		d.fail("pools", "at least one node pool is needed")
	}
	seen := map[string]bool{}
	for i := range d.y.Services {
		path := fmt.Sprintf("services[%d]", i)
		y := &d.y.Services[i]
		d.name(path+".name", y.Name, seen, "service")
		d.service(path, y)
		for j := range y.Operations {
			d.operation(fmt.Sprintf("%s.operations[%d]", path, j), i, &y.Operations[j])
		}
	}
	if len(d.app.Ops) > maxOps {
		d.fail("services", "%d operations; at most %d are supported", len(d.app.Ops), maxOps)
	}
	if d.pods > maxPods {
		d.fail("services", "replicas.max of all services add up to %d; at most %d are supported", d.pods, maxPods)
	}
	for i := range d.y.Services {
		for j := range d.y.Services[i].Operations {
			d.calls(fmt.Sprintf("services[%d].operations[%d]", i, j), y2name(d.y.Services[i].Name, d.y.Services[i].Operations[j].Name), d.y.Services[i].Operations[j].Calls)
		}
	}
	d.endpoints()
	d.pools()
	if d.selfCalls(); len(d.errs) == 0 {
		d.acyclic()
	}
}

func y2name(service, op string) string { return service + "." + op }

func (d *appDecoder) name(path, name string, seen map[string]bool, what string) {
	switch {
	case name == "":
		d.fail(path, "missing; every %s needs a name", what)
	case strings.ContainsAny(name, " \t\n,;\"'/"):
		d.fail(path, "%q contains blanks, quotes, commas or slashes", name)
	case seen[name]:
		d.fail(path, "%s %q is given twice", what, name)
	}
	seen[name] = true
}

func (d *appDecoder) service(path string, y *yamlService) {
	d.upTo(path+".cpu_request_m", y.CPURequestM, maxMillis)
	d.upTo(path+".cpu_limit_m", y.CPULimitM, maxMillis)
	d.positive(path+".mem_request_mib", y.MemRequestMiB)
	d.positive(path+".mem_limit_mib", y.MemLimitMiB)
	if y.CPULimitM < y.CPURequestM {
		d.fail(path+".cpu_limit_m", "the limit %v is below the request %v", y.CPULimitM, y.CPURequestM)
	}
	if y.MemLimitMiB < y.MemRequestMiB {
		d.fail(path+".mem_limit_mib", "the limit %v is below the request %v", y.MemLimitMiB, y.MemRequestMiB)
	}
	r := &y.Replicas
	if r.Min < 0 {
		d.fail(path+".replicas.min", "must be at least 0, found %d", r.Min)
	}
	if r.Max < max(r.Min, 1) || r.Max > maxReplicas {
		d.fail(path+".replicas.max", "must be between %d and %d, found %d", max(r.Min, 1), maxReplicas, r.Max)
	}
	d.pods += min(max(r.Max, 0), maxReplicas)
	if r.Initial == 0 {
		r.Initial = max(r.Min, 1)
	}
	if r.Initial < r.Min || r.Initial > r.Max {
		d.fail(path+".replicas.initial", "must be between min (%d) and max (%d), found %d", r.Min, r.Max, r.Initial)
	}
	if y.Warmup.Factor == 0 {
		y.Warmup.Factor = 1
	}
	if y.GraceS == nil {
		grace := float64(defaultGraceS)
		y.GraceS = &grace
	}
	if y.Balancing == "" {
		y.Balancing = Balancings[0]
	}
	if y.Cores == 0 {
		y.Cores = 1
	}
	if !slices.Contains(Balancings, y.Balancing) {
		d.fail(path+".balancing", "unknown %q; one of %s", y.Balancing, strings.Join(Balancings, ", "))
	}
	if y.Balancing == SharedQueue && (y.Workers < 1 || y.MaxVisits != 0) {
		d.fail(path+".balancing", "%s needs workers, which take visits from the queue, and no max_visits, for what waits is in no replica", SharedQueue)
	}
	for _, n := range []struct {
		key       string
		v, lo, hi float64
	}{
		{"startup.fixed_s", y.Startup.FixedS, 0, maxTimeS}, {"startup.jitter_s", y.Startup.JitterS, 0, maxTimeS}, {"startup.cpu_ms", y.Startup.CPUMs, 0, maxTimeMs},
		{"warmup.calls", y.Warmup.Calls, 0, maxMagnitude}, {"warmup.factor", y.Warmup.Factor, 1, 1000}, {"warmup.cpu_ms", y.Warmup.CPUMs, 0, maxTimeMs}, {"grace_s", *y.GraceS, 0, maxTimeS},
		{"workers", float64(y.Workers), 0, maxCount}, {"cores", float64(y.Cores), 1, maxCores}, {"max_visits", float64(y.MaxVisits), 0, maxCount},
		{"base_cpu_m", y.BaseCPUM, 0, maxMagnitude}, {"sleep_ms", y.SleepMs, 0, maxTimeMs}, {"mem_base_mib", y.MemBaseMiB, 0, maxMagnitude}, {"mem_per_rps_mib", y.MemPerRPSMiB, 0, maxMagnitude},
	} {
		d.bounded(path+"."+n.key, n.v, n.lo, n.hi)
	}
	lag, preStop := d.removal(path+".removal", y)
	if y.CPULimitM > 0 && !(y.CPULimitM-y.BaseCPUM >= 1) {
		d.fail(path+".base_cpu_m", "an idle replica uses %v m of its limit of %v m, which leaves less than 1 m for requests", y.BaseCPUM, y.CPULimitM)
	}
	d.app.Services = append(d.app.Services, Service{
		Name: y.Name, CPURequestMillis: y.CPURequestM, CPULimitMillis: y.CPULimitM, MemRequestMiB: y.MemRequestMiB, MemLimitMiB: y.MemLimitMiB,
		MinReplicas: r.Min, MaxReplicas: r.Max, InitialReplicas: r.Initial,
		StartupFixed: seconds(y.Startup.FixedS), StartupJitter: seconds(y.Startup.JitterS), StartupCPUMs: y.Startup.CPUMs,
		WarmupCalls: y.Warmup.Calls, WarmupFactor: y.Warmup.Factor, WarmupCPUMs: y.Warmup.CPUMs, Grace: seconds(*y.GraceS), RemovalLag: lag, PreStop: preStop,
		Stateful: y.Stateful, Workers: y.Workers, Cores: y.Cores, MaxVisits: y.MaxVisits, Balancing: y.Balancing, BaseCPUMillis: y.BaseCPUM, SleepMs: y.SleepMs, MemBaseMiB: y.MemBaseMiB, MemPerRPSMiB: y.MemPerRPSMiB,
	})
}

// removal reads what a removed pod goes through. Without the section balancers know at once, which is what a preStop hook longer than
// the lag comes to.
func (d *appDecoder) removal(path string, y *yamlService) (lag, preStop time.Duration) {
	r := y.Removal
	if r == nil {
		return 0, 0
	}
	lagS := float64(defaultLagS)
	if r.LagS != nil {
		lagS = *r.LagS
	}
	for _, n := range []struct {
		key string
		v   float64
	}{{"lag_s", lagS}, {"pre_stop_s", r.PreStopS}} {
		d.bounded(path+"."+n.key, n.v, 0, maxTimeS)
		if n.v > *y.GraceS {
			d.fail(path+"."+n.key, "%v is beyond grace_s (%v), when the pod is gone; lower it, or give the pod more grace", n.v, *y.GraceS)
		}
	}
	return seconds(lagS), seconds(r.PreStopS)
}

const (
	maxCores = 4096 // no node has more
	maxCount = 1e9  // of workers, or of visits taken in
)

// seconds converts, bounded so that the sum of two times never overflows.
func seconds(s float64) time.Duration {
	return time.Duration(math.Min(math.Max(s, 0), maxTimeS) * float64(time.Second))
}
