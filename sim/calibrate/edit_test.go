package calibrate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const editInput = `# head
services:
  - name: a # Go, "the" first

    operations:
      - name: x
        cpu_ms: 2.3
        wake_ms: 0.5 # rec: 0.5 at low load
      - {name: y, cpu_ms: 0.38, wait_ms: 1} # rec
      - {name: z, cpu_ms: 7}
  - name: "b # no comment"
    startup: {fixed_s: 2, cpu_ms: 12}
  - name: c
    mem: 1
`

const editWant = `# head
services:
  - name: a # Go, "the" first

    operations:
      - name: x
        cpu_ms: 2.31 # fitted: 2.31 +- 0.05 (was 2.3)
        wait_ms: 4 # fitted: 4 +- 1 (was 0)
        wake_ms: 0.4 # fitted: 0.4 +- 0.1 (was 0.5); rec: 0.5 at low load
      - {name: y, cpu_ms: 0.40, wake_ms: 0.2, wait_ms: 1.1} # fitted: cpu_ms 0.40 +- 0.02 (was 0.38), wake_ms 0.2 +- 0.1 (was 0), wait_ms 1.1 +- 0.2 (was 1); rec
      - {name: z, cpu_ms: 7, wake_ms: 1, wait_ms: 2} # fitted: wake_ms 1 +- 0.1 (was 0), wait_ms 2 +- 0.1 (was 0)
  - name: "b # no comment"
    startup: {fixed_s: 2, cpu_ms: 13} # fitted: startup.cpu_ms 13 +- 2 (was 12)
  - name: c
    mem: 1
    startup: {cpu_ms: 290} # fitted: 290 +- 10 (was 0)
`

func edited(t *testing.T, data string, cpuX string) string {
	t.Helper()
	e, err := newEditor("app.yaml", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	op := func(s, o int) []any { return []any{"services", s, "operations", o} }
	after := []string{"cpu_ms", "name"}
	for _, c := range []struct {
		path     []any
		key, sub string
		n        note
	}{
		{op(0, 0), "cpu_ms", "", note{value: cpuX, se: "0.05", was: "2.3"}},
		{op(0, 0), "wake_ms", "", note{value: "0.4", se: "0.1", was: "0.5"}},
		{op(0, 0), "wait_ms", "", note{value: "4", se: "1", was: "0"}},
		{op(0, 1), "cpu_ms", "", note{value: "0.40", se: "0.02", was: "0.38"}},
		{op(0, 1), "wake_ms", "", note{value: "0.2", se: "0.1", was: "0"}},
		{op(0, 1), "wait_ms", "", note{value: "1.1", se: "0.2", was: "1"}},
		{op(0, 2), "wake_ms", "", note{value: "1", se: "0.1", was: "0"}},
		{op(0, 2), "wait_ms", "", note{value: "2", se: "0.1", was: "0"}},
		{[]any{"services", 1}, "startup", "cpu_ms", note{value: "13", se: "2", was: "12"}},
		{[]any{"services", 2}, "startup", "cpu_ms", note{value: "290", se: "10", was: "0"}},
	} {
		if err := e.set(c.path, c.key, c.sub, append([]string{"mem"}, after...), c.n); err != nil {
			t.Fatal(err)
		}
	}
	return string(e.bytes())
}

// Everything but the numbers and their notes stays as it is, and doing it again gives the same bytes.
func TestEdit(t *testing.T) {
	once := edited(t, editInput, "2.31")
	if d := cmp.Diff(editWant, once); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(once, edited(t, once, "2.31")); d != "" {
		t.Error("a second time:", d)
	}
}

// A note on another number of the same line is kept, one on the same number is replaced.
func TestNotesAreKept(t *testing.T) {
	line := "- {name: y, cpu_ms: 0.40, wait_ms: 1.1} # fitted: cpu_ms 0.40 +- 0.02 tied (was 0.38), wait_ms 1.1 +- 0.2 (was 1); rec"
	got := withNotes(line, []note{{"wait_ms", "1.2", "0.1", "1.1", false}})
	want := "- {name: y, cpu_ms: 0.40, wait_ms: 1.1} # fitted: wait_ms 1.2 +- 0.1 (was 1.1), cpu_ms 0.40 +- 0.02 tied (was 0.38); rec"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEditRefuses(t *testing.T) {
	e, err := newEditor("app.yaml", []byte("a:\n  b: \"1\"\n  c: &x 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"b": "app.yaml:2: cannot be changed where it stands; write a plain value on one line",
		"c": "app.yaml:3: cannot be changed where it stands; write a plain value on one line",
		"d": "app.yaml:2: d: there is no place for it; add d: 0 by hand",
	} {
		if err := e.set([]any{"a"}, key, "", nil, note{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", key, err, want)
		}
	}
}

func TestRounded(t *testing.T) {
	for _, tc := range []struct {
		v, se       float64
		value, wide string
	}{
		{2.3123, 0.0532, "2.31", "0.05"},
		{2.3123, 0.0312, "2.312", "0.031"},
		{0.000123, 0.00002, "0.000123", "0.000020"},
		{1234, 120, "1230", "120"},
		{1234, 50, "1230", "50"},
		{0, 0.1, "0.00", "0.10"},
		{2.34567, 0, "2.346", "0"},
	} {
		if v, e := rounded(tc.v, tc.se); v != tc.value || e != tc.wide {
			t.Errorf("rounded(%v, %v) = %s, %s, want %s, %s", tc.v, tc.se, v, e, tc.value, tc.wide)
		}
	}
}
