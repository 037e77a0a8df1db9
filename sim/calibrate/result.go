package calibrate

import "github.com/grlscaler/grlscaler/sim"

// Result is what a calibration found.
type Result struct {
	Fitted   []Fitted
	Kept     []Kept
	Warnings []string
	// Text is the application file with the fitted numbers in place, App what it decodes to.
	Text []byte
	App  *sim.App
}

// Fitted is a number that the recordings identify.
type Fitted struct {
	Key        string // service.operation.field or service.field
	Was, Value float64
	SE         float64 // standard error
	Intervals  int     // how many stretches of the recordings it rests on; starts, for a start-up
	Text, Wide string  // Value and SE as the file has them
	// Tied: only one factor was fitted for it and the same number of other operations. SE is that of the factor: it holds for their mean,
	// and for each as far as the application's proportion is right.
	Tied bool

	op, service int
	field       string
}

// Kept is a number, or several, that the recordings do not identify: the application's value stays.
type Kept struct {
	Keys   []string
	Reason string
	Cure   string
}

// estimate is a value with its standard error.
type estimate struct{ value, se float64 }

// ledger collects results.
type ledger struct {
	m      *model
	fitted []Fitted
	kept   []Kept
}

func (l *ledger) op(o int, field string, was float64, e estimate, n int, tied bool) {
	l.fitted = append(l.fitted, Fitted{Key: l.m.opKey(o, field), Was: was, Value: e.value, SE: e.se, Intervals: n, Tied: tied, op: o, service: -1, field: field})
}

func (l *ledger) service(s int, field string, was float64, e estimate, n int) {
	l.fitted = append(l.fitted, Fitted{Key: l.m.serviceKey(s, field), Was: was, Value: e.value, SE: e.se, Intervals: n, op: -1, service: s, field: field})
}

// keep notes that a number is not fitted. Those with one reason stand together.
func (l *ledger) keep(key, reason, cure string) {
	for i := range l.kept {
		if k := &l.kept[i]; k.Reason == reason && k.Cure == cure {
			k.Keys = append(k.Keys, key)
			return
		}
	}
	l.kept = append(l.kept, Kept{[]string{key}, reason, cure})
}

// WasText is the number that the application had, as short as it can be written.
func (f *Fitted) WasText() string { return plain(f.Was) }
