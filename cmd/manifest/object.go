package manifest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// kind is a kind of objects that is read.
type kind struct {
	name     string
	versions []string          // of the API, that are read
	old      map[string]string // why another version is not, and what to do
	read     func(*object)
}

// kinds lists what is read. It is a function, as the readers refer to it in turn.
func kinds() []kind {
	apps := map[string]string{}
	for _, v := range []string{"extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"} {
		apps[v] = "Kubernetes 1.16 removed it"
	}
	return []kind{
		{"HorizontalPodAutoscaler", []string{"autoscaling/v2", "autoscaling/v1"}, map[string]string{
			"autoscaling/v2beta2": "Kubernetes 1.26 removed it, and autoscaling/v2 has the same fields",
			"autoscaling/v2beta1": "Kubernetes 1.25 removed it, and autoscaling/v2 has metric and target where it has metricName and targetAverageValue",
		}, (*object).readHPA},
		{"ScaledObject", []string{"keda.sh/v1alpha1"}, map[string]string{
			"keda.k8s.io/v1alpha1": "it belongs to KEDA 1, and KEDA 2 has scaleTargetRef.name where it has deploymentName",
		}, (*object).readScaledObject},
		{"VerticalPodAutoscaler", []string{"autoscaling.k8s.io/v1"}, map[string]string{
			"autoscaling.k8s.io/v1beta2": "it is deprecated, and autoscaling.k8s.io/v1 has the same fields",
			"autoscaling.k8s.io/v1beta1": "it is gone, and autoscaling.k8s.io/v1 has targetRef where it has selector",
		}, (*object).readVPA},
		{"PredictiveHorizontalPodAutoscaler", []string{"jamiethompson.me/v1alpha1"}, nil, (*object).readPHPA},
		{"Deployment", []string{"apps/v1"}, apps, (*object).readWorkload},
		{"StatefulSet", []string{"apps/v1"}, apps, (*object).readWorkload},
	}
}

func kindNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// object is one object while it is read.
type object struct {
	r       *reader
	doc     *document
	root    path           // where it is in its document, below a List
	value   map[string]any // its fields
	meta    Object
	badness int // mistakes found
}

// document reads the object or the list of a document.
func (r *reader) document(d *document) {
	clean := true
	duplicates(d.node, nil, func(p path, again *yaml.Node, first int) {
		clean = false
		r.failf(d.file, d.before+again.Line, "%s: the key is there already, in line %d: leave one of them", p, d.before+first)
	})
	if clean {
		r.object(d, nil, d.value, "", "")
	}
}

// object reads one object; apiVersion and kind hold where it does not say them itself, as in typed lists.
func (r *reader) object(d *document, root path, value any, apiVersion, kindName string) {
	if value == nil {
		return
	}
	o := &object{r: r, doc: d, root: root}
	fields, ok := value.(map[string]any)
	if !ok {
		o.errorf(nil, "%s is not a Kubernetes object: write each object as a document with apiVersion and kind", show(value))
		return
	}
	o.value = fields
	line, _ := d.find(root)
	o.meta = Object{Source: Source{d.file, line}, APIVersion: apiVersion, Kind: kindName}
	if !o.header() {
		return
	}
	if isList(o.meta.Kind, fields) {
		o.unfold()
		return
	}
	for _, k := range kinds() {
		if k.name == o.meta.Kind && !foreign(o.meta.APIVersion, slices.Concat(k.versions, keys(k.old))) {
			if o.version(&k) {
				k.read(o)
			}
			return
		}
	}
	// A kind of the same name that is not read is somebody else's.
	if near := nearest(o.meta.Kind, kindNames(), 2); near != "" && near != o.meta.Kind {
		unknown := o.meta.Kind
		o.meta.Kind = ""
		o.errorf(path{"kind"}, "%q: unknown; did you mean %q?", unknown, near)
		return
	}
	r.set.Skipped = append(r.set.Skipped, Skipped{o.meta.Source, o.meta.APIVersion, o.meta.Kind, o.meta.Namespace, o.meta.Name})
}

