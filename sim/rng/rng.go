// Package rng gives every source of randomness in grlscaler a name.
//
// A [Stream] is split from one seed by a path of names and numbers ("arrivals", "start-up", ...). Streams of
// different names are independent, so that adding a draw to one never shifts another: two controllers that
// are compared on one seed meet the same arrivals whatever else they cause. A stream's position can be saved
// and restored byte for byte, which is what resuming a training run rests on.
//
// The generator is PCG-DXSM of math/rand/v2; its two 64-bit seeds are the first 16 bytes of SHA-256 over the
// seed and the path. There is no global generator and no default seed.
package rng

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Stream is one named stream of random numbers. It is not safe for concurrent use.
type Stream struct {
	*rand.Rand
	pcg *rand.PCG
}

var (
	_ encoding.BinaryMarshaler   = (*Stream)(nil)
	_ encoding.BinaryUnmarshaler = (*Stream)(nil)
)

// New returns the stream that seed and the path name. Path elements are strings or integers.
func New(seed uint64, path ...any) *Stream {
	s := &Stream{pcg: rand.NewPCG(derive(seed, path))}
	s.Rand = rand.New(s.pcg)
	return s
}

// Reseed moves an existing stream to the start of the stream that seed and a single name would give.
// Unlike [New] it does not allocate, so that an environment can be reset in a hot loop.
func (s *Stream) Reseed(seed uint64, name string) {
	var buf [8 + 64]byte
	binary.LittleEndian.PutUint64(buf[:8], seed)
	n := 8
	buf[n] = 's'
	n++
	n += copy(buf[n:len(buf)-1], name)
	buf[n] = 0
	n++
	sum := sha256.Sum256(buf[:n])
	s.pcg.Seed(binary.LittleEndian.Uint64(sum[0:8]), binary.LittleEndian.Uint64(sum[8:16]))
}

// Derive returns the seed of a child: a number that can be handed to another component as its own seed.
func Derive(seed uint64, path ...any) uint64 {
	a, _ := derive(seed, path)
	return a
}

func derive(seed uint64, path []any) (uint64, uint64) {
	h := sha256.New()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	h.Write(b[:])
	for _, p := range path {
		switch v := p.(type) {
		case string:
			h.Write([]byte{'s'})
			h.Write([]byte(v))
			h.Write([]byte{0})
		case int:
			h.Write([]byte{'i'})
			binary.LittleEndian.PutUint64(b[:], uint64(v))
			h.Write(b[:])
		case uint64:
			h.Write([]byte{'i'})
			binary.LittleEndian.PutUint64(b[:], v)
			h.Write(b[:])
		default:
			panic(fmt.Sprintf("rng: path element of type %T; use string, int or uint64", p))
		}
	}
	sum := h.Sum(nil)
	return binary.LittleEndian.Uint64(sum[0:8]), binary.LittleEndian.Uint64(sum[8:16])
}

// MarshalBinary returns the stream's position.
func (s *Stream) MarshalBinary() ([]byte, error) { return s.pcg.MarshalBinary() }

// UnmarshalBinary restores a position that [Stream.MarshalBinary] gave.
func (s *Stream) UnmarshalBinary(data []byte) error {
	if s.pcg == nil {
		s.pcg = &rand.PCG{}
		s.Rand = rand.New(s.pcg)
	}
	if err := s.pcg.UnmarshalBinary(data); err != nil {
		return fmt.Errorf("restoring a random stream: %w", err)
	}
	return nil
}
