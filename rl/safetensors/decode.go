package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Decode reads a file from its bytes and keeps them: data must not change while the file is in use. Every byte
// must belong to the header or to exactly one array, in the order of the header.
func Decode(data []byte) (*File, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("not a safetensors file: %d bytes are too few", len(data))
	}
	length := binary.LittleEndian.Uint64(data)
	if length > uint64(len(data)-8) {
		return nil, fmt.Errorf("not a safetensors file, or cut off: its header wants %d bytes and %d are left", length, len(data)-8)
	}
	f := New()
	body := data[8+length:]
	end, err := f.decodeHeader(data[8:8+length], body)
	if err != nil {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	if end != len(body) {
		return nil, fmt.Errorf("%d bytes follow the last array", len(body)-end)
	}
	return f, nil
}

// decodeHeader walks the header's keys in order, which a map would lose, and returns where the last array ends.
func (f *File) decodeHeader(header, body []byte) (int, error) {
	d := json.NewDecoder(bytes.NewReader(header))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return 0, fmt.Errorf("no JSON object")
	}
	end := 0
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return 0, err
		}
		name := t.(string) // the decoder accepts nothing else as a key
		if name == metadataKey {
			if len(f.Metadata) > 0 {
				return 0, fmt.Errorf("two tables of metadata")
			}
			if err := d.Decode(&f.Metadata); err != nil {
				return 0, fmt.Errorf("metadata: %w", err)
			}
			continue
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return 0, fmt.Errorf("array %q: %w", name, err)
		}
		if err := f.addEntry(name, e, end, body); err != nil {
			return 0, fmt.Errorf("array %q: %w", name, err)
		}
		end = e.Offsets[1]
	}
	if _, err := d.Token(); err != nil {
		return 0, err
	}
	if _, err := d.Token(); err != io.EOF {
		return 0, fmt.Errorf("more than one JSON value")
	}
	return end, nil
}

func (f *File) addEntry(name string, e entry, start int, body []byte) error {
	width, known := widths[e.DType]
	n, fits := numel(e.Shape)
	switch {
	case f.Has(name):
		return fmt.Errorf("there are two of it")
	case !known:
		return fmt.Errorf("element type %q is not one of F32, F64, I64, I32, U8, BOOL", e.DType)
	case !fits:
		return fmt.Errorf("shape %v is impossible", e.Shape)
	case e.Offsets[0] != start:
		return fmt.Errorf("starts at byte %d; the array before it ends at %d", e.Offsets[0], start)
	case e.Offsets[1]-e.Offsets[0] != n*width:
		return fmt.Errorf("has %d bytes; shape %v of %s needs %d", e.Offsets[1]-e.Offsets[0], e.Shape, e.DType, n*width)
	case e.Offsets[1] > len(body):
		return fmt.Errorf("ends at byte %d; the file is cut off at %d", e.Offsets[1], len(body))
	}
	f.index[name] = len(f.tensors)
	f.tensors = append(f.tensors, tensor{name: name, dtype: e.DType, shape: e.Shape, data: body[e.Offsets[0]:e.Offsets[1]]})
	return nil
}

func decodeInto[T Element](dst []T, t *tensor) error {
	switch dst := any(dst).(type) {
	case []uint8:
		copy(dst, t.data)
	case []float32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.data[4*i:]))
		}
	case []float64:
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.data[8*i:]))
		}
	case []int64:
		for i := range dst {
			dst[i] = int64(binary.LittleEndian.Uint64(t.data[8*i:]))
		}
	case []int32:
		for i := range dst {
			dst[i] = int32(binary.LittleEndian.Uint32(t.data[4*i:]))
		}
	case []bool:
		for i := range dst {
			if t.data[i] > 1 {
				return fmt.Errorf("array %q: element %d is %d; 0 or 1 is needed", t.name, i, t.data[i])
			}
			dst[i] = t.data[i] == 1
		}
	}
	return nil
}
