package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxLine is the longest line that is read. Tables have at most 14 columns.
const maxLine = 1 << 16

// scanner cuts a CSV table into fields without allocating: lines are cut at commas where they stand in the
// buffer, and only a line with a quotation mark goes through encoding/csv.
type scanner struct {
	r      *bufio.Reader
	line   int
	fields [][]byte
}

var errLineTooLong = errors.New("line too long")

// next reads a line into s.fields, which are valid until the next call. It returns io.EOF at the end of the input
// and a *csv.ParseError for a line with wrong quotation marks, after which reading may go on.
func (s *scanner) next() error {
	raw, err := s.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		s.line++
		return errLineTooLong
	}
	if err != nil && (err != io.EOF || len(raw) == 0) {
		return err
	}
	s.line++
	raw = bytes.TrimSuffix(raw, []byte("\n"))
	raw = bytes.TrimSuffix(raw, []byte("\r"))
	if s.line == 1 {
		raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // some spreadsheets put a byte order mark first
	}
	s.fields = s.fields[:0]
	if bytes.IndexByte(raw, '"') >= 0 {
		return s.quoted(raw)
	}
	for {
		i := bytes.IndexByte(raw, ',')
		if i < 0 {
			break
		}
		s.fields = append(s.fields, raw[:i])
		raw = raw[i+1:]
	}
	s.fields = append(s.fields, raw)
	return nil
}

func (s *scanner) quoted(raw []byte) error {
	record, err := csv.NewReader(bytes.NewReader(raw)).Read()
	if err != nil {
		return err
	}
	for _, f := range record {
		s.fields = append(s.fields, []byte(f))
	}
	return nil
}

// readTable reads a table, hands every row to each (nil = only check), and reports all mistakes to ck.
func readTable(r io.Reader, ck *checker, each func(*cells)) {
	s := &scanner{r: bufio.NewReaderSize(r, maxLine)}
	layout, ok := readHeader(s, ck)
	if !ok {
		return
	}
	var row cells
	blank := 0 // line of the first empty line of the run that ends here
	for {
		err := s.next()
		if err != nil && !errors.As(err, new(*csv.ParseError)) {
			if err != io.EOF {
				reportRead(ck, s.line, err)
				return
			}
			break
		}
		if err == nil && len(s.fields) == 1 && len(s.fields[0]) == 0 {
			if blank == 0 {
				blank = s.line
			}
			continue
		}
		if blank > 0 { // empty lines are fine at the end of the file alone
			ck.out.errorf(CodeFields, ck.file, blank, "", "remove it", "an empty line between rows")
			blank = 0
		}
		if err != nil {
			ck.rows++
			ck.broken = true
			ck.out.errorf(CodeLine, ck.file, s.line, "", "names need no quotation marks", "a quotation mark that does not close")
			continue
		}
		if ids, ok := parseRow(s, ck, layout, &row); ok {
			ck.values(s.line, &row.values)
			ck.place(s.line, &row, ids)
			if each != nil {
				each(&row)
			}
		}
	}
	ck.finish()
}

// readHeader reads the first line and returns the table column of each field.
func readHeader(s *scanner, ck *checker) (layout []int, ok bool) {
	err := s.next()
	if err == io.EOF || err == nil && len(s.fields) == 1 && len(s.fields[0]) == 0 {
		ck.out.errorf(CodeFileEmpty, ck.file, 0, "", "remove the file, or give it the header "+strings.Join(ck.t.names(), ","), "is empty")
		return nil, false
	}
	if err != nil {
		reportRead(ck, s.line, err)
		return nil, false
	}
	names, ok := ck.t.names(), true
	for _, f := range s.fields {
		i := slices.Index(names, string(f))
		switch {
		case i < 0:
			ok = false
			ck.out.errorf(CodeColumnUnknown, ck.file, 1, "", didYouMean(string(f), names), "unknown column %s", quoted(string(f)))
		case slices.Contains(layout, i):
			ok = false
			ck.out.errorf(CodeColumnTwice, ck.file, 1, names[i], "keep one of them", "the column is there twice")
		}
		layout = append(layout, i)
	}
	for i, c := range ck.t.columns {
		if c.required && !slices.Contains(layout, i) {
			ok = false
			ck.out.errorf(CodeColumnMissing, ck.file, 1, c.name, "add it to the header; its cells may be empty unless it is t or a name",
				"the column is missing")
		}
	}
	return layout, ok
}

