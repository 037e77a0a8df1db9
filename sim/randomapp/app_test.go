package randomapp_test

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/randomapp"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// sixty is an application of 60 services, for trying what was trained on smaller ones: number 0 of seed 60.
const sixty = "../../testdata/apps/sixty_services.yaml"

// The file is written by -update alone: drawing it takes half a minute, for the response of several drafts is measured.
func TestSixtyServices(t *testing.T) {
	if *update {
		_, text, err := randomapp.New(60, 0, 60)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(sixty, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(sixty)
	if err != nil {
		t.Fatal(err)
	}
	app, err := sim.DecodeApp(bytes.NewReader(text), sixty)
	if err != nil {
		t.Fatal(err)
	}
	if len(app.Services) != 60 || len(app.Warnings) > 0 || len(text) > 60_000 {
		t.Errorf("%d services, warnings %v, %d bytes", len(app.Services), app.Warnings, len(text))
	}
}

// What the doc comment promises.
func TestApplications(t *testing.T) {
	for i, n := range []int{5, 8, 12} {
		app, text, err := randomapp.New(3, i, n)
		if err != nil {
			t.Fatal(err)
		}
		read, err := sim.DecodeApp(bytes.NewReader(text), "text")
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(read.Services, app.Services) || !reflect.DeepEqual(read.Ops, app.Ops) || !reflect.DeepEqual(read.Endpoints, app.Endpoints) || !reflect.DeepEqual(read.Pools, app.Pools) {
			t.Errorf("application %d is not the one of its text", i)
		}
		if len(app.Services) != n || len(app.Pools) != 1 || len(app.Warnings) > 0 {
			t.Errorf("application %d: %d services, %d pools, warnings %v", i, len(app.Services), len(app.Pools), app.Warnings)
		}
		mix, rps, needed := make([]float64, len(app.Endpoints)), make([]float64, len(app.Endpoints)), make([]int, n)
		for e := range mix {
			mix[e] = app.Endpoints[e].Weight
			if slo := app.Endpoints[e].SLOMs; slo < 20 || slo > 3000 {
				t.Errorf("application %d: SLO %v ms", i, slo)
			}
		}
		p := sim.NewPlanner(app)
		unit := p.Capacity(mix)
		scaled := func(level float64) (grown int) {
			for e := range rps {
				rps[e] = level * unit * mix[e]
			}
			if !p.Needed(rps, needed) {
				t.Errorf("application %d cannot serve %v of its capacity", i, level)
			}
			for _, k := range needed {
				if k > 1 {
					grown++
				}
			}
			return grown
		}
		if low, high := scaled(0.03), scaled(0.95); low > n/2 || high < n/3 {
			t.Errorf("application %d: %d of %d services have more than one replica at low load, %d at high load", i, low, n, high)
		}
	}
}

// Wide applications have one to three services and pods by the ten and hundred, on few large nodes.
func TestWideApplications(t *testing.T) {
	most := 0
	for i := range 3 {
		app, text, err := randomapp.NewWide(3, i)
		if err != nil {
			t.Fatal(err)
		}
		read, err := sim.DecodeApp(bytes.NewReader(text), "text")
		if err != nil || !reflect.DeepEqual(read.Services, app.Services) || !reflect.DeepEqual(read.Endpoints, app.Endpoints) {
			t.Errorf("application %d is not the one of its text: %v", i, err)
		}
		if len(app.Services) != 1+i%3 || len(app.Warnings) > 0 {
			t.Errorf("application %d: %d services, warnings %v", i, len(app.Services), app.Warnings)
		}
		for _, s := range app.Services {
			if most = max(most, s.MaxReplicas); s.MinReplicas != 1 || s.MaxReplicas < 10 || s.MaxReplicas > 120 {
				t.Errorf("application %d: %d to %d replicas", i, s.MinReplicas, s.MaxReplicas)
			}
		}
	}
	if most < 60 {
		t.Errorf("none has more than %d replicas", most)
	}
}

func TestReproducible(t *testing.T) {
	_, a, err := randomapp.New(5, 1, 5)
	if err != nil {
		t.Fatal(err)
	}
	_, b, err := randomapp.New(5, 1, 5)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("one seed gave two applications")
	}
	_, c, err := randomapp.New(5, 2, 5)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a, c) {
		t.Error("two numbers gave the same application")
	}
}
