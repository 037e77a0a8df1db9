package promclient

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// retries is how often a request is repeated.
const retries = 5

// The wait before the first repetition, doubled each time, and the longest that a server's Retry-After is heeded.
const (
	firstWait   = time.Second
	longestWait = time.Minute
)

// maxBody is the most bytes of one answer.
const maxBody = 1 << 30

// failure is an attempt that failed.
type failure struct {
	error
	again bool          // another one may succeed
	after time.Duration // not before that, as the server says; 0 = it does not say
}

// ask sends a query for one part of a range and repeats it where that may help.
func (c *Client) ask(ctx context.Context, query string, part Range) (*apiAnswer, error) {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		answer, failed := c.attempt(ctx, query, part)
		if failed == nil {
			return answer, nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !failed.again:
			return nil, c.redact(failed.error)
		case attempt > retries:
			return nil, c.redact(fmt.Errorf("%w (%d attempts)", failed.error, attempt))
		}
		if err := c.opt.Wait(ctx, min(max(wait, failed.after), longestWait)); err != nil {
			return nil, err
		}
		wait *= 2
	}
}

// attempt sends a query once.
func (c *Client) attempt(ctx context.Context, query string, part Range) (*apiAnswer, *failure) {
	u := *c.base
	u.Path += "/api/v1/query_range"
	values := part.parameters(query)
	values.Set("partial_response", "false") // Thanos: rather an error than an answer of the stores that are there
	u.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, &failure{error: err}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "grlscaler")
	if c.opt.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.opt.Token)
	}
	if c.opt.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", c.opt.Tenant)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.sendFailure(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, c.sendFailure(err)
	case len(body) > maxBody:
		return nil, &failure{error: fmt.Errorf("the answer is longer than %d bytes; ask for a shorter range, or add series up with sum by (...)", maxBody)}
	}
	return c.judge(resp, body)
}

// sendFailure words why no answer came.
func (c *Client) sendFailure(err error) *failure {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the URL, which holds the whole query
	}
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	var elsewhere errElsewhere
	switch {
	case errors.As(err, &elsewhere):
		return &failure{error: elsewhere}
	case errors.As(err, &unknown):
		return &failure{error: fmt.Errorf("its certificate is not trusted: %w; give the CA that signed it with --ca-file", err)}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &failure{error: fmt.Errorf("no answer within %v", c.opt.Timeout), again: true}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return &failure{error: errors.New("the connection broke off"), again: true}
	}
	return &failure{error: err}
}

// judge decides what an answer is worth.
func (c *Client) judge(resp *http.Response, body []byte) (*apiAnswer, *failure) {
	var answer apiAnswer
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	isJSON := kind == "application/json"
	var bad error
	if isJSON {
		bad = json.Unmarshal(body, &answer)
	}
	said := "" // what the server says of the failure
	switch {
	case isJSON && bad == nil && answer.Status == "error":
		said = ": " + oneLine(answer.ErrorType+": "+answer.Error)
	case len(body) > 0 && !isJSON && !strings.Contains(kind, "html"):
		said = ": " + oneLine(string(body))
	}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, &failure{error: fmt.Errorf("%s%s; check the token", status(resp), said)}
	case code == http.StatusNotFound && !isJSON:
		return nil, &failure{error: fmt.Errorf("%s; is %s the address below which api/v1/query_range is?", status(resp), c.base)}
	case code == http.StatusTooManyRequests || code >= 500:
		return nil, &failure{error: fmt.Errorf("%s%s", status(resp), said), again: true, after: retryAfter(resp)}
	case code != http.StatusOK:
		return nil, &failure{error: fmt.Errorf("%s%s", status(resp), said)}
	case !isJSON:
		return nil, &failure{error: fmt.Errorf("the answer is %s, not JSON; is %s the address of Prometheus, and not of a page to log in?", orNothing(kind), c.base)}
	case bad != nil:
		return nil, &failure{error: fmt.Errorf("the answer is not JSON of Prometheus: %w", bad)}
	case answer.Status != "success":
		return nil, &failure{error: fmt.Errorf("the server says %s%s", orNothing(answer.Status), said)}
	case answer.Data.ResultType != "matrix":
		return nil, &failure{error: fmt.Errorf("the answer is a %s, not a matrix", orNothing(answer.Data.ResultType))}
	}
	return &answer, nil
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return oneLine(text)
}

// status is a response's status, in words.
func status(resp *http.Response) string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
}

// retryAfter is how long the server asks to wait, in seconds; dates are not heeded, as they need its clock.
func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, int(longestWait/time.Second))) * time.Second
}

// oneLine makes a server's text fit for a message: one line, not long, and nothing that a terminal would obey.
func oneLine(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == ' ' {
			return r
		}
		return ' '
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
