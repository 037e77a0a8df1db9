package safetensors

import (
	"fmt"
	"slices"
)

// Element is an element type that an array may have.
type Element interface {
	float32 | float64 | int64 | int32 | uint8 | bool
}

// dtype returns the format's name of an element type and the bytes of one element.
func dtype[T Element]() (string, int) {
	var zero T
	switch any(zero).(type) {
	case float32:
		return "F32", 4
	case float64:
		return "F64", 8
	case int64:
		return "I64", 8
	case int32:
		return "I32", 4
	case uint8:
		return "U8", 1
	case bool:
		return "BOOL", 1
	}
	panic(fmt.Sprintf("safetensors: element type %T", zero))
}

var widths = map[string]int{"F32": 4, "F64": 8, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}

// File is the contents of one safetensors file.
type File struct {
	Metadata map[string]string
	tensors  []tensor
	index    map[string]int
}

type tensor struct {
	name, dtype string
	shape       []int
	values      any    // a slice of the element type, when it was added
	data        []byte // its encoding, when it was decoded
}

// New returns an empty file.
func New() *File { return &File{Metadata: map[string]string{}, index: map[string]int{}} }

// Names returns the names of all arrays in the order of the file.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.name
	}
	return names
}

// Has reports whether the file holds an array of that name.
func (f *File) Has(name string) bool { _, ok := f.index[name]; return ok }

// Shape returns the shape of an array, nil if there is none of that name.
func (f *File) Shape(name string) []int {
	i, ok := f.index[name]
	if !ok {
		return nil
	}
	return slices.Clone(f.tensors[i].shape)
}

// Add puts an array into the file, without copying it: values must not change until the file is written. A
// shape of no dimensions is a scalar. It panics on a name that was used before, and on a shape that does not fit.
func Add[T Element](f *File, name string, shape []int, values []T) {
	if f.Has(name) || name == metadataKey {
		panic("safetensors: array " + name + " was added before")
	}
	if n, ok := numel(shape); !ok || n != len(values) {
		panic(fmt.Sprintf("safetensors: array %s has %d values and shape %v", name, len(values), shape))
	}
	kind, _ := dtype[T]()
	f.index[name] = len(f.tensors)
	f.tensors = append(f.tensors, tensor{name: name, dtype: kind, shape: slices.Clone(shape), values: values})
}

// Get copies an array of a decoded file into dst, which must have the array's shape and element type.
func Get[T Element](f *File, name string, shape []int, dst []T) error {
	i, ok := f.index[name]
	if !ok {
		return fmt.Errorf("array %q is missing", name)
	}
	t := &f.tensors[i]
	kind, _ := dtype[T]()
	if t.dtype != kind {
		return fmt.Errorf("array %q holds %s; %s is needed", name, t.dtype, kind)
	}
	if !slices.Equal(t.shape, shape) {
		return fmt.Errorf("array %q has shape %v; %v is needed", name, t.shape, shape)
	}
	if n, _ := numel(shape); n != len(dst) {
		panic(fmt.Sprintf("safetensors: %d places for array %s of shape %v", len(dst), name, shape))
	}
	if t.values != nil {
		copy(dst, t.values.([]T))
		return nil
	}
	return decodeInto(dst, t)
}

// GetSlice returns an array of one dimension, whatever its length.
func GetSlice[T Element](f *File, name string) ([]T, error) {
	shape := f.Shape(name)
	if f.Has(name) && len(shape) != 1 {
		return nil, fmt.Errorf("array %q has shape %v; one dimension is needed", name, shape)
	}
	n, _ := numel(shape)
	dst := make([]T, n)
	return dst, Get(f, name, shape, dst)
}

// numel is the number of elements of a shape; false where it is negative or overflows.
func numel(shape []int) (int, bool) {
	n := 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > maxElements/d) {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// maxElements bounds an array, so that its bytes can be counted in an int64.
const maxElements = 1 << 56