// header reads apiVersion, kind, and the name as far as messages need it.
func (o *object) header() bool {
	for _, f := range []struct {
		key string
		to  *string
	}{{"apiVersion", &o.meta.APIVersion}, {"kind", &o.meta.Kind}} {
		switch v := o.value[f.key].(type) {
		case string:
			*f.to = v
		case nil:
		default:
			o.errorf(path{f.key}, "%s: must be text", show(v))
			return false
		}
	}
	if meta, ok := o.value["metadata"].(map[string]any); ok {
		o.meta.Name, _ = meta["name"].(string)
		o.meta.Namespace, _ = meta["namespace"].(string)
	}
	if o.meta.Kind == "" && strings.HasPrefix(filepath.Base(o.doc.file), "kustomization.") {
		o.meta.Kind = "Kustomization" // may be left out in a file of this name
	}
	if o.meta.Kind == "" || o.meta.APIVersion == "" && o.meta.Kind != "Kustomization" {
		o.headless()
		return false
	}
	return true
}

// headless reports an object without kind or apiVersion.
func (o *object) headless() {
	missing, hint := "kind", "if this is no manifest, such as the values of a chart, move it out of the folder"
	if o.meta.Kind != "" {
		missing, hint = "apiVersion", "look it up with kubectl explain "+strconv.Quote(o.meta.Kind)
		for _, k := range kinds() {
			if k.name == o.meta.Kind {
				hint = fmt.Sprintf("write %q", k.versions[0])
			}
		}
	}
	if near := nearest(missing, keys(o.value), 2); near == missing {
		hint = "it is empty"
	} else if near != "" {
		hint = fmt.Sprintf("it has %s: write %q", show(near), missing)
	}
	o.errorf(nil, "no %s: every Kubernetes object has one; %s", missing, hint)
}

// foreign reports whether an API version is of a group that has nothing to do with those of known versions, such as
// apps.kruise.io, which has a StatefulSet of its own.
func foreign(apiVersion string, known []string) bool {
	group, _, ok := strings.Cut(apiVersion, "/")
	var groups []string
	for _, v := range known {
		g, _, _ := strings.Cut(v, "/")
		groups = append(groups, g)
	}
	return ok && nearest(group, groups, 2) == ""
}

// version reports whether an object of a kind that is read has a version that is read.
func (o *object) version(k *kind) bool {
	v := o.meta.APIVersion
	if slices.Contains(k.versions, v) {
		return true
	}
	if why, ok := k.old[v]; ok {
		o.errorf(path{"apiVersion"}, "%q: not read: %s; write %q", v, why, k.versions[0])
		return false
	}
	o.errorf(path{"apiVersion"}, "%q: unknown for this kind; write %q", v, k.versions[0])
	return false
}

// isList reports whether an object is the generic list that kubectl writes or a typed one, such as DeploymentList.
func isList(name string, fields map[string]any) bool {
	_, items := fields["items"].([]any)
	return name == "List" || strings.HasSuffix(name, "List") && items
}

// unfold reads the items of a list.
func (o *object) unfold() {
	for _, key := range keys(o.value) {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata", "items"}, key) {
			o.errorf(path{key}, "unknown field; a list has apiVersion, kind, metadata and items")
		}
	}
	items, ok := o.value["items"].([]any)
	if !ok && o.value["items"] != nil {
		o.errorf(path{"items"}, "%s: must be a list", show(o.value["items"]))
	}
	apiVersion, item := "", strings.TrimSuffix(o.meta.Kind, "List")
	if item != "" {
		apiVersion = o.meta.APIVersion
	}
	for i, v := range items {
		o.r.object(o.doc, o.root.at("items", i), v, apiVersion, item)
	}
}

// errorf reports a mistake at p, with what is known about where it is.
func (o *object) errorf(p path, format string, args ...any) {
	o.badness++
	line, _ := o.doc.find(o.root.at(p...))
	o.r.failf(o.doc.file, line, "%s%s", o.where(p), fmt.Sprintf(format, args...))
}

