package cmd

import (
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

func TestServiceOf(t *testing.T) {
	app, err := loadApp("online_boutique")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"frontend": "frontend", "cartservice": "cart", "productcatalogservice": "productcatalog", "redis-cart": "redis", "cart-redis": "cart", "shop-frontend": "frontend",
		"ad-svc": "ad", "ad-deployment": "ad", "loadgenerator": "", "ads": "", "": "", "front": "", "service": "",
	} {
		got := ""
		if s := serviceOf(app.App, name); s >= 0 {
			got = app.Services[s].Name
		}
		if got != want {
			t.Errorf("%q is service %q, want %q", name, got, want)
		}
	}
}

// Queries from the documentation of KEDA, Istio, Linkerd and the Prometheus adapter's examples, written anew.
func TestServeRules(t *testing.T) {
	app, err := loadApp("online_boutique")
	if err != nil {
		t.Fatal(err)
	}
	mine, err := parseServe([]string{`^orders=in_flight*0.5@cartservice`, `^site=rps@entry`, `^late$=slo`})
	if err != nil {
		t.Fatal(err)
	}
	cart, ad := app.ServiceIndex("cart"), app.ServiceIndex("ad")
	for _, tc := range []struct {
		query string
		want  sim.ServedMetric
	}{
		{`sum(rate(http_requests_total{deployment="my-deployment"}[2m]))`, sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: ad}},
		{`sum(rate(istio_requests_total{destination_workload="cartservice",reporter="destination"}[1m]))`, sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: cart}},
		{`sum(irate(request_total{deployment="cart", direction="inbound"}[30s]))`, sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: cart}},
		{`sum(rate(istio_requests_total{destination_service=~"cart.shop.svc.cluster.local"}[1m]))`, sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: cart}},
		{`sum(rate(istio_requests_total{response_code=~"5.*"}[1m])) / sum(rate(istio_requests_total[1m]))`, sim.ServedMetric{Quantity: sim.ErrorShare, Service: ad}},
		{`histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket[2m])) by (le))`, sim.ServedMetric{Quantity: sim.P95Latency, Service: ad, Factor: 0.001}},
		{`histogram_quantile(0.99, sum(rate(response_latency_ms_bucket{deployment="cart"}[30s])) by (le))`, sim.ServedMetric{Quantity: sim.P95Latency, Service: cart}},
		{`packets-per-second-of-requests`, sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: ad}},
		{`requests_in_flight`, sim.ServedMetric{Quantity: sim.RequestsInFlight, Service: ad}},
		{`orders`, sim.ServedMetric{Quantity: sim.RequestsInFlight, Service: cart, Factor: 0.5}},
		{`site_requests`, sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: sim.Entry}},
		{`late`, sim.ServedMetric{Quantity: sim.SLOViolations, Service: sim.Entry}},
	} {
		got, err := mine.find(app.App, ad, tc.query)
		if err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v; want %+v", tc.query, got, err, tc.want)
		}
	}
	if _, err := mine.find(app.App, ad, `sum(kube_pod_container_resource_requests{resource="cpu"})`); err == nil {
		t.Error("what pods request is taken for requests")
	}
	if _, err := mine.find(app.App, ad, "weather"); err == nil || !strings.Contains(err.Error(), `metric "weather": not one that the simulated cluster knows`) {
		t.Errorf("an unknown metric: %v", err)
	}
}

func TestServeMistakes(t *testing.T) {
	for word, want := range map[string]string{
		"rps":        "must be REGEXP=QUANTITY",
		"=rps":       "must be REGEXP=QUANTITY",
		"(=rps":      "missing closing )",
		"a=queue":    `"queue" is not served`,
		"a=rps*0":    `factor "0" must be a number above 0`,
		"a=rps*NaN":  `factor "NaN" must be a number above 0`,
		"a=rps*x@ad": `factor "x" must be a number above 0`,
	} {
		if _, err := parseServe([]string{word}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--serve %s: %v, want %q", word, err, want)
		}
	}
}
