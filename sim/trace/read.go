package trace

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxMeta bounds the size of meta.yaml, which a person is meant to read.
const maxMeta = 1 << 20

// ReadOptions change how a recording is read. The zero value is the default.
type ReadOptions struct {
	// AllowGaps accepts missing rows, as gaps: true in meta.yaml does.
	AllowGaps bool
	// Fill bridges gaps, as [Recording.Fill] does. What was filled is among the warnings.
	Fill bool
	// App, if given, is the application whose endpoints and services the recording must be about.
	App *Application
	// MaxFindings is how many mistakes an error lists at most; 0 = DefaultMaxFindings.
	MaxFindings int
}

// TableInfo is the size of one table of a recording.
type TableInfo struct {
	File string // name within the directory
	Rows int
	End  time.Duration // end of the last row's interval
}

// Report is what [Validate] found out.
type Report struct {
	Findings         []Finding // errors and warnings, at most ReadOptions.MaxFindings of each
	Errors, Warnings int       // how many there were, listed or not
	Tables           []TableInfo
}

// Read reads the recording in dir and refuses it if anything is wrong with it. Its error names each mistake with
// file, line and column, the cause and the cure, up to [DefaultMaxFindings] of them.
func Read(dir string) (*Recording, error) { return ReadWith(dir, ReadOptions{}) }

// ReadWith is [Read] with options.
func ReadWith(dir string, opt ReadOptions) (*Recording, error) {
	rec, err := ReadFS(os.DirFS(dir), opt)
	if err != nil {
		return nil, fmt.Errorf("reading recording %q: %w", dir, err)
	}
	return rec, nil
}

// ReadFS reads the recording at the root of fsys, for instance one embedded in the program.
func ReadFS(fsys fs.FS, opt ReadOptions) (*Recording, error) {
	rec := &Recording{}
	l, _ := walk(fsys, opt, rec)
	if err := l.err(); err != nil {
		return nil, err
	}
	return rec, nil
}

// Validate reads the recording in dir without keeping it and lists what is wrong with it.
func Validate(dir string, opt ReadOptions) *Report { return ValidateFS(os.DirFS(dir), opt) }

// ValidateFS is [Validate] for the recording at the root of fsys.
func ValidateFS(fsys fs.FS, opt ReadOptions) *Report {
	l, infos := walk(fsys, opt, nil)
	return &Report{Findings: l.kept, Errors: l.errors, Warnings: l.warnings, Tables: infos}
}

// walk reads all files of a recording, into rec unless it is nil.
func walk(fsys fs.FS, opt ReadOptions, rec *Recording) (*findings, []TableInfo) {
	l := newFindings(opt.MaxFindings)
	meta, ok := readMeta(fsys, l)
	if !ok {
		return l, nil
	}
	if rec == nil && opt.Fill {
		rec = &Recording{} // only with its rows it is known what there is to fill
	}
	if rec != nil {
		rec.Meta = meta
	}
	if a := opt.App; a != nil && meta.Application != a.Name && meta.Application != AnyApplication {
		l.add(Finding{Severity: SeverityWarning, Code: CodeApplication, File: metaFile, Column: "application",
			Cause: fmt.Sprintf("is a recording of %s, used with %s", meta.Application, a.Name)})
	}
	files := tableFiles(fsys, l)
	var infos []TableInfo
	checkers := map[*table]*checker{}
	for _, t := range tables {
		file := files[t]
		if file == "" {
			continue
		}
		ck := newChecker(t, file, &meta, &opt, l)
		checkers[t] = ck
		var each func(*cells)
		if rec != nil {
			each = rowsOf(rec, t).add
		}
		readFile(fsys, ck, each)
		if ck.rows > 0 {
			infos = append(infos, TableInfo{File: file, Rows: ck.rows, End: ck.end()})
		}
	}
	if len(files) == 0 && l.errors == 0 {
		l.errorf(CodeNoTables, "", 0, "", "add at least endpoints.csv with t,endpoint,rps", "there is no table")
	}
	compareNodes(checkers[&servicesTable], checkers[&nodesTable], l)
	if l.errors == 0 {
		compareEnds(infos, l)
	}
	if opt.Fill && l.errors == 0 {
		fillRead(rec, l)
	}
	if rec != nil {
		for _, f := range l.kept {
			if f.Severity == SeverityWarning {
				rec.Warnings = append(rec.Warnings, f)
			}
		}
		if more := l.warnings - len(rec.Warnings); more > 0 {
			rec.Warnings = append(rec.Warnings, Finding{Severity: SeverityWarning, Code: CodeGap, Cause: fmt.Sprintf("and %d more warnings", more)})
		}
	}
	return l, infos
}

