package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Answer is what Prometheus, or a server with its HTTP API, said to one query.
type Answer struct {
	Quantity string // what was asked for: a name in Quantities
	File     string // where it is from, for messages
	Data     []byte // JSON as /api/v1/query_range sends it
}

// maxAnswer is the most bytes of an answer, unpacked: a month of a thousand series every minute.
const maxAnswer = 1 << 30

// ReadAnswers reads saved answers: a directory with NAME.json or NAME.json.gz for each, a file that holds a JSON object with an answer
// for each NAME, or a file NAME.json with one. Other files of a directory are not looked at.
func ReadAnswers(src string) ([]Answer, error) {
	info, err := os.Stat(src)
	if err != nil {
		return nil, err
	}
	out := newFindings(0)
	if !info.IsDir() {
		data, ok := readAnswerFile(src, out)
		if !ok {
			return nil, out.err()
		}
		return splitAnswers(filepath.Base(src), data, out), out.err()
	}
	entries, err := os.ReadDir(src)
	if err != nil {
		return nil, err
	}
	var all []Answer
	for _, e := range entries {
		name, is := answerName(e.Name())
		if !is || e.IsDir() {
			continue
		}
		if _, ok := findQuantity(name); !ok {
			out.errorf(CodeFileUnknown, e.Name(), 0, "", nearQuantity(name), "is not the name of anything that can be imported")
			continue
		}
		if n := len(all); n > 0 && all[n-1].Quantity == name { // sorted: NAME.json comes before NAME.json.gz
			out.errorf(CodeFileTwice, e.Name(), 0, "", "remove one", "is there beside %s", all[n-1].File)
			continue
		}
		if data, ok := readAnswerFile(filepath.Join(src, e.Name()), out); ok {
			all = append(all, Answer{Quantity: name, File: e.Name(), Data: data})
		}
	}
	if len(all) == 0 && out.errors == 0 {
		return nil, errors.New("the directory holds no answers; they are files such as endpoint_rps.json: docs/import.md lists the names")
	}
	return all, out.err()
}

// answerName takes the endings from a file's name; is says whether it has them.
func answerName(file string) (name string, is bool) {
	return strings.CutSuffix(strings.TrimSuffix(file, ".gz"), ".json")
}

// readAnswerFile reads a file, gzipped or not.
func readAnswerFile(path string, out *findings) (data []byte, ok bool) {
	file := filepath.Base(path)
	f, err := os.Open(path)
	if err == nil {
		defer f.Close() // read only
		var r io.Reader
		if r, err = unzip(f, strings.HasSuffix(path, ".gz")); err == nil {
			data, err = io.ReadAll(io.LimitReader(r, maxAnswer+1))
		}
	}
	switch {
	case err != nil:
		code, cause, cure := readCause(err)
		out.errorf(code, file, 0, "", cure, "%s", cause)
	case len(data) > maxAnswer:
		out.errorf(CodeTooLarge, file, 0, "", "ask for a shorter range, or add series up with sum by (...)", "holds more than %d bytes", maxAnswer)
	}
	return data, err == nil && len(data) <= maxAnswer
}

// splitAnswers takes a file apart that holds several answers, or one.
func splitAnswers(file string, data []byte, out *findings) []Answer {
	var all []Answer
	var keys []string
	var texts []json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(data))
	bad := func(err error) []Answer {
		reportJSON(file, "", data, err, out)
		return nil
	}
	if t, err := dec.Token(); err != nil {
		return bad(err)
	} else if t != json.Delim('{') {
		return bad(errors.New("not an object"))
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return bad(err)
		}
		var text json.RawMessage
		if err := dec.Decode(&text); err != nil {
			return bad(err)
		}
		keys, texts = append(keys, t.(string)), append(texts, text) // a key is a string, or Token fails
	}
	if _, err := dec.Token(); err != nil {
		return bad(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return bad(errors.New("something follows the object"))
	}
	if slices.Contains(keys, "status") { // one answer, not named in the file
		name, _ := answerName(file)
		if _, ok := findQuantity(name); !ok {
			out.errorf(CodeFileUnknown, file, 0, "", nearQuantity(name), "holds one answer and does not say of what")
			return nil
		}
		return []Answer{{Quantity: name, File: file, Data: data}}
	}
	for i, key := range keys {
		_, known := findQuantity(key)
		switch {
		case !known:
			out.errorf(CodeFileUnknown, file, 0, "", nearQuantity(key), "%s is not the name of anything that can be imported", quoted(key))
		case slices.Contains(keys[:i], key):
			out.errorf(CodeFileTwice, file, 0, "", "remove one", "%s is there twice", key)
		default:
			all = append(all, Answer{Quantity: key, File: file, Data: texts[i]})
		}
	}
	if len(keys) == 0 {
		out.errorf(CodeFileEmpty, file, 0, "", "save the answers of Prometheus in it", "holds no answers")
	}
	return all
}

