package tune

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/grlscaler/grlscaler/sim"
)

// The autoscaling/v2 object, as far as Params go, in the order in which people write it.
type manifest struct {
	APIVersion string       `yaml:"apiVersion"`
	Kind       string       `yaml:"kind"`
	Metadata   manifestName `yaml:"metadata"`
	Spec       manifestSpec `yaml:"spec"`
}

type manifestName struct {
	Name string `yaml:"name"`
}

type manifestSpec struct {
	ScaleTargetRef struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Name       string `yaml:"name"`
	} `yaml:"scaleTargetRef"`
	MinReplicas int32             `yaml:"minReplicas"`
	MaxReplicas int               `yaml:"maxReplicas"`
	Metrics     []manifestMetric  `yaml:"metrics"`
	Behavior    *manifestBehavior `yaml:"behavior,omitempty"`
}

type manifestMetric struct {
	Type     string `yaml:"type"`
	Resource struct {
		Name   string `yaml:"name"`
		Target struct {
			Type               string `yaml:"type"`
			AverageUtilization int32  `yaml:"averageUtilization"`
		} `yaml:"target"`
	} `yaml:"resource"`
}

type manifestBehavior struct {
	ScaleUp   *manifestRules `yaml:"scaleUp,omitempty"`
	ScaleDown *manifestRules `yaml:"scaleDown,omitempty"`
}

type manifestRules struct {
	StabilizationWindowSeconds *int32           `yaml:"stabilizationWindowSeconds,omitempty"`
	Policies                   []manifestPolicy `yaml:"policies,omitempty"`
}

type manifestPolicy struct {
	Type          string `yaml:"type"`
	Value         int32  `yaml:"value"`
	PeriodSeconds int32  `yaml:"periodSeconds"`
}

// Manifest is a candidate as HorizontalPodAutoscalers (autoscaling/v2) ready to apply, one document for each service in
// the order of the application, for Deployments of the services' names. Each line of the comment begins the file.
func Manifest(app *sim.App, c *Candidate, comment ...string) ([]byte, error) {
	if len(c.Params) != len(app.Services) {
		return nil, fmt.Errorf("tune: %d settings for the %d services of %s", len(c.Params), len(app.Services), app.Name)
	}
	var b bytes.Buffer
	for _, line := range comment {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	for s := range app.Services {
		svc, p := &app.Services[s], &c.Params[s]
		m := manifest{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler", Metadata: manifestName{svc.Name}}
		m.Spec.ScaleTargetRef.APIVersion, m.Spec.ScaleTargetRef.Kind, m.Spec.ScaleTargetRef.Name = "apps/v1", "Deployment", svc.Name
		m.Spec.MinReplicas, m.Spec.MaxReplicas = p.MinReplicas, svc.MaxReplicas
		metric := manifestMetric{Type: "Resource"}
		metric.Resource.Name, metric.Resource.Target.Type, metric.Resource.Target.AverageUtilization = "cpu", "Utilization", p.CPUPercent
		m.Spec.Metrics = []manifestMetric{metric}
		if up, down := p.Up.manifest(), p.Down.manifest(); up != nil || down != nil {
			m.Spec.Behavior = &manifestBehavior{up, down}
		}
		if err := enc.Encode(m); err != nil {
			return nil, fmt.Errorf("tune: %w", err)
		}
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("tune: %w", err)
	}
	return b.Bytes(), nil
}

func (r Rules) manifest() *manifestRules {
	rules := r.rules()
	if rules == nil {
		return nil
	}
	out := &manifestRules{StabilizationWindowSeconds: rules.StabilizationWindowSeconds}
	for _, p := range rules.Policies {
		out.Policies = append(out.Policies, manifestPolicy{string(p.Type), p.Value, p.PeriodSeconds})
	}
	return out
}
