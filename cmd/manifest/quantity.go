package manifest

import (
	"errors"
	"math"
	"math/big"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// quantityForm is the form of a quantity, with a bound on its digits and its exponent: for 1e1000000000 the parser of
// apimachinery would write out the digits.
var quantityForm = regexp.MustCompile(`^[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?$`)

func parseQuantity(s string) (resource.Quantity, error) {
	if !quantityForm.MatchString(s) {
		return resource.Quantity{}, errors.New("not a quantity; write a number with at most one unit, such as 250m, 0.5 or 64Mi")
	}
	return resource.ParseQuantity(s)
}

// ParseMillis reads a quantity, such as 250m, 0.5 or 64Mi, in thousandths, rounded up as Kubernetes does.
func ParseMillis(s string) (int64, error) {
	q, err := parseQuantity(s)
	if err != nil {
		return 0, err
	}
	v, _, ok := scaled(q, 3)
	if !ok {
		return 0, errors.New("too large")
	}
	return v, nil
}

// scaled returns q in units of 10^-digits. What is finer is rounded away from zero, as Quantity.MilliValue and Value
// do; exact is false then. ok is false if the result does not fit, where those would wrap around.
func scaled(q resource.Quantity, digits int) (v int64, exact, ok bool) {
	q = q.DeepCopy() // AsDec changes how it is stored
	dec := q.AsDec()
	n := new(big.Int).Set(dec.UnscaledBig())
	exponent := digits - int(dec.Scale())
	exact = true
	if power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil); exponent >= 0 {
		n.Mul(n, power)
	} else {
		rest := new(big.Int)
		n.QuoRem(n, power, rest)
		if rest.Sign() != 0 {
			exact = false
			n.Add(n, big.NewInt(int64(rest.Sign())))
		}
	}
	return n.Int64(), exact, n.IsInt64()
}

// millis returns a quantity in thousandths; a mistake is reported.
func (o *object) millis(p path, q resource.Quantity) int64 {
	v, exact, ok := scaled(q, 3)
	switch {
	case !ok:
		o.errorf(p, "%s: must be at most %d", q.String(), int64(math.MaxInt64/1000))
	case !exact:
		o.warnf(p, "%s: counts as %dm, as Kubernetes computes in thousandths", q.String(), v)
	}
	return v
}

// bytes returns a quantity of memory. It is bounded so that it can be counted in thousandths as well, as HPAs do.
func (o *object) bytes(p path, q resource.Quantity) int64 {
	if _, _, ok := scaled(q, 3); !ok {
		o.errorf(p, "%s: must be at most %d", q.String(), int64(math.MaxInt64/1000))
	}
	v, exact, _ := scaled(q, 0)
	if !exact {
		o.warnf(p, "%s: counts as %d bytes; m means thousandths, M millions and Mi 1024 times 1024", q.String(), v)
	}
	return v
}

// Resources are amounts of CPU and memory; nil is "not given".
type Resources struct {
	CPUMillis *int64
	MemBytes  *int64
}

// resources converts CPU and memory; other resources, such as ephemeral-storage, do not scale anything here.
func (o *object) resources(p path, list corev1.ResourceList) Resources {
	var out Resources
	for _, f := range []struct {
		name    corev1.ResourceName
		convert func(path, resource.Quantity) int64
		to      **int64
	}{{corev1.ResourceCPU, o.millis, &out.CPUMillis}, {corev1.ResourceMemory, o.bytes, &out.MemBytes}} {
		q, ok := list[f.name]
		if !ok {
			continue
		}
		at := p.at(string(f.name))
		if q.Sign() < 0 {
			o.errorf(at, "%s: must not be negative", q.String())
		}
		v := f.convert(at, q)
		*f.to = &v
	}
	return out
}

// above reports amounts of low that are above those of high: requests above limits, minima above maxima.
func (o *object) above(p path, low, high Resources, highName string) {
	for _, f := range []struct {
		name      string
		low, high *int64
		unit      string
	}{{"cpu", low.CPUMillis, high.CPUMillis, "m"}, {"memory", low.MemBytes, high.MemBytes, " bytes"}} {
		if f.low != nil && f.high != nil && *f.low > *f.high {
			o.errorf(p.at(f.name), "%d%s: must be at most %s, which is %d%s", *f.low, f.unit, highName, *f.high, f.unit)
		}
	}
}
