package gnn

// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/sugarme/gotch/libtch"
)

// DType is libtorch's number for an element type.
type DType int32

// The element types in use. The numbers are those of c10::ScalarType.
const (
	Int64   DType = 4
	Float32 DType = 6
	Float64 DType = 7
	Bool    DType = 11
)

// size returns the bytes of one element, 0 for a type that this package does not use.
func (d DType) size() int {
	switch d {
	case Int64, Float64:
		return 8
	case Float32:
		return 4
	case Bool:
		return 1
	}
	return 0
}

func (d DType) String() string {
	switch d {
	case Int64:
		return "int64"
	case Float32:
		return "float32"
	case Float64:
		return "float64"
	case Bool:
		return "bool"
	}
	return fmt.Sprintf("dtype %d", int32(d))
}

// cpu is gotch's number for the CPU device.
const cpu = -1

// Tensor is a handle on a libtorch tensor. Handles are small values: copying one copies no data and
// owns nothing. Who frees the tensor is the Scope that made it; using a handle after that scope was
// closed is a programmer's mistake with undefined result. The zero Tensor means "none".
type Tensor struct{ c libtch.Ctensor }

// IsNone reports whether t is the zero Tensor: no result (an earlier error) or an absent argument.
func (t Tensor) IsNone() bool { return t.c == nil }

// Shape returns the sizes of all dimensions; nil for none.
func (t Tensor) Shape() []int64 {
	if t.c == nil {
		return nil
	}
	shape := make([]int64, libtch.AtDim(t.c))
	if len(shape) > 0 {
		libtch.AtShape(t.c, unsafe.Pointer(&shape[0]))
	}
	return shape
}

// Numel returns the number of elements; 0 for none.
func (t Tensor) Numel() int {
	if t.c == nil {
		return 0
	}
	n := 1
	for _, d := range t.Shape() {
		n *= int(d)
	}
	return n
}

// DType returns the element type.
func (t Tensor) DType() DType {
	if t.c == nil {
		return -1
	}
	return DType(libtch.AtScalarType(t.c))
}

// RequiresGrad reports whether gradients flow into t.
func (t Tensor) RequiresGrad() bool {
	return t.c != nil && libtch.AtRequiresGrad(t.c)
}

// float32s returns the memory of t as a Go slice without copying. t must be contiguous float32 and
// outlive every use of the slice.
func (t Tensor) float32s(n int) []float32 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(libtch.AtDataPtr(t.c)), n)
}

// lastError takes libtorch's message of the last failed call on this thread, nil if there is none.
// The message is cut to its first sentence: what follows are C++ stack frames.
func lastError() error {
	p := (*C.char)(unsafe.Pointer(libtch.GetAndResetLastErr()))
	if p == nil {
		return nil
	}
	msg := C.GoString(p)
	C.free(unsafe.Pointer(p))
	for _, cut := range []string{"\nException raised from", "\nDebug info", "\n"} {
		if i := strings.Index(msg, cut); i > 0 {
			msg = msg[:i]
		}
	}
	return errors.New(strings.TrimSpace(msg))
}

// freeC frees memory that libtorch's C interface allocated with malloc.
func freeC(p unsafe.Pointer) { C.free(p) }
