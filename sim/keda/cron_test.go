package keda

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"
)

// epoch is a Monday.
var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := loadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func expr(t testing.TB, text string, z *time.Location) expression {
	t.Helper()
	e, err := parseCron(text, z)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestCronFiring: the next firing after a time and the last one no later than it. Expected times are by hand from the
// calendar; 2026-03-02 is a Monday, and clocks in New York went forward on 2026-03-08 at 2 and back on 2026-11-01 at 2.
func TestCronFiring(t *testing.T) {
	for _, c := range []struct{ name, cron, zone, at, last, next string }{
		{"every minute", "* * * * *", "Etc/UTC", "2026-03-02T09:00:30Z", "2026-03-02T09:00:00Z", "2026-03-02T09:01:00Z"},
		{"at the very moment", "0 9 * * *", "Etc/UTC", "2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"},
		{"just before", "0 9 * * *", "Etc/UTC", "2026-03-02T08:59:59Z", "2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z"},
		{"in a zone", "0 9 * * *", "Asia/Kolkata", "2026-03-02T09:00:00Z", "2026-03-02T03:30:00Z", "2026-03-03T03:30:00Z"},
		{"weekdays over a weekend", "0 18 * * 1-5", "Etc/UTC", "2026-03-02T09:00:00Z", "2026-02-27T18:00:00Z", "2026-03-02T18:00:00Z"},
		{"names of days and months", "0 0 * FEB sun", "Etc/UTC", "2026-03-02T09:00:00Z", "2026-02-22T00:00:00Z", "2027-02-07T00:00:00Z"},
		{"lists, ranges and steps", "10-30/10,55 9 * * *", "Etc/UTC", "2026-03-02T09:40:00Z", "2026-03-02T09:30:00Z", "2026-03-02T09:55:00Z"},
		{"N/step means from N on", "20/15 9 * * *", "Etc/UTC", "2026-03-02T09:40:00Z", "2026-03-02T09:35:00Z", "2026-03-02T09:50:00Z"},
		{"day of month or day of week, where both are given", "0 0 1 * 5", "Etc/UTC", "2026-03-03T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z"},
		{"once a year", "0 0 1 1 *", "Etc/UTC", "2026-03-02T09:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"29 February", "0 0 29 2 *", "Etc/UTC", "2026-03-02T09:00:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"29 February in the long gap", "0 0 29 2 *", "Etc/UTC", "1904-02-28T09:00:00Z", "1896-02-29T00:00:00Z", "1904-02-29T00:00:00Z"},
		{"the hour that is skipped", "30 2 * * *", "America/New_York", "2026-03-08T12:00:00Z", "2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"},
		{"the hour that comes twice, first time", "30 1 * * *", "America/New_York", "2026-11-01T05:45:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"},
		{"the hour that comes twice, second time", "30 1 * * *", "America/New_York", "2026-11-01T06:45:00Z", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := expr(t, c.cron, zone(t, c.zone))
			at := instant(t, c.at)
			if got, ok := e.last(at); !ok || !got.Equal(instant(t, c.last)) {
				t.Errorf("last: %v %v, want %s", got.UTC(), ok, c.last)
			}
			if got, ok := e.next(at); !ok || !got.Equal(instant(t, c.next)) {
				t.Errorf("next: %v %v, want %s", got.UTC(), ok, c.next)
			}
		})
	}
}

func TestCronNoFiringAhead(t *testing.T) {
	e := expr(t, "0 0 29 2 *", time.UTC)
	if at, ok := e.next(instant(t, "1896-03-01T00:00:00Z")); ok {
		t.Errorf("the library looks ahead to %v", at)
	}
	never := window{start: e, end: expr(t, "0 0 1 1 *", time.UTC), desired: 3}
	if !never.active(instant(t, "1896-03-01T00:00:00Z")) {
		t.Error("an end comes before a start that is infinitely far, but not active")
	}
	impossible, err := cronParser.Parse("0 0 30 2 *")
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := (expression{impossible.(*cron.SpecSchedule)}).last(epoch); ok {
		t.Errorf("30 February was %v", at)
	}
	endless := window{start: never.end, end: never.start, desired: 3}
	if endless.active(instant(t, "1896-03-01T00:00:00Z")) {
		t.Error("a start comes before an end that is infinitely far, but active")
	}
}

func TestCronRefused(t *testing.T) {
	for _, c := range []struct{ text, why string }{
		{"", "empty spec string"},
		{"* * * *", "expected exactly 5 fields, found 4"},
		{"0 0 8 * * *", "expected exactly 5 fields, found 6"},
		{"@daily", "does not accept descriptors"},
		{"@every 1h", "does not accept descriptors"},
		{"60 * * * *", "above maximum (59)"},
		{"* 24 * * *", "above maximum (23)"},
		{"* * 0 * *", "below minimum (1)"},
		{"* * * 13 *", "above maximum (12)"},
		{"* * * * 7", "above maximum (6)"},
		{"-1 * * * *", "failed to parse int"},
		{"5-1 * * * *", "beyond end of range"},
		{"*/0 * * * *", "should be a positive number"},
		{"1-2-3 * * * *", "too many hyphens"},
		{"1/2/3 * * * *", "too many slashes"},
		{"x * * * *", "failed to parse int"},
		{", * * * *", "no value for minute"},
		{"* , * * *", "no value for hour"},
		{"* * , * *", "no value for day of month"},
		{"* * * , *", "no value for month"},
		{"* * * * ,", "no value for day of week"},
		{"0 0 30 2 *", "there is no such day"},
		{"TZ=Europe/Berlin 0 8 * * *", "the time zone is given beside it"},
		{"CRON_TZ=0", "the time zone is given beside it"}, // on which the library panics
		{"TZ=", "the time zone is given beside it"},
		{"\x1b * * * *", "failed to parse int from  : "},
	} {
		_, err := parseCron(c.text, time.UTC)
		if err == nil || !strings.Contains(err.Error(), c.why) || !strings.HasPrefix(err.Error(), strconv.Quote(c.text)+": must be a cron expression of five fields") {
			t.Errorf("%q: %v, want %q", c.text, err, c.why)
		}
	}
}

