package trace

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// WriteOptions change how a recording is written. The zero value is the default.
type WriteOptions struct {
	// Plain writes CSV files that are not gzipped.
	Plain bool
	// Replace allows dir to exist if it holds a recording and nothing else, which is then replaced as a whole.
	Replace bool
}

// Check applies the rules of [Read] to a recording in memory. Its error lists every mistake up to [DefaultMaxFindings];
// lines are those of the files that Write would make.
func (r *Recording) Check() error {
	l := newFindings(0)
	for _, f := range r.Meta.check() {
		f.File = metaFile
		l.add(f)
	}
	empty := true
	checkers := map[*table]*checker{}
	var c cells
	for _, t := range tables {
		rows := rowsOf(r, t)
		if rows.len() == 0 {
			continue
		}
		empty = false
		ck := newChecker(t, t.name+".csv", &r.Meta, &ReadOptions{}, l)
		checkers[t] = ck
		for i := range rows.len() {
			rows.get(i, &c)
			checkRow(ck, i+2, &c)
		}
		ck.finish()
	}
	compareNodes(checkers[&servicesTable], checkers[&nodesTable], l)
	if empty {
		l.errorf(CodeNoTables, "", 0, "", "a recording needs at least one row", "there is no table")
	}
	return l.err()
}

// checkRow applies the rules to a row that was never text.
func checkRow(ck *checker, line int, c *cells) {
	var ids [maxTexts]int32
	ok := true
	for i := range ck.t.texts {
		id, good := ck.name(line, &ck.t.columns[1+i], c.texts[i])
		ids[i] = id
		ok = ok && good
	}
	_, most := kindTime.unit()
	if c.at < 0 || float64(c.at) > most*1e9 {
		ok = false
		ck.out.errorf(CodeNegative, ck.file, line, "t", "times count from the start", "%s s is out of range", seconds(c.at))
	}
	if !ok {
		ck.rows++
		ck.broken = true
		return
	}
	ck.values(line, &c.values)
	ck.place(line, c, ids)
}

// Write writes rec to the directory dir. It first checks it with the rules of [Read], writes everything beside dir under
// a temporary name, and renames it, so that dir never holds half a recording. (A recording that is replaced is moved
// to the temporary directory first; a crash between the two renames leaves both there, under .NAME.tmp-*.)
// The bytes depend on rec and options alone.
func Write(dir string, rec *Recording, opt WriteOptions) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing recording %q: %w", dir, err)
		}
	}()
	if err := rec.Check(); err != nil {
		return err
	}
	dir = filepath.Clean(dir)
	old, err := replaceable(dir, opt.Replace)
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".tmp-*")
	if err != nil {
		return err
	}
	keep := false
	defer func() {
		if !keep {
			os.RemoveAll(tmp) // half a recording after a failure, the replaced one after success
		}
	}()
	fresh := filepath.Join(tmp, "new")
	if err := writeAll(fresh, rec, opt.Plain); err != nil {
		return err
	}
	aside := filepath.Join(tmp, "old")
	if old {
		if err := os.Rename(dir, aside); err != nil {
			return err
		}
	}
	if err := os.Rename(fresh, dir); err != nil {
		if old {
			if back := os.Rename(aside, dir); back != nil {
				keep = true
				err = fmt.Errorf("%w; the recording that was there is now %s", err, aside)
			}
		}
		return err
	}
	return syncDir(parent)
}

// replaceable reports whether dir exists, and returns an error if it may not be replaced.
func replaceable(dir string, replace bool) (exists bool, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if len(entries) == 0 {
		return true, nil
	}
	if !replace {
		return true, errors.New("the directory exists and is not empty; name another, or allow it to be replaced")
	}
	known := map[string]bool{metaFile: true}
	for _, t := range tables {
		known[t.name+".csv"], known[t.name+".csv.gz"] = true, true
	}
	for _, e := range entries {
		if !known[e.Name()] || !e.Type().IsRegular() {
			return true, fmt.Errorf("%s in the directory is not part of a recording; move it away, or name another directory", e.Name())
		}
	}
	return true, nil
}

// writeAll writes the files of rec into the new directory dir.
func writeAll(dir string, rec *Recording, plain bool) error {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	meta, err := rec.Meta.encode()
	if err != nil {
		return err
	}
	err = writeFile(filepath.Join(dir, metaFile), func(w io.Writer) error {
		_, err := w.Write(meta)
		return err
	})
	if err != nil {
		return err
	}
	for _, t := range tables {
		rows := rowsOf(rec, t)
		if rows.len() == 0 {
			continue
		}
		name := filepath.Join(dir, t.name+".csv")
		write := func(w io.Writer) error { return writeTable(w, t, rows) }
		if !plain {
			name += ".gz"
			write = func(w io.Writer) error { return writeZipped(w, t, rows) }
		}
		if err := writeFile(name, write); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// writeFile creates a file and makes sure that it is on the disk.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// writeZipped writes a table as gzip, without name or time, which would change from run to run.
func writeZipped(w io.Writer, t *table, rows rows) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := writeTable(z, t, rows); err != nil {
		return err
	}
	return z.Close()
}

// writeTable writes a table as CSV, all its columns in order. The shortest decimals that give the same numbers
// again are used.
func writeTable(w io.Writer, t *table, rows rows) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	bw.WriteString(strings.Join(t.names(), ",")) // errors stick until Flush
	bw.WriteByte('\n')
	var c cells
	line := make([]byte, 0, 512)
	for i := range rows.len() {
		rows.get(i, &c)
		line = appendSeconds(line[:0], c.at)
		for j := range t.texts {
			line = append(line, ',')
			line = append(line, c.texts[j]...)
		}
		for j := range t.values() {
			line = append(line, ',')
			line = appendValue(line, c.values[j])
		}
		line = append(line, '\n')
		bw.Write(line)
	}
	return bw.Flush()
}

// appendValue appends a number, or nothing for NoValue.
func appendValue(b []byte, v float64) []byte {
	switch {
	case !Has(v):
		return b
	case v != 0 && math.Abs(v) < 1e-6:
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, v+0, 'f', -1, 64)
}

// syncDir makes renames and creations in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
