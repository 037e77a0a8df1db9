package trace

// Code names a rule that a recording or an imported file breaks. Codes are stable: scripts may rely on them.
type Code string

// The rules. [Codes] says what each means.
const (
	CodeNotRecording  Code = "not-a-recording"
	CodeMeta          Code = "meta"
	CodeFormatNewer   Code = "format-newer"
	CodeFormat        Code = "format"
	CodeApplication   Code = "application"
	CodeInterval      Code = "interval"
	CodeStart         Code = "start"
	CodeUnits         Code = "units"
	CodeLimits        Code = "cpu-limits"
	CodeNoTables      Code = "no-tables"
	CodeFileUnknown   Code = "file-unknown"
	CodeFileTwice     Code = "file-twice"
	CodeFileRead      Code = "file-read"
	CodeGzip          Code = "gzip"
	CodeFileEmpty     Code = "file-empty"
	CodeNoRows        Code = "no-rows"
	CodeColumnUnknown Code = "column-unknown"
	CodeColumnMissing Code = "column-missing"
	CodeColumnTwice   Code = "column-twice"
	CodeFields        Code = "fields"
	CodeLine          Code = "line"
	CodeName          Code = "name"
	CodeNumber        Code = "number"
	CodeNotFinite     Code = "not-finite"
	CodeNegative      Code = "negative"
	CodeTooLarge      Code = "too-large"
	CodeFraction      Code = "fraction"
	CodeWhole         Code = "whole-number"
	CodePercentiles   Code = "percentiles"
	CodeReady         Code = "ready"
	CodeTimeOrder     Code = "time-order"
	CodeTimeGrid      Code = "time-grid"
	CodeClock         Code = "clock"
	CodeDuplicate     Code = "duplicate"
	CodeGap           Code = "gap"
	CodeMissing       Code = "missing"
	CodeFill          Code = "fill"
	CodeUnknown       Code = "unknown"
	CodeNoReplicas    Code = "no-replicas"
	CodeAboveLimit    Code = "above-limit"
	CodeAboveNodes    Code = "above-nodes"
	CodeLength        Code = "length"
)

// CodeInfo describes a rule.
type CodeInfo struct {
	Code    Code
	Meaning string
}

// Codes lists every rule, in the order in which a recording is checked. docs/recordings.md shows this table.
func Codes() []CodeInfo {
	return []CodeInfo{
		{CodeNotRecording, "the directory has no meta.yaml, or is no directory"},
		{CodeMeta, "meta.yaml is not YAML, is empty, has an unknown key, a key of the wrong type, or a second document"},
		{CodeFormatNewer, "the recording was written by a newer grlscaler"},
		{CodeFormat, "the format number is missing or never existed"},
		{CodeApplication, "`application` is missing or not a name"},
		{CodeInterval, "`interval_s` is missing or outside 0.1 s to one day"},
		{CodeStart, "`start` is not an RFC 3339 time"},
		{CodeUnits, "`units` names an unknown column, or a unit other than the one that the format fixes"},
		{CodeLimits, "`cpu_limit_m` is not a positive number for each service"},
		{CodeNoTables, "there is no table at all"},
		{CodeFileUnknown, "a CSV file whose name is not a table's"},
		{CodeFileTwice, "a table is there both plain and gzipped"},
		{CodeFileRead, "a file cannot be read"},
		{CodeGzip, "a gzip file is cut off, damaged, or not gzip at all, or a plain name hides gzip"},
		{CodeFileEmpty, "a table without a header line"},
		{CodeNoRows, "a table with a header and nothing below it"},
		{CodeColumnUnknown, "a column that the table does not have"},
		{CodeColumnMissing, "a column that the table must have is not there"},
		{CodeColumnTwice, "a column that is there twice"},
		{CodeFields, "a line with more or fewer fields than the header, or an empty line between rows"},
		{CodeLine, "a line too long, or with a quotation mark that does not close"},
		{CodeName, "an empty or unusable name of an endpoint, service, node or pool: too long, not UTF-8, with control characters, commas or quotation marks"},
		{CodeNumber, "text where a number belongs"},
		{CodeNotFinite, "NaN or an infinity; a missing number is an empty cell"},
		{CodeNegative, "a negative number"},
		{CodeTooLarge, "a number too large to be meant"},
		{CodeFraction, "a share outside 0 to 1"},
		{CodeWhole, "a count that is not a whole number"},
		{CodePercentiles, "p50 above p95, or p95 above p99"},
		{CodeReady, "more ready replicas than replicas"},
		{CodeTimeOrder, "a time before that of the row above"},
		{CodeTimeGrid, "a time that is not a multiple of the interval"},
		{CodeClock, "a clock that was set: the times of a name go back, or more rows are missing in a row than `--fill` bridges"},
		{CodeDuplicate, "a second row for the same time and name"},
		{CodeGap, "rows are missing; an error unless gaps are allowed or filled, then a warning"},
		{CodeMissing, "empty cells of a rate, a count of replicas, CPU or memory that is known at other times (a warning)"},
		{CodeFill, "what `--fill` did (a warning), or a gap that it does not bridge"},
		{CodeUnknown, "an endpoint or a service that the application does not have; checked where an application is given (services are only warned of where the load alone is used)"},
		{CodeNoReplicas, "requests or CPU of a service with 0 replicas (a warning: it may have been scaled to zero within the interval)"},
		{CodeAboveLimit, "more than twice the CPU that the replicas of a service may use"},
		{CodeAboveNodes, "a service uses more CPU than all nodes have, or a node more than it has"},
		{CodeLength, "tables of different length (a warning)"},
	}
}
