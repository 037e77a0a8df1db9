package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

const metadataKey = "__metadata__"

var _ io.WriterTo = (*File)(nil)

// WriteTo writes the file: arrays in the order in which they were added, metadata sorted by key.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	header, err := f.header()
	if err != nil {
		return 0, err
	}
	c := &counter{w: w}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(header)))
	c.write(length[:])
	c.write(header)
	buf := make([]byte, 0, chunk)
	for i := range f.tensors {
		buf = f.tensors[i].writeTo(c, buf)
	}
	return c.n, c.err
}

// chunk is how many bytes are encoded at a time.
const chunk = 1 << 16

type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) write(p []byte) {
	if c.err != nil {
		return
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
}

// header is the JSON header, padded with spaces so that the arrays start at a multiple of 8 bytes.
func (f *File) header() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	field := func(key string, value any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return fmt.Errorf("encoding %q: %w", key, err)
		}
		v, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encoding %q: %w", key, err)
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
		return nil
	}
	if len(f.Metadata) > 0 {
		// encoding/json sorts the keys of a map.
		if err := field(metadataKey, maps.Clone(f.Metadata)); err != nil {
			return nil, err
		}
	}
	offset := 0
	for i := range f.tensors {
		t := &f.tensors[i]
		n, _ := numel(t.shape)
		end := offset + n*widths[t.dtype]
		shape := t.shape
		if shape == nil {
			shape = []int{}
		}
		if err := field(t.name, entry{DType: t.dtype, Shape: shape, Offsets: [2]int{offset, end}}); err != nil {
			return nil, err
		}
		offset = end
	}
	b.WriteByte('}')
	for (8+b.Len())%8 != 0 {
		b.WriteByte(' ')
	}
	return b.Bytes(), nil
}

// entry is what the header says of one array.
type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

func (t *tensor) writeTo(c *counter, buf []byte) []byte {
	switch v := t.values.(type) {
	case nil:
		c.write(t.data)
	case []uint8:
		c.write(v)
	case []float32:
		buf = encode(c, buf, v, 4, func(b []byte, x float32) []byte {
			return binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		})
	case []float64:
		buf = encode(c, buf, v, 8, func(b []byte, x float64) []byte {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		})
	case []int64:
		buf = encode(c, buf, v, 8, func(b []byte, x int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(x)) })
	case []int32:
		buf = encode(c, buf, v, 4, func(b []byte, x int32) []byte { return binary.LittleEndian.AppendUint32(b, uint32(x)) })
	case []bool:
		buf = encode(c, buf, v, 1, func(b []byte, x bool) []byte {
			if x {
				return append(b, 1)
			}
			return append(b, 0)
		})
	}
	return buf
}

// encode writes values a chunk at a time.
func encode[T any](c *counter, buf []byte, values []T, width int, put func([]byte, T) []byte) []byte {
	for part := range slices.Chunk(values, chunk/width) {
		buf = buf[:0]
		for _, x := range part {
			buf = put(buf, x)
		}
		c.write(buf)
	}
	return buf
}
