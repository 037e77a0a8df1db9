package sim

import "fmt"

// Static keeps a fixed number of replicas.
type Static struct {
	Replicas []int // one per service; nil keeps the application's initial replicas
	Label    string
}

var _ Controller = (*Static)(nil)

// Name returns the label under which results are listed.
func (c *Static) Name() string {
	if c.Label != "" {
		return c.Label
	}
	return "static"
}

// Reset checks the replicas against the application.
func (c *Static) Reset(app *App, _ uint64) error {
	if c.Replicas != nil && len(c.Replicas) != len(app.Services) {
		return fmt.Errorf("static controller: %d replica counts for the %d services of %s", len(c.Replicas), len(app.Services), app.Name)
	}
	return nil
}

// Decide asks for the fixed counts.
func (c *Static) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	for s := range v.Services {
		if c.Replicas != nil && c.Replicas[s] != v.Services[s].Spec {
			dst = append(dst, ScaleRequest{Service: s, Replicas: c.Replicas[s], Pool: AnyPool})
		}
	}
	return dst, nil
}
