package rl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
)

// EventsFile is the learning curve for TensorBoard, which finds files by "tfevents" in their names. Time and host, which others put
// there, would make two runs of one seed differ.
const EventsFile = "events.out.tfevents.0.grlscaler"

// events appends rows of a learning curve to a TensorBoard event file: TFRecords (tensorflow/core/lib/io/record_writer.cc), each an
// Event (tensorflow/core/util/event.proto) with one scalar for each metric. The file follows from progress.csv alone.
//
// An Event carries the time at which it was written. Ours is the number of environment steps, as seconds since 1970, so that the
// bytes do not depend on the clock.
type events struct {
	file    *os.File
	columns []Metric
	buf     []byte
}

// inEvents tells whether a metric is written to event files. The number of steps is there as the step of every scalar, which is why
// Stable-Baselines3 leaves these two out as well.
func inEvents(name string) bool { return name != stepsColumn && name != "time/iterations" }

// openEvents opens or makes the event file of a learning curve with so many rows, each one value for each column. What the file has beyond
// them, or otherwise, is replaced.
func openEvents(path string, columns []Metric, rows [][]float64) (*events, error) {
	e := &events{columns: columns}
	whole := appendRecord(nil, appendEvent(nil, 0, -1, fileVersionField))
	for _, row := range rows {
		whole = e.appendRow(whole, row)
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("event file: %w", err)
	}
	if e.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("event file: %w", err)
	}
	// A TensorBoard that reads along keeps its place: what is right already is not written again.
	keep := 0
	if bytes.HasPrefix(old, whole) {
		keep = len(whole)
	}
	err = e.file.Truncate(int64(keep))
	if err == nil {
		_, err = e.file.Seek(int64(keep), io.SeekStart)
	}
	if err == nil && keep == 0 {
		_, err = e.file.Write(whole)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("event file %s: %w", path, err), e.file.Close())
	}
	return e, nil
}

// write appends one row in one write: a crash leaves at most one incomplete record, which the next start removes.
func (e *events) write(row []float64) error {
	e.buf = e.appendRow(e.buf[:0], row)
	if _, err := e.file.Write(e.buf); err != nil {
		return fmt.Errorf("event file: %w", err)
	}
	return nil
}

// appendRow appends the record of a row.
func (e *events) appendRow(dst []byte, row []float64) []byte {
	var summary []byte
	steps := 0.0
	for i, m := range e.columns {
		if m.Name == stepsColumn {
			steps = row[i]
		}
		if !inEvents(m.Name) || math.IsNaN(row[i]) {
			continue
		}
		value := appendBytes(nil, 1, []byte(m.Name)) // Summary.Value.tag
		value = append(value, 2<<3|fixed32)          // Summary.Value.simple_value
		value = binary.LittleEndian.AppendUint32(value, math.Float32bits(float32(row[i])))
		summary = appendBytes(summary, 1, value) // Summary.value
	}
	return appendRecord(dst, appendEvent(nil, steps, int64(steps), appendBytes(nil, 5, summary))) // Event.summary
}

// Wire types of protocol buffers.
const (
	varint  = 0
	fixed64 = 1
	bytesOf = 2
	fixed32 = 5
)

// fileVersionField is Event.file_version as every event file begins with it.
var fileVersionField = appendBytes(nil, 3, []byte("brain.Event:2"))

// appendEvent appends an Event with one more field; a step below 0 is left out.
func appendEvent(dst []byte, wallTime float64, step int64, field []byte) []byte {
	dst = append(dst, 1<<3|fixed64) // Event.wall_time
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(wallTime))
	if step >= 0 {
		dst = append(dst, 2<<3|varint) // Event.step
		dst = binary.AppendUvarint(dst, uint64(step))
	}
	return append(dst, field...)
}

// appendBytes appends a field of bytes: a string or a message.
func appendBytes(dst []byte, field byte, data []byte) []byte {
	dst = append(dst, field<<3|bytesOf)
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	return append(dst, data...)
}

// appendRecord appends a TFRecord: length, its checksum, data, its checksum, all little-endian.
func appendRecord(dst, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	dst = append(dst, length...)
	dst = binary.LittleEndian.AppendUint32(dst, maskedCRC(length))
	dst = append(dst, data...)
	return binary.LittleEndian.AppendUint32(dst, maskedCRC(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is CRC-32C, rotated by 15 bits and moved by a constant, as TFRecords and LevelDB have it.
func maskedCRC(data []byte) uint32 {
	crc := crc32.Checksum(data, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}

func (e *events) sync() error { return e.file.Sync() }

func (e *events) close() error { return e.file.Close() }
