package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// structure compares a value with a Go type that Kubernetes decodes it into and reports every field that the type does
// not have and every value of another type. It is what the API server's strict field validation finds, but all of it
// at once and with the path of each: decoders stop at the first.
func (o *object) structure(v any, t reflect.Type, p path) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v == nil {
		return // null is "not given"
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		o.custom(v, t, p)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		o.fields(v, t, p)
	case reflect.Map:
		m, ok := v.(map[string]any)
		if !ok {
			o.errorf(p, "%s: must be a mapping", show(v))
			return
		}
		for _, k := range keys(m) {
			o.structure(m[k], t.Elem(), p.at(k))
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			o.scalar(v, reflect.TypeFor[string](), p) // base64
			return
		}
		list, ok := v.([]any)
		if !ok {
			o.errorf(p, "%s: must be a list", show(v))
			return
		}
		for i := range list {
			o.structure(list[i], t.Elem(), p.at(i))
		}
	default:
		o.scalar(v, t, p)
	}
}

// fields checks the fields of a struct in the order of their names.
func (o *object) fields(v any, t reflect.Type, p path) {
	m, ok := v.(map[string]any)
	if !ok {
		o.errorf(p, "%s: must be a mapping", show(v))
		return
	}
	known := map[string]reflect.Type{}
	fieldsOf(t, known)
	for _, k := range keys(m) {
		if ft, ok := known[k]; ok {
			o.structure(m[k], ft, p.at(k))
			continue
		}
		o.errorf(p.at(k), "unknown field; %s", o.fieldHint(k, keys(known)))
	}
}

// fieldsOf collects the names that encoding/json gives to the fields of t. Kubernetes writes "inline" on embedded
// structs, which encoding/json does by itself.
func fieldsOf(t reflect.Type, to map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && f.Anonymous:
			fieldsOf(f.Type, to)
		case name == "":
			to[f.Name] = f.Type
		default:
			to[name] = f.Type
		}
	}
}

// renamed has, for each kind, fields of older versions of its API that are too far from their new names to be taken for
// misspelled.
var renamed = map[string]map[string]string{
	"HorizontalPodAutoscaler": {
		"targetCPUUtilizationPercentage": "autoscaling/v2 has metrics: " +
			"[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: N}}}]",
		"targetAverageUtilization": "autoscaling/v2 has target: {type: Utilization, averageUtilization: N}",
		"targetAverageValue":       "autoscaling/v2 has target: {type: AverageValue, averageValue: N}",
		"targetValue":              "autoscaling/v2 has target: {type: Value, value: N}",
		"metricName":               "autoscaling/v2 has metric: {name: N}",
		"metricSelector":           "autoscaling/v2 has metric: {name: N, selector: S}",
	},
	"ScaledObject": {
		"deploymentName": "KEDA 2 has name",
		"containerName":  "KEDA 2 has envSourceContainerName",
		"minReplicas":    "a ScaledObject has minReplicaCount",
		"maxReplicas":    "a ScaledObject has maxReplicaCount",
	},
	"VerticalPodAutoscaler": {"scaleTargetRef": "a VerticalPodAutoscaler has targetRef"},
	"PredictiveHorizontalPodAutoscaler": {
		"downscaleStabilization": "it has behavior: {scaleDown: {stabilizationWindowSeconds: N}}",
		"perInterval":            "it has perSyncPeriod",
		"interval":               "it has syncPeriod, in milliseconds",
		"method":                 "it has trend and seasonal",
	},
}

// release is the version of Kubernetes whose types objects are checked against.
const release = "1.35"

// maxListed is up to how many fields a message lists.
const maxListed = 12

// fieldHint says what to write instead of an unknown field.
func (o *object) fieldHint(key string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, key) {
			return fmt.Sprintf("names are case-sensitive: write %q", k)
		}
	}
	if hint, ok := renamed[o.meta.Kind][key]; ok {
		return hint
	}
	if near := nearest(key, known, 1+len(key)/4); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) > maxListed {
		return "Kubernetes " + release + " does not have it here: remove it, or look up where it belongs (kubectl explain)"
	}
	return "allowed are " + strings.Join(known, ", ")
}

// custom checks a value whose type has a decoder of its own.
func (o *object) custom(v any, t reflect.Type, p path) {
	if t == reflect.TypeFor[resource.Quantity]() {
		switch q := v.(type) {
		case json.Number:
			v = q.String()
		case string:
		default:
			o.errorf(p, "%s: must be a quantity such as 250m, 0.5 or 64Mi", show(v))
			return
		}
		if _, err := parseQuantity(v.(string)); err != nil {
			o.errorf(p, "%s: %v", show(v), err)
		}
		return
	}
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, reflect.New(t).Interface())
	}
	switch {
	case err == nil:
	case t == reflect.TypeFor[metav1.Time]():
		o.errorf(p, "%s: must be a time such as 2006-01-02T15:04:05Z", show(v))
	default:
		o.errorf(p, "%s: %s", show(v), strings.Join(strings.Fields(err.Error()), " "))
	}
}

// scalar checks text, whole numbers and booleans; Kubernetes converts none into another.
func (o *object) scalar(v any, t reflect.Type, p path) {
	number, isNumber := v.(json.Number)
	text, isText := v.(string)
	_, isBool := v.(bool)
	switch t.Kind() {
	case reflect.String:
		if isNumber || isBool {
			text := o.written(p) // such as an unquoted Off, which is false
			if text == "" {
				text = show(v)
			}
			o.errorf(p, "%s: must be text: put it in quotes", text)
		} else if !isText {
			o.errorf(p, "%s: must be text", show(v))
		}
	case reflect.Bool:
		if !isBool {
			o.errorf(p, "%s: must be true or false, without quotes", show(v))
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		_, err := strconv.ParseInt(number.String(), 10, t.Bits())
		_, quoted := strconv.ParseInt(text, 10, t.Bits())
		switch {
		case isText && quoted == nil:
			o.errorf(p, "%s: must be a number: write it without quotes", show(v))
		case !isNumber || err != nil:
			o.errorf(p, "%s: must be a whole number of at most %d bits", show(v), t.Bits())
		}
	case reflect.Float64:
		if _, err := number.Float64(); !isNumber || err != nil {
			o.errorf(p, "%s: must be a number", show(v))
		}
	}
}

// maxShown is how many letters of a value a message has.
const maxShown = 60

// show writes a value for a message, on one line.
func show(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		if r := []rune(v); len(r) > maxShown {
			v = string(r[:maxShown]) + "..."
		}
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}

// keys returns the keys of a map in order.
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// nearest returns the candidate that differs least from word, if it differs in at most most letters.
func nearest(word string, candidates []string, most int) string {
	best, distance := "", most+1
	for _, c := range candidates {
		if d := edits(word, c, distance); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// edits is the Levenshtein distance of two words without regard to case; bound where it is not below it.
func edits(a, b string, bound int) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound {
		return bound
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], bound)
}
