package gotchfit

import (
	"fmt"
	"strings"
)

// additionsGo is a file added to gotch's package libtch: what its C side has
// and its Go side lacks, and at_adopt.
const additionsGo = `package libtch

// Added by grlscaler's gotchfit.

//#include "stdbool.h"
//#include "torch_api.h"
import "C"

// AtSetNumThreads sets how many threads one operation may use.
func AtSetNumThreads(n int) {
	C.at_set_num_threads(C.int(n))
}

// AtGetNumThreads returns how many threads one operation may use.
func AtGetNumThreads() int {
	return int(C.at_get_num_threads())
}

// AtSetNumInteropThreads sets how many operations may run side by side. It may
// be called once, before the first operation.
func AtSetNumInteropThreads(n int) {
	C.at_set_num_interop_threads(C.int(n))
}

// AtGetNumInteropThreads returns how many operations may run side by side.
func AtGetNumInteropThreads() int {
	return int(C.at_get_num_interop_threads())
}

// AtManualSeed seeds libtorch's own random numbers.
func AtManualSeed(seed int64) {
	C.at_manual_seed(C.int64_t(seed))
}

// AtAdopt frees one of two handles of a tensor and returns the other: held if
// both are of the same tensor, else fresh.
func AtAdopt(held, fresh Ctensor) Ctensor {
	return C.at_adopt(held, fresh)
}
`

// additionsCpp is appended to gotch's C++ file. A function there that changes
// a tensor in place returns a new handle of it; at_adopt frees that again, or
// the old one if the tensor is another.
const additionsCpp = `
tensor at_adopt(tensor held, tensor fresh) {
  if (fresh == nullptr || fresh == held) return held;
  if (held != nullptr && held->unsafeGetTensorImpl() == fresh->unsafeGetTensorImpl()) {
    delete fresh;
    return held;
  }
  delete held;
  return fresh;
}
`

const (
	additionsHeader = "tensor at_adopt(tensor held, tensor fresh);\n"
	// headerMark is the line of torch_api.h before which declarations go.
	headerMark = "#include \"torch_api_generated.h\"\n"
)

// add adds the C++ functions to gotch's files.
func add(files map[string]string) error {
	header := files["libtch/torch_api.h"]
	if !strings.Contains(header, headerMark) {
		return fmt.Errorf("gotch's torch_api.h lacks %q: an unknown version", strings.TrimSpace(headerMark))
	}
	files["libtch/torch_api.h"] = strings.Replace(header, headerMark, additionsHeader+headerMark, 1)
	files["libtch/"+wrapperMain] += additionsCpp
	return nil
}
