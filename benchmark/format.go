package benchmark

import (
	"math"
	"strconv"
	"strings"
)

// formatFixed prints x with a fixed number of decimals, as files have it: empty for what is not defined, and
// never a negative zero.
func formatFixed(x float64, decimals int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return ""
	}
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if s[0] == '-' && strings.Trim(s, "-0.") == "" {
		return s[1:]
	}
	return s
}

// csvField quotes a field where CSV (RFC 4180) needs it.
func csvField(s string) string {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
