// Package manifest reads Kubernetes manifests as people keep them, files and folders of YAML or JSON documents, and
// turns those that say how an application scales into plain values for the simulator.
//
// Its main type is [Set]: the autoscalers (HorizontalPodAutoscaler, KEDA's ScaledObject, VerticalPodAutoscaler,
// PredictiveHorizontalPodAutoscaler) and the workloads (Deployment, StatefulSet) that were found, and what was skipped. The path to it:
//
//	Read (files.go: which files)  or  Decode (one stream)
//	-> document.go: text is split into documents, each with its lines
//	-> object.go:   lists are unfolded, the kind picks the reader
//	-> check.go:    fields against Kubernetes' own Go types: unknown, misspelled or of the wrong type
//	-> hpa.go, keda.go, vpa.go, phpa.go, workload.go: what the values mean, converted and validated
//	-> consistency.go: two autoscalers of one target, containers that do not exist
//
// A mistake is one line: file, line, object, path of the field, the value found and what to write instead. All
// mistakes are reported at once, joined with errors.Join. What a cluster accepts and a simulator cannot follow is a
// warning of its object, not an error.
//
// Values are read as kubectl and the API server read them: YAML 1.1 with sigs.k8s.io/yaml, case-sensitive field
// names, Kubernetes' defaults where the API server or a controller fills them. Three things are stricter: a key that
// is given twice, a field that Kubernetes would ignore, and an object that is there twice are errors.
//
// What it does not do: it renders no Helm charts or Kustomize overlays, talks to no cluster, and does not know which
// services an application has; whoever runs a simulation checks that targets exist.
package manifest