// reportJSON reports text that is not the JSON that was expected.
func reportJSON(file, quantity string, data []byte, err error, out *findings) {
	line := 0
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch cause := err.Error(); {
	case len(bytes.TrimSpace(data)) == 0:
		out.errorf(CodeFileEmpty, file, 0, quantity, "save the answer of Prometheus in it", "is empty")
		return
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")):
		out.errorf(CodeLine, file, 1, quantity, "save what /api/v1/query_range says; a page to log in is no answer", "is a web page, not JSON")
		return
	case errors.As(err, &syntax):
		line = 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		out.errorf(CodeLine, file, line, quantity, "save the answer again as it was sent", "is not JSON: %s", cause)
	case errors.As(err, &kind):
		out.errorf(CodeLine, file, 0, quantity, "save the answer again as it was sent", "is not an answer of Prometheus: a %s is in the place of %s", kind.Value, kind.Field)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		out.errorf(CodeLine, file, 0, quantity, "save the answer again", "the JSON ends too early")
	default:
		out.errorf(CodeLine, file, 0, quantity, "save the answer again as it was sent", "is not an answer of Prometheus: %s", cause)
	}
}

// sample is a value at a time. In JSON it is [1435781430.781, "1.5"].
type sample struct {
	at int64 // ms since 1970
	v  float64
}

// maxStamp is the largest time in seconds: the year 9999.
const maxStamp = 253402300799

// UnmarshalJSON reads the form of the HTTP API.
func (s *sample) UnmarshalJSON(text []byte) error {
	inner, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte("["))
	inner, closed := bytes.CutSuffix(inner, []byte("]"))
	stamp, value, two := bytes.Cut(inner, []byte(","))
	stamp, value = bytes.TrimSpace(stamp), bytes.TrimSpace(value)
	if !ok || !closed || !two || len(value) < 3 || value[0] != '"' || value[len(value)-1] != '"' {
		return fmt.Errorf("%s is not a value such as [1435781430.781, \"1\"]", quoted(string(text)))
	}
	at, err := strconv.ParseFloat(string(stamp), 64)
	switch {
	case err != nil || !(at >= 0):
		return fmt.Errorf("%s is not a time in seconds since 1970", quoted(strings.Trim(string(stamp), `"`)))
	case at > maxStamp:
		return fmt.Errorf("%s is not a time in seconds since 1970; it may be in milliseconds", quoted(string(stamp)))
	}
	s.at = int64(math.Round(at * 1000))
	value = value[1 : len(value)-1]
	if s.v, err = strconv.ParseFloat(string(value), 64); err != nil {
		return fmt.Errorf("%s is not a number", quoted(string(value)))
	}
	return nil
}

// apiAnswer is the JSON of an answer.
type apiAnswer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Infos     []string `json:"infos"`
	Data      struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// apiSeries is the JSON of a series.
type apiSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     []sample          `json:"values"`
	Histograms []json.RawMessage `json:"histograms"`
}

// decode reads the series of an answer, and what the server remarked.
func (a *Answer) decode(out *findings) (all []apiSeries, remarks []string) {
	var api apiAnswer
	if err := json.Unmarshal(a.Data, &api); err != nil {
		reportJSON(a.File, a.Quantity, a.Data, err, out)
		return nil, nil
	}
	bad := func(cure, cause string, args ...any) {
		out.errorf(CodeLine, a.File, 0, a.Quantity, cure, cause, args...)
	}
	switch {
	case api.Status == "error":
		bad("correct the query and save its answer again", "Prometheus answered with an error: %s: %s", oneLine(api.ErrorType), oneLine(api.Error))
	case api.Status != "success":
		bad("save what /api/v1/query_range says", "status %s is not that of an answer", quoted(api.Status))
	case api.Data.ResultType == "vector" || api.Data.ResultType == "scalar" || api.Data.ResultType == "string":
		bad("ask /api/v1/query_range, with start, end and step", "is the answer of one moment (%s), not of a range", api.Data.ResultType)
	case api.Data.ResultType != "matrix":
		bad("save what /api/v1/query_range says", "result type %s is not that of a range", quoted(api.Data.ResultType))
	default:
		if err := json.Unmarshal(api.Data.Result, &all); err != nil {
			reportJSON(a.File, a.Quantity, api.Data.Result, err, out)
			return nil, nil
		}
	}
	return all, append(api.Warnings, api.Infos...)
}
