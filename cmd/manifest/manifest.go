package manifest

import (
	"fmt"
	"slices"
)

// Set is what was read, each list in the order of files and documents.
type Set struct {
	HPAs          []HPA
	ScaledObjects []ScaledObject
	VPAs          []VPA
	PHPAs         []PHPA
	Workloads     []Workload
	Skipped       []Skipped
}

// Object is what every object of a set has.
type Object struct {
	Source      Source
	APIVersion  string
	Kind        string
	Namespace   string // as given; empty stands for "default"
	Name        string
	Annotations map[string]string
	// Warnings name fields that a cluster accepts, but that a simulation does not follow or that have no effect.
	// Each begins with the path of the field.
	Warnings []string
}

// Label names an object in messages: HorizontalPodAutoscaler "web".
func (o *Object) Label() string { return label(o.Kind, o.Name) }

// space is the namespace that holds.
func (o *Object) space() string {
	if o.Namespace == "" {
		return "default"
	}
	return o.Namespace
}

// label names an object as far as it is known.
func label(kind, name string) string {
	if !simpleKey.MatchString(kind) {
		kind = show(kind)
	}
	if name == "" {
		return kind
	}
	return fmt.Sprintf("%s %q", kind, name)
}

// Source is where an object begins.
type Source struct {
	File string
	Line int // from 1
}

// String returns file:line.
func (s Source) String() string { return fmt.Sprintf("%s:%d", s.File, s.Line) }

// Target is the object that an autoscaler scales, or that a metric describes. It is in the autoscaler's namespace.
type Target struct {
	Kind, Name, APIVersion string
}

// String names the target in messages: Deployment "web".
func (t Target) String() string { return label(t.Kind, t.Name) }

// Skipped is an object of a kind that is not read, such as a Service.
type Skipped struct {
	Source          Source
	APIVersion      string
	Kind            string
	Namespace, Name string // as far as they are given
}

// Warnings returns the warnings of all objects, each with file, line and object, in the order of the lists.
func (s *Set) Warnings() []string {
	var out []string
	s.objects(func(o *Object, _ *Target) {
		for _, w := range o.Warnings {
			out = append(out, fmt.Sprintf("%s: %s: %s", o.Source, o.Label(), w))
		}
	})
	return out
}

// Empty reports whether nothing was read but what is skipped.
func (s *Set) Empty() bool {
	return len(s.HPAs)+len(s.ScaledObjects)+len(s.VPAs)+len(s.PHPAs)+len(s.Workloads) == 0
}

// objects calls f for every object and its target, which workloads lack.
func (s *Set) objects(f func(*Object, *Target)) {
	for i := range s.HPAs {
		f(&s.HPAs[i].Object, &s.HPAs[i].Target)
	}
	for i := range s.ScaledObjects {
		f(&s.ScaledObjects[i].Object, &s.ScaledObjects[i].Target)
	}
	for i := range s.VPAs {
		f(&s.VPAs[i].Object, &s.VPAs[i].Target)
	}
	for i := range s.PHPAs {
		f(&s.PHPAs[i].Object, &s.PHPAs[i].Target)
	}
	for i := range s.Workloads {
		f(&s.Workloads[i].Object, nil)
	}
}

// workload returns the workload that o's target names, or nil if the set has none.
func (s *Set) workload(o *Object, t *Target) *Workload {
	i := slices.IndexFunc(s.Workloads, func(w Workload) bool {
		return w.Kind == t.Kind && w.Name == t.Name && w.space() == o.space()
	})
	if i < 0 {
		return nil
	}
	return &s.Workloads[i]
}