// fillRead bridges the gaps of a recording that was read.
func fillRead(rec *Recording, l *findings) {
	done, err := rec.Fill()
	for _, f := range done {
		l.add(f)
	}
	for _, err := range unjoin(err) {
		var f *Finding
		if errors.As(err, &f) {
			l.add(*f)
		}
	}
}

// unjoin takes joined errors apart.
func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

// readMeta reads meta.yaml. ok is false if there is no recording to go on with.
func readMeta(fsys fs.FS, l *findings) (m Meta, ok bool) {
	f, err := fsys.Open(metaFile)
	if err != nil {
		cause := "there is no " + metaFile
		if !errors.Is(err, fs.ErrNotExist) {
			cause = err.Error()
		}
		l.errorf(CodeNotRecording, "", 0, "", "give the directory of a recording, or make one with: grlscaler trace import", "%s", cause)
		return m, false
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxMeta+1))
	if err != nil {
		l.errorf(CodeFileRead, metaFile, 0, "", "check the file and its permissions", "cannot be read: %s", err)
		return m, false
	}
	if len(data) > maxMeta {
		l.errorf(CodeMeta, metaFile, 0, "", "check that it is a recording's", "is larger than %d bytes", maxMeta)
		return m, false
	}
	m = decodeMeta(data, l)
	newer := slices.ContainsFunc(l.kept, func(f Finding) bool { return f.Code == CodeFormatNewer })
	return m, !newer
}

// tableFiles finds the file of each table and refuses CSV files that are none.
func tableFiles(fsys fs.FS, l *findings) map[*table]string {
	files := map[*table]string{}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		l.errorf(CodeFileRead, "", 0, "", "check the directory and its permissions", "cannot be listed: %s", err)
	}
	var names []string
	for _, t := range tables {
		names = append(names, t.name+".csv")
	}
	for _, e := range entries {
		name := e.Name()
		plain := strings.TrimSuffix(name, ".gz")
		i := slices.Index(names, plain)
		switch {
		case i >= 0 && files[tables[i]] != "":
			l.errorf(CodeFileTwice, name, 0, "", "keep one of them", "there is also %s", files[tables[i]])
		case i >= 0:
			files[tables[i]] = name
		case strings.HasSuffix(strings.ToLower(plain), ".csv"):
			l.errorf(CodeFileUnknown, name, 0, "", didYouMean(plain, names), "is not a table of a recording")
		}
	}
	return files
}

// readFile reads one table's file.
func readFile(fsys fs.FS, ck *checker, each func(*cells)) {
	f, err := fsys.Open(ck.file)
	if err != nil {
		reportRead(ck, 0, err)
		return
	}
	defer f.Close() // read only
	r, err := unzip(f, strings.HasSuffix(ck.file, ".gz"))
	if err != nil {
		reportRead(ck, 0, err)
		return
	}
	readTable(r, ck, each)
}

// wrongZip is a name that does not fit the content.
type wrongZip struct{ cause, cure string }

func (w *wrongZip) Error() string { return w.cause + "; " + w.cure }

// unzip returns r's text. zipped says what the file's name promises.
func unzip(r io.Reader, zipped bool) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	magic, err := br.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	is := bytes.Equal(magic, []byte{0x1f, 0x8b})
	switch {
	case is && !zipped:
		return nil, &wrongZip{"holds gzip data", "add .gz to its name, or unpack it"}
	case !is && zipped:
		return nil, &wrongZip{"is not gzip data", "copy the file again, or take .gz from its name"}
	case !is:
		return br, nil
	}
	return gzip.NewReader(br)
}

func isFlateError(err error) bool { return errors.As(err, new(flate.CorruptInputError)) }

// compareEnds warns about tables that do not end together.
func compareEnds(infos []TableInfo, l *findings) {
	for _, t := range infos[min(1, len(infos)):] {
		if first := infos[0]; t.End != first.End {
			l.add(Finding{Severity: SeverityWarning, Code: CodeLength, File: t.File,
				Cause: fmt.Sprintf("ends at t=%s, %s at t=%s", seconds(int64(t.End)), first.File, seconds(int64(first.End)))})
		}
	}
}

// printable reports whether s is one line of text that a file or a terminal can show as it is.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