// parseRow turns the fields of a line into cells. ok is false if the row has no place in the table because its number
// of fields, its time or its name is wrong; a wrong number is reported and becomes NoValue.
func parseRow(s *scanner, ck *checker, layout []int, row *cells) (ids [maxTexts]int32, ok bool) {
	if len(s.fields) != len(layout) {
		ck.rows++
		ck.broken = true
		ck.out.errorf(CodeFields, ck.file, s.line, "", "give each column a field, empty where there is no value",
			"%d fields where the header has %d columns", len(s.fields), len(layout))
		return ids, false
	}
	row.fill(0, "", "")
	ok = true
	first := 1 + ck.t.texts // layout index of the first number column
	for f, i := range layout {
		cell, col := s.fields[f], &ck.t.columns[i]
		switch {
		case i == 0:
			at, good := parseTime(ck, s.line, cell)
			row.at = at
			ok = ok && good
		case i < first:
			id, known := ck.names[string(cell)]
			if !known {
				id, known = ck.name(s.line, col, string(cell))
			}
			if known {
				ids[i-1], row.texts[i-1] = id, ck.texts[id]
			}
			ok = ok && known
		case len(cell) > 0:
			row.values[i-first] = parseCell(ck.out, ck.file, s.line, col.name, cell)
		}
	}
	if !ok {
		ck.rows++
		ck.broken = true
	}
	return ids, ok
}

// parseTime reads seconds, to the microsecond.
func parseTime(ck *checker, line int, cell []byte) (ns int64, ok bool) {
	before := ck.out.errors
	v := parseCell(ck.out, ck.file, line, "t", cell)
	_, most := kindTime.unit()
	switch {
	case ck.out.errors > before:
		return 0, false
	case v < 0:
		ck.out.errorf(CodeNegative, ck.file, line, "t", "t counts from the recording's start", "%s is negative", short(v))
		return 0, false
	case v > most:
		ck.out.errorf(CodeTooLarge, ck.file, line, "t", "t is in seconds from the recording's start, not a date", "%s is above %s", short(v), short(most))
		return 0, false
	}
	return int64(micros(v)), true
}

// micros converts seconds to a time, rounded to the microsecond.
func micros(s float64) time.Duration { return time.Duration(math.Round(s*1e6)) * time.Microsecond }

// plainDecimal reads digits with at most one point among them, 15 digits at most. Both the digits as an integer and the
// power of ten are then exact as floats, so their quotient is the nearest float to the decimal: the same
// that strconv gives, five times as fast (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
func plainDecimal(cell []byte) (v float64, ok bool) {
	if len(cell) == 0 || len(cell) > 16 {
		return 0, false
	}
	var digits uint64
	count, decimals := 0, -1
	for i, b := range cell {
		switch {
		case b-'0' <= 9:
			digits = 10*digits + uint64(b-'0')
			count++
		case b == '.' && decimals < 0:
			decimals = len(cell) - 1 - i
		default:
			return 0, false
		}
	}
	if count == 0 || count > 15 {
		return 0, false
	}
	if decimals <= 0 {
		return float64(digits), true
	}
	return float64(digits) / tens[decimals], true
}

var tens = [16]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// parseCell reads a number of a plain decimal form. Anything else is reported and read as NoValue.
func parseCell(out *findings, file string, line int, column string, cell []byte) float64 {
	if v, ok := plainDecimal(cell); ok {
		return v
	}
	plain := len(cell) > 0 && len(cell) <= 64
	for _, b := range cell {
		if (b < '0' || b > '9') && b != '.' && b != '-' && b != '+' && b != 'e' && b != 'E' {
			plain = false
			break
		}
	}
	if plain {
		if v, err := strconv.ParseFloat(string(cell), 64); err == nil {
			return v + 0 // -0 becomes 0
		} else if errors.Is(err, strconv.ErrRange) {
			out.errorf(CodeTooLarge, file, line, column, "check the unit", "%s is too large for any number", quoted(string(cell)))
			return NoValue()
		}
	}
	switch strings.ToLower(strings.TrimLeft(string(cell[:min(len(cell), 64)]), "+-")) {
	case "nan", "inf", "infinity", "null", "none", "na", "n/a":
		out.errorf(CodeNotFinite, file, line, column, "leave the cell empty where there is no value", "%s is not a number", quoted(string(cell)))
	default:
		out.errorf(CodeNumber, file, line, column, "write a plain decimal number such as 12.5, without unit or spaces", "%s is not a number", quoted(string(cell)))
	}
	return NoValue()
}

// reportRead reports that reading failed at or after a line.
func reportRead(ck *checker, line int, err error) {
	code, cause, cure := readCause(err)
	ck.broken = true
	ck.out.errorf(code, ck.file, line, "", cure, "%s", cause)
}

// readCause words why a stream ended early.
func readCause(err error) (code Code, cause, cure string) {
	var parse *csv.ParseError
	var wrong *wrongZip
	switch {
	case errors.As(err, &wrong):
		return CodeGzip, wrong.cause, wrong.cure
	case errors.Is(err, errLineTooLong):
		return CodeLine, "the line is longer than " + strconv.Itoa(maxLine) + " bytes", "check that the file is CSV"
	case errors.As(err, &parse):
		return CodeLine, "a quotation mark that does not close", "names need no quotation marks"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return CodeGzip, "the gzip data ends too early", "copy the file again"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), isFlateError(err):
		return CodeGzip, "the gzip data is damaged: " + err.Error(), "copy the file again"
	}
	return CodeFileRead, "cannot be read: " + err.Error(), "check the file and its permissions"
}
