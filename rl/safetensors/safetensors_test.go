package safetensors

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func sample() *File {
	f := New()
	f.Metadata["format"], f.Metadata["a"] = "7", "two\nlines \"quoted\""
	Add(f, "w", []int{2, 3}, []float32{1, -2.5, float32(math.Inf(1)), math.MaxFloat32, 0, 1e-45})
	Add(f, "count", []int{}, []float64{1e-4})
	Add(f, "empty", []int{0, 4}, []float32{})
	Add(f, "steps", []int{2}, []int64{math.MinInt64, math.MaxInt64})
	Add(f, "actions", []int{1}, []int32{-3})
	Add(f, "blob", []int{3}, []byte("abc"))
	Add(f, "mask", []int{2}, []bool{true, false})
	return f
}

func encoded(t *testing.T, f *File) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := f.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo gave %d, %v; %d bytes were written", n, err, b.Len())
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	data := encoded(t, sample())
	f, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float32, 6)
	if err := Get(f, "w", []int{2, 3}, w); err != nil || w[1] != -2.5 || w[5] != 1e-45 || !math.IsInf(float64(w[2]), 1) {
		t.Errorf("w = %v, %v", w, err)
	}
	count := make([]float64, 1)
	if err := Get(f, "count", []int{}, count); err != nil || count[0] != 1e-4 {
		t.Errorf("count = %v, %v", count, err)
	}
	if s, err := GetSlice[int64](f, "steps"); err != nil || s[0] != math.MinInt64 || s[1] != math.MaxInt64 {
		t.Errorf("steps = %v, %v", s, err)
	}
	if s, err := GetSlice[int32](f, "actions"); err != nil || s[0] != -3 {
		t.Errorf("actions = %v, %v", s, err)
	}
	if s, err := GetSlice[bool](f, "mask"); err != nil || !s[0] || s[1] {
		t.Errorf("mask = %v, %v", s, err)
	}
	if s, err := GetSlice[uint8](f, "blob"); err != nil || string(s) != "abc" {
		t.Errorf("blob = %q, %v", s, err)
	}
	if f.Metadata["a"] != "two\nlines \"quoted\"" {
		t.Errorf("metadata = %q", f.Metadata)
	}
	if again := encoded(t, f); !bytes.Equal(data, again) {
		t.Error("a decoded file is written as other bytes")
	}
	if (8+binary.LittleEndian.Uint64(data))%8 != 0 {
		t.Error("the arrays do not start at a multiple of 8 bytes")
	}
}

// The layout is fixed by the format, not by this package: a file written out by hand.
func TestKnownBytes(t *testing.T) {
	f := New()
	Add(f, "x", []int{2}, []float32{1, 2})
	header := `{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  `
	want := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	want = append(want, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40)
	if got := encoded(t, f); !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestLargeArraysAreWrittenInChunks(t *testing.T) {
	v := make([]float64, 3*chunk/8+5)
	for i := range v {
		v[i] = float64(i)
	}
	f := New()
	Add(f, "v", []int{len(v)}, v)
	back, err := Decode(encoded(t, f))
	if err != nil {
		t.Fatal(err)
	}
	got, err := GetSlice[float64](back, "v")
	if err != nil {
		t.Fatal(err)
	}
	for i := range v {
		if got[i] != v[i] {
			t.Fatalf("element %d is %v", i, got[i])
		}
	}
}

func file(header string, body int) []byte {
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	return append(data, make([]byte, body)...)
}

func TestDecodeRefuses(t *testing.T) {
	whole := encoded(t, sample())
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"nothing", "too few", nil},
		{"another format", "its header wants", []byte("PK\x03\x04 something else")},
		{"cut in the header", "cut off", whole[:40]},
		{"cut in the arrays", "cut off", whole[:len(whole)-1]},
		{"bytes too many", "1 bytes follow", append(bytes.Clone(whole), 0)},
		{"no object", "no JSON object", file("[]", 0)},
		{"two values", "more than one", file("{}{}", 0)},
		{"unknown type", "element type", file(`{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}`, 1)},
		{"negative size", "impossible", file(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, 1)},
		{"overflow", "impossible", file(`{"a":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0)},
		{"hole", "starts at byte 2", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3)},
		{"wrong length", "needs 8", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4)},
		{"twice", "two of it", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0)},
		{"metadata", "metadata", file(`{"__metadata__":{"a":1}}`, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Decode(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestGetRefuses(t *testing.T) {
	f, err := Decode(encoded(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		err  error
	}{
		{"missing", Get(f, "nobody", []int{1}, make([]float32, 1))},
		{"holds F32; F64", Get(f, "w", []int{2, 3}, make([]float64, 6))},
		{"has shape [2 3]; [3 2]", Get(f, "w", []int{3, 2}, make([]float32, 6))},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", c.err, c.want)
		}
	}
	bad, err := Decode(file(`{"m":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}`, 1))
	if err != nil {
		t.Fatal(err)
	}
	bad.tensors[0].data[0] = 2
	if _, err := GetSlice[bool](bad, "m"); err == nil {
		t.Error("2 was accepted as a truth value")
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if _, err := sample().WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Decode(data)
		if err != nil {
			return
		}
		// What was accepted can be written and read again with the same contents.
		var out bytes.Buffer
		if _, err := file.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := Decode(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range file.tensors {
			if z := again.tensors[i]; a.name != z.name || a.dtype != z.dtype || !bytes.Equal(a.data, z.data) {
				t.Fatalf("array %d changed", i)
			}
		}
	})
}
