package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A container without a CPU limit is known as such to a VPA beside it, though the application has a limit for it all the same; one with a
// limit, and one of which nothing is said, are not.
func TestContainersWithoutACPULimit(t *testing.T) {
	text := `apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: cart}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: cart}
`
	for name, resources := range map[string]string{"cart": "requests: {cpu: 200m}", "frontend": "requests: {cpu: 200m}, limits: {cpu: 300m}", "ad": "requests: {memory: 64Mi}"} {
		text += fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers: [{name: server, image: a, resources: {%s}}]
`, name, resources)
	}
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	app, err := loadApp("online_boutique")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readManifests([]string{file}, app, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"cart": true, "frontend": false, "ad": false, "redis": false} {
		if got := app.unlimited[app.ServiceIndex(name)]; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if cart := app.Services[app.ServiceIndex("cart")]; cart.CPULimitMillis < 1000 {
		t.Errorf("cart has a limit of %v m", cart.CPULimitMillis)
	}
}