func TestLoadZone(t *testing.T) {
	for _, name := range []string{"UTC", "Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"} {
		if z, err := loadZone(name); err != nil || z.String() != name {
			t.Errorf("%s: %v, %v", name, z, err)
		}
	}
	for _, name := range []string{"", "Local", "Mars/Base", "/etc/localtime", "../x", "Europe/Berlin\n"} {
		if _, err := loadZone(name); err == nil || !strings.Contains(err.Error(), "must be a name of the time zone database") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestWindow: active from start on, until just before end.
func TestWindow(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		name, start, end, at string
		want                 bool
	}{
		{"before", "0 8 * * *", "0 18 * * *", "2026-03-02T06:59:59Z", false},
		{"the moment of the start", "0 8 * * *", "0 18 * * *", "2026-03-02T07:00:00Z", true},
		{"inside", "0 8 * * *", "0 18 * * *", "2026-03-02T12:00:00Z", true},
		{"just before the end", "0 8 * * *", "0 18 * * *", "2026-03-02T16:59:59Z", true},
		{"the moment of the end", "0 8 * * *", "0 18 * * *", "2026-03-02T17:00:00Z", false},
		{"over midnight, before it", "0 22 * * *", "0 6 * * *", "2026-03-02T22:00:00Z", true},
		{"over midnight, after it", "0 22 * * *", "0 6 * * *", "2026-03-02T04:00:00Z", true},
		{"over midnight, outside", "0 22 * * *", "0 6 * * *", "2026-03-02T12:00:00Z", false},
		{"in summer time an hour earlier", "0 8 * * *", "0 18 * * *", "2026-07-06T06:00:00Z", true},
		{"weekdays on a Sunday", "0 8 * * 1-5", "0 18 * * 1-5", "2026-03-01T12:00:00Z", false},
		// Start fires every hour, end every second one. Where both come next at once upstream takes it as active, where start
		// comes before end as not active, although start has fired and end has not.
		{"start and end come at once", "0 * * * *", "0 */2 * * *", "2026-03-02T18:30:00Z", true}, // 19:30 in Berlin
		{"start comes again before end", "0 * * * *", "0 */2 * * *", "2026-03-02T17:30:00Z", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := window{start: expr(t, c.start, berlin), end: expr(t, c.end, berlin)}
			if got := w.active(instant(t, c.at)); got != c.want {
				t.Errorf("active %v, want %v", got, c.want)
			}
		})
	}
}

// testZones have whole and broken offsets, and summer times of an hour, half an hour, and from midnight.
var testZones = []string{
	"Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia",
}

// genCron draws an expression that fires.
func genCron(t *rapid.T, name string) string {
	field := func(what string, lo, hi int) string {
		switch rapid.IntRange(0, 5).Draw(t, name+" kind of "+what) {
		case 0, 1:
			return "*"
		case 2:
			return "*/" + strconv.Itoa(rapid.IntRange(1, hi).Draw(t, name+" step of "+what))
		case 3:
			a := rapid.IntRange(lo, hi).Draw(t, name+" from "+what)
			return strconv.Itoa(a) + "-" + strconv.Itoa(rapid.IntRange(a, hi).Draw(t, name+" to "+what))
		}
		return strconv.Itoa(rapid.IntRange(lo, hi).Draw(t, name+" "+what))
	}
	return strings.Join([]string{field("minute", 0, 59), field("hour", 0, 23), field("day", 1, 28), field("month", 1, 12), field("weekday", 0, 6)}, " ")
}

// TestPropertyCronLast: going through all firings from far enough back meets the last one last.
func TestPropertyCronLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z, err := loadZone(rapid.SampledFrom(testZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := parseCron(genCron(t, "cron"), z)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		got, ok := e.last(at)
		if !ok || got.After(at) {
			t.Fatalf("last %v, %v", got, ok)
		}
		if next, ok := e.next(got); !ok || !next.After(at) {
			t.Fatalf("last %v, but %v comes after it and no later than %v", got.In(z), next.In(z), at.In(z))
		}
		if again, ok := e.last(got); !ok || !again.Equal(got) {
			t.Fatalf("last at %v itself is %v", got, again)
		}
		if before, ok := e.last(got.Add(-time.Second)); ok {
			if next, _ := e.next(before); !next.Equal(got) {
				t.Fatalf("after %v comes %v, not %v", before.In(z), next.In(z), got.In(z))
			}
		}
	})
}

func FuzzParseCron(f *testing.F) {
	for _, s := range []string{"0 8 * * 1-5", "*/5 * * * *", "TZ=x", ", * * * *", "0 0 29 2 *", "@daily", "0 0 L * *", "\x1b * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseCron(text, time.UTC)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if last, ok := e.last(epoch); !ok || last.After(epoch) {
			t.Errorf("%q last fired at %v, %v", text, last, ok)
		}
	})
}
