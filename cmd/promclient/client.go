package promclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say whom to ask, and how.
type Options struct {
	URL    string // of the server: that below which api/v1/query_range is
	Token  string // bearer token; "" = none
	Tenant string // X-Scope-OrgID, which Mimir wants of servers with several tenants; "" = none
	CA     []byte // PEM certificates to trust instead of the system's; nil = the system's

	Points  int           // most points of a series in one answer; 0 = MaxPoints
	Timeout time.Duration // of one attempt; 0 = two minutes

	Wait     func(ctx context.Context, d time.Duration) error // between attempts; nil = Sleep
	Progress func(done, all int, what string)                 // before each request and at the end; nil = none
	Proxy    func(*http.Request) (*url.URL, error)            // as in http.Transport
}

// Client asks one server.
type Client struct {
	opt  Options
	base *url.URL
	http *http.Client
}

// New makes a client.
func New(opt Options) (*Client, error) {
	base, err := url.Parse(opt.URL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, fmt.Errorf("%q is not the URL of a server, such as https://prometheus.example.org:9090", hidePassword(opt.URL))
	case base.User != nil:
		return nil, errors.New("the URL holds a user or password, which would end up in logs; use a bearer token")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("%q has more than a path behind the server; leave ? and # and what follows out", opt.URL)
	}
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), "/api/v1/query_range")
	if !validHeader(opt.Token) {
		return nil, errors.New("the token holds spaces, line breaks or other characters that no token has; is it the right file?")
	}
	if !validHeader(opt.Tenant) {
		return nil, fmt.Errorf("%q is not a tenant", opt.Tenant)
	}
	if opt.Token != "" && base.Scheme == "http" && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("the token would be sent to %s unencrypted; use https, or a tunnel to localhost", base.Host)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if opt.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(opt.CA) {
			return nil, errors.New("the CA file holds no PEM certificate")
		}
	}
	if opt.Points == 0 {
		opt.Points = MaxPoints
	}
	if opt.Points < 2 || opt.Points > MaxPoints {
		return nil, fmt.Errorf("%d points in an answer are not from 2 to %d", opt.Points, MaxPoints)
	}
	if opt.Timeout == 0 {
		opt.Timeout = 2 * time.Minute
	}
	if opt.Wait == nil {
		opt.Wait = Sleep
	}
	if opt.Progress == nil {
		opt.Progress = func(int, int, string) {}
	}
	c := &Client{opt: opt, base: base}
	c.http = &http.Client{
		Timeout:       opt.Timeout,
		Transport:     &http.Transport{TLSClientConfig: config, Proxy: opt.Proxy, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		CheckRedirect: c.redirect,
	}
	return c, nil
}

// Host is the server's name and port.
func (c *Client) Host() string { return c.base.Host }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Sleep waits, or returns the context's error when it ends before.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// hidePassword takes user and password out of a URL that cannot be parsed.
func hidePassword(text string) string {
	if i := strings.LastIndex(text, "@"); i >= 0 {
		return "..." + text[i:]
	}
	return text
}

// validHeader reports whether a text can be sent in a header: no header's value may hold line breaks.
func validHeader(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// errElsewhere is the error of a redirect to another server.
type errElsewhere struct{ to string }

func (e errElsewhere) Error() string {
	return "it redirects to " + e.to + ": give that address if it is the right one, or a token if it is a page to log in"
}

// redirect follows redirects on the same server alone: elsewhere there may be a page to log in, and the token is not for others.
func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	if req.URL.Host != c.base.Host || req.URL.Scheme != c.base.Scheme {
		return errElsewhere{req.URL.Scheme + "://" + req.URL.Host + req.URL.Path}
	}
	if len(via) >= 5 {
		return errors.New("it redirects in a circle")
	}
	return nil
}

// redact takes the token out of an error's text: a server may send it back.
func (c *Client) redact(err error) error {
	if err == nil || c.opt.Token == "" || !strings.Contains(err.Error(), c.opt.Token) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), c.opt.Token, "[token]"))
}
