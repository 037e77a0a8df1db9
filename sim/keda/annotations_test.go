package keda

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAnnotations(t *testing.T) {
	const p = "autoscaling.keda.sh/"
	for _, c := range []struct {
		name string
		in   map[string]string
		want Annotations
		err  string
	}{
		{"none", nil, Annotations{}, ""},
		{"those of others", map[string]string{"kubectl.kubernetes.io/restartedAt": "x", "scaledobject.keda.sh/transfer-hpa-ownership": "true"}, Annotations{}, ""},
		{"paused", map[string]string{p + "paused": "true"}, Annotations{Paused: true}, ""},
		{"not paused", map[string]string{p + "paused": "false"}, Annotations{}, ""},
		{"not a boolean is true", map[string]string{p + "paused": "", p + "paused-scale-in": "until friday"}, Annotations{Paused: true, PausedScaleIn: true}, ""},
		{"all", map[string]string{
			p + "paused": "0", p + "paused-replicas": "3", p + "paused-scale-in": "1", p + "paused-scale-out": "t", p + "force-activation": "TRUE",
		}, Annotations{PausedReplicas: ptr(int32(3)), PausedScaleIn: true, PausedScaleOut: true, ForceActivation: true}, ""},
		{"paused at zero", map[string]string{p + "paused-replicas": "0"}, Annotations{PausedReplicas: ptr(int32(0))}, ""},
		{"negative count", map[string]string{p + "paused-replicas": "-1"}, Annotations{},
			`metadata.annotations[autoscaling.keda.sh/paused-replicas]: "-1": must be a whole number of replicas, at least 0`},
		{"no count", map[string]string{p + "paused-replicas": "two"}, Annotations{},
			`metadata.annotations[autoscaling.keda.sh/paused-replicas]: "two": must be a whole number of replicas, at least 0`},
		{"misspelt, and two mistakes", map[string]string{p + "pause": "true", p + "paused-replicas": ""}, Annotations{},
			`metadata.annotations["autoscaling.keda.sh/pause"]: unknown: must be autoscaling.keda.sh/ followed by paused, paused-replicas, paused-scale-in, paused-scale-out or force-activation
metadata.annotations[autoscaling.keda.sh/paused-replicas]: "": must be a whole number of replicas, at least 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseAnnotations(c.in)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (c.err == "") || (err != nil && err.Error() != c.err) {
				t.Errorf("error %v\nwant %s", err, c.err)
			}
		})
	}
}

func FuzzParseAnnotations(f *testing.F) {
	f.Add("autoscaling.keda.sh/paused", "true")
	f.Add("autoscaling.keda.sh/paused-replicas", "7")
	f.Add("autoscaling.keda.sh/paused-replicas", "99999999999")
	f.Add("autoscaling.keda.sh/\n", "x")
	f.Fuzz(func(t *testing.T, key, value string) {
		a, err := ParseAnnotations(map[string]string{key: value})
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %v", err)
		}
		if a.PausedReplicas != nil && *a.PausedReplicas < 0 {
			t.Errorf("paused at %d", *a.PausedReplicas)
		}
		if !strings.HasPrefix(key, annotationPrefix) && (err != nil || a != Annotations{}) {
			t.Errorf("%q is not ours: %+v, %v", key, a, err)
		}
	})
}
