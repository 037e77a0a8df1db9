package gotchfit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wrapperSource has each form of function that gotch's C++ files have.
const wrapperSource = `#include "api.h"
vector<Tensor> of_carray(Tensor **vs, int len) {
  return {};
}

void at_one_line(tensor t) { PROTECT(t->one();) }

tensor at_many_lines(void *data, int64_t *dims,
                     size_t ndims) {
  PROTECT(
    if (ndims) { return nullptr; }
  )
  return nullptr;
}

tensor *atg_pointer(tensor self) {
  PROTECT(return nullptr;)
  return nullptr;
}

void atg_declared(tensor *, tensor self);

template <typename T>
T at_template(tensor t) {
  return T();
}

int64_t ats_to_int(scalar s) {
  return 1;
}
int ato_last(optimizer t) { return 0; }`

func TestParseWrappers(t *testing.T) {
	type found struct {
		Name, Result string
		First, Last  int
	}
	want := []found{
		{"at_one_line", "void", 6, 6},
		{"at_many_lines", "tensor", 8, 14},
		{"atg_pointer", "tensor *", 16, 19},
		// A template's errors lie here too; it is not C, but it can throw.
		{"at_template", "T", 24, 26},
		{"ats_to_int", "int64_t", 28, 30},
		{"ato_last", "int", 31, 31},
	}
	var got []found
	for _, w := range parseWrappers(wrapperSource) {
		got = append(got, found{w.name, w.result, w.first, w.last})
		if body := wrapperSource[w.open:w.end]; body[0] != '{' || body[len(body)-1] != '}' {
			t.Errorf("%s: body is %q", w.name, body)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wrappers (-want +got):\n%s", diff)
	}
}

func TestDisableReplacesNamedBodiesOnly(t *testing.T) {
	got := disable(wrapperSource, map[string]bool{"at_one_line": true, "atg_pointer": true, "of_carray": true})
	want := strings.NewReplacer(
		"{ PROTECT(t->one();) }",
		"{\n  PROTECT(throw std::runtime_error(\"at_one_line: not available in this libtorch\");)\n}",
		"atg_pointer(tensor self) {\n  PROTECT(return nullptr;)\n  return nullptr;\n}",
		"atg_pointer(tensor self) {\n  PROTECT(throw std::runtime_error(\"atg_pointer: not available in this libtorch\");)\n  return {};\n}",
	).Replace(wrapperSource)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again := disable(got, map[string]bool{"at_one_line": true, "atg_pointer": true}); again != got {
		t.Errorf("disabling twice changes the text again:\n%s", cmp.Diff(got, again))
	}
}
