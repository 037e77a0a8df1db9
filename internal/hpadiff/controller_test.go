package hpadiff

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// HPAs are handled in batches: a batch is one real controller with settings of its own.
const (
	batchSize = 250
	syncsEach = 24
)

// newController is the real controller over a cluster.
func newController(ctx context.Context, c *cluster, cfg *hpa.Config) *podautoscaler.HorizontalController {
	return podautoscaler.NewHorizontalController(ctx, events{}, scales{c: c}, hpaClient{c: c}, mapper{}, c.metricsClient(),
		hpaInformer{c}, podInformer{c}, cfg.SyncPeriod, cfg.DownscaleStabilization, cfg.Tolerance.Up, cfg.CPUInitializationPeriod, cfg.InitialReadinessDelay)
}

// setFeatures makes upstream's features those of the settings.
func setFeatures(t *testing.T, cfg *hpa.Config) {
	gate := utilfeature.DefaultMutableFeatureGate
	known := gate.GetAll()
	for name, on := range map[string]bool{
		"HPAScaleToZero":           cfg.ScaleToZero,
		"HPAConfigurableTolerance": cfg.PerHPATolerance,
		// It waits for the informer to show what was written, which is a matter of API machinery.
		"StaleControllerConsistencyHPA": false,
	} {
		for f := range known {
			if string(f) == name && gate.Enabled(f) != on {
				if err := gate.Set(fmt.Sprintf("%s=%v", name, on)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// batch is a cluster's settings and its HPAs.
type batch struct {
	cfg  hpa.Config
	hpas []*watched
}

// newBatch makes batch b, or one HPA of it.
func newBatch(b, only int) *batch {
	g := newGen("batch", b)
	out := &batch{cfg: g.config()}
	if g.minor >= 33 && g.minor <= 36 { // before, there is no such feature; later, it is locked
		out.cfg.PerHPATolerance = g.chance(0.5)
	}
	out.cfg.ScaleToZero = g.chance(0.5)
	for i := b * batchSize; i < (b+1)*batchSize; i++ {
		if only < 0 || i == only {
			out.hpas = append(out.hpas, newGen("controller", i).watch(i, out.cfg))
		}
	}
	return out
}

// run lets the real controller sync the batch's HPAs, and ours after each. It must be called in a bubble.
func (b *batch) run(t *testing.T, different func(w *watched, how string)) (compared int, tally map[string]int) {
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	c := &cluster{}
	for i, w := range b.hpas {
		w.place.object = kubeHPA(strconv.Itoa(i), &w.spec)
		defaults.SetDefaults_HorizontalPodAutoscaler(w.place.object)
		c.places = append(c.places, w.place)
	}
	controller := newController(ctx, c, &b.cfg)
	done := make(chan struct{})
	go func() {
		controller.Run(ctx, 1)
		close(done)
	}()
	time.Sleep(time.Hour) // until Run has begun; syncs do not come on the hour of anything
	start := time.Since(origin)
	for _, w := range b.hpas {
		c.handler.OnAdd(w.place.object, true)
	}
	tally = map[string]int{}
	time.Sleep(b.cfg.FirstSyncAfter + time.Millisecond) // looks come a little after syncs
	for i := range syncsEach {
		synctest.Wait()
		due := start + b.cfg.FirstSyncAfter + time.Duration(i)*b.cfg.SyncPeriod
		for _, w := range b.hpas {
			if w.broken {
				continue
			}
			if p := w.place; p.syncs != i+1 || p.state.now != due {
				w.broken = true
				different(w, fmt.Sprintf("%d syncs until %v, upstream %d", i+1, due, p.syncs))
				continue
			}
			d := w.sync()
			compared++
			tally[path(&d)]++
			if how := w.differs(&d); how != "" {
				w.broken = true
				different(w, how)
			}
		}
		time.Sleep(b.cfg.SyncPeriod)
	}
	cancel()
	<-done
	time.Sleep(time.Minute) // older queues and workers see only by and by that all is over
	return compared, tally
}

// path names what a decision was about.
func path(d *hpa.Decision) string {
	switch d.Path {
	case hpa.PathDisabled:
		return "at zero"
	case hpa.PathAboveMax, hpa.PathBelowMin:
		return "out of bounds"
	case hpa.PathFailed:
		return "metrics failed"
	}
	if d.Stabilization != hpa.NoReason {
		return string(d.Stabilization)
	}
	return string(d.ScalingLimited.Reason)
}

// dump prints an HPA and its last sync in full, those before it in a line each.
func (w *watched) dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config %s, zero %v\n", dumpConfig(&w.cfg), w.cfg.ScaleToZero)
	s := w.ours.Spec()
	fmt.Fprintf(&b, "min %d, max %d\n", *s.MinReplicas, s.MaxReplicas)
	for i := range s.Metrics {
		fmt.Fprintf(&b, "metric %d: %s\n", i, dumpMetric(&s.Metrics[i]))
	}
	if s.Behavior != nil {
		for _, r := range []struct {
			name  string
			rules *hpa.ScalingRules
		}{{"up", s.Behavior.ScaleUp}, {"down", s.Behavior.ScaleDown}} {
			fmt.Fprintf(&b, "%s: %s", r.name, r.rules.SelectPolicy)
			if v := r.rules.StabilizationWindowSeconds; v != nil {
				fmt.Fprintf(&b, ", window %d s", *v)
			}
			if v := r.rules.Tolerance; v != nil {
				fmt.Fprintf(&b, ", tolerance %v", *v)
			}
			fmt.Fprintf(&b, ", policies %v\n", r.rules.Policies)
		}
	}
	for _, line := range w.log {
		b.WriteString(line + "\n")
	}
	if w.place.state != nil {
		w.place.state.dump(&b)
	}
	return b.String()
}

// TestController runs the real controller and ours over the same HPAs, sync after sync.
func TestController(t *testing.T) {
	t.Parallel()
	first, n := inputs()
	batches := (n + batchSize*syncsEach - 1) / (batchSize * syncsEach)
	from := 0
	if *only >= 0 {
		from, batches = first/batchSize, 1
	}
	began := time.Now()
	compared, failed, tally := 0, 0, map[string]int{}
	for b := from; b < from+batches && failed < maxFailures; b++ {
		batch := newBatch(b, *only)
		setFeatures(t, &batch.cfg)
		synctest.Test(t, func(t *testing.T) {
			k, paths := batch.run(t, func(w *watched, how string) {
				if failed++; failed <= maxFailures {
					t.Errorf("%s\nrepeat with -run TestController -args -seed %d -only %d\n%s", how, *seed, w.index, w.dump())
				}
			})
			compared += k
			for p, c := range paths {
				tally[p] += c
			}
		})
	}
	t.Logf("Kubernetes 1.%d: %d syncs of %d controllers compared in %v, %d HPAs differ (%s)",
		minor(), compared, batches, time.Since(began).Round(time.Second), failed, counts(tally))
}