// given reports whether the document has something at p.
func (o *object) given(p path) bool {
	_, n := o.doc.find(o.root.at(p...))
	return n != nil
}

// written returns the text of a scalar as it stands in the document.
func (o *object) written(p path) string {
	if _, n := o.doc.find(o.root.at(p...)); n != nil {
		return n.Value
	}
	return ""
}

func (o *object) where(p path) string {
	var parts []string
	if o.meta.Kind != "" {
		parts = append(parts, label(o.meta.Kind, o.meta.Name))
	}
	if len(p) > 0 {
		parts = append(parts, p.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ": ") + ": "
}

// warnf notes what a cluster accepts but a simulation does not follow.
func (o *object) warnf(p path, format string, args ...any) {
	o.meta.Warnings = append(o.meta.Warnings, fmt.Sprintf("%s: %s", p, fmt.Sprintf(format, args...)))
}

// decode checks the fields of o against T and fills one. The status, which a cluster writes, is not looked at.
func decode[T any](o *object) (*T, bool) {
	fields := map[string]any{}
	for k, v := range o.value {
		if k != "status" {
			fields[k] = v
		}
	}
	// Fields that a list gives for all of its items are as if written in each.
	fields["apiVersion"], fields["kind"] = o.meta.APIVersion, o.meta.Kind
	o.structure(fields, reflect.TypeFor[T](), nil)
	if o.badness > 0 {
		return nil, false
	}
	to := new(T)
	data, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		o.errorf(nil, "%s", strings.Join(strings.Fields(err.Error()), " "))
		return nil, false
	}
	return to, true
}

// metadata takes over what all objects have. Names are validated as Kubernetes does for all kinds that are read.
func (o *object) metadata(m *metav1.ObjectMeta) {
	o.meta.Name, o.meta.Namespace, o.meta.Annotations = m.Name, m.Namespace, m.Annotations
	switch {
	case m.Name == "" && m.GenerateName != "":
		o.errorf(path{"metadata", "generateName"}, "%q: objects need a name that stays; write metadata.name", m.GenerateName)
	case m.Name == "":
		o.errorf(path{"metadata", "name"}, "missing: give the object a name")
	case len(validation.IsDNS1123Subdomain(m.Name)) > 0:
		o.errorf(path{"metadata", "name"}, "%s: "+subdomain, show(m.Name))
	}
	if m.Namespace != "" && len(validation.IsDNS1123Label(m.Namespace)) > 0 {
		o.errorf(path{"metadata", "namespace"}, "%s: "+dnsLabel, show(m.Namespace))
	}
}

const (
	subdomain = "must be lower case letters, digits, - and ., at most 253"
	dnsLabel  = "must be lower case letters, digits and -, at most 63"
)

// target checks a reference to an object.
func (o *object) target(p path, t Target) Target {
	for _, f := range []struct{ key, value string }{{"kind", t.Kind}, {"name", t.Name}} {
		if f.value == "" {
			o.errorf(p.at(f.key), "missing: name the object that is meant by kind and name")
		}
	}
	if t.Name != "" && len(validation.IsDNS1123Subdomain(t.Name)) > 0 {
		o.errorf(p.at("name"), "%s: "+subdomain, show(t.Name))
	}
	return t
}

// group checks that the reference of an autoscaler has the group that its kind belongs to, as otherwise a cluster
// does not find it.
func (o *object) group(p path, t Target) {
	switch {
	case t.Kind != "Deployment" && t.Kind != "StatefulSet":
		if near := nearest(t.Kind, []string{"Deployment", "StatefulSet"}, 2); near != "" {
			o.errorf(p.at("kind"), "%q: unknown; did you mean %q?", t.Kind, near)
		}
	case t.APIVersion == "":
		o.warnf(p.at("apiVersion"), "missing: a cluster finds no %s without %q", t.Kind, "apps/v1")
	case t.APIVersion != "apps/v1" && !foreign(t.APIVersion, []string{"apps/v1", "extensions/v1beta1"}):
		o.errorf(p.at("apiVersion"), "%q: %ss are of %q", t.APIVersion, t.Kind, "apps/v1")
	}
}
