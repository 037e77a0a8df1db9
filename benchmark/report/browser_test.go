package report

import (
	"bytes"
	"fmt"
	"html"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// browser finds a Chromium, or skips the test.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed (apt-get install chromium): the page is not opened in a browser")
	return ""
}

// probe measures the page from within, at the end of a copy of it, and tells the frame around it what it found.
const probe = `<script>
const out=[];
out.push("width "+document.documentElement.scrollWidth+" of "+window.innerWidth);
const box=document.querySelector("input.t1"),lines=document.querySelector("g.l.c1");
const shown=()=>getComputedStyle(lines).display;
out.push("checked "+shown());
document.querySelector('label[for="'+box.id+'"]').click();
out.push("unchecked "+shown());
const sizes=[...document.querySelectorAll("svg.panel")].map(s=>Math.round(s.getBoundingClientRect().width)).filter(w=>w>0);
out.push("panels "+Math.min(...sizes)+" to "+Math.max(...sizes));
const colours=new Set([...document.querySelectorAll("g.l path")].map(p=>getComputedStyle(p).stroke));
out.push("colours "+colours.size);
out.push("fetched "+performance.getEntriesByType("resource").length);
parent.postMessage(out.join("; "),"*");
</script></body>`

// window shows the page in so many pixels: windows of a browser are not as narrow as a phone.
const window = `<!DOCTYPE html><script>
addEventListener("message",e=>{document.body.setAttribute("data-probe",e.data)});
</script><body><iframe src="report.html" width="%d" height="2400" frameborder="0"></iframe></body>`

// own tells requests that Chromium makes for itself, whatever page is open.
var own = regexp.MustCompile(`^(CONNECT |[A-Z]+ http://)[a-z0-9.-]+\.(google|googleapis|gstatic)\.com[:/]`)

// opened is what a browser found in a page.
type opened struct {
	probe    string
	console  string   // its messages
	requests []string // first lines of requests that came to the proxy
}

// open lets a browser show a page. All requests would have to go through a proxy, which writes them down and answers none.
func open(t *testing.T, chromium string, page []byte, width int) *opened {
	t.Helper()
	o := &opened{}
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := proxy.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 200)
			n, _ := c.Read(buf)
			if line, _, _ := strings.Cut(string(buf[:n]), "\r\n"); !own.MatchString(line) {
				o.requests = append(o.requests, line)
			}
			c.Close()
		}
	}()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"report.html": bytes.Replace(page, []byte("</body>"), []byte(probe), 1), "window.html": fmt.Appendf(nil, window, width)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+t.TempDir(),
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps",
		"--proxy-server="+proxy.Addr().String(), "--enable-logging=stderr", "--hide-scrollbars",
		"--window-size=1400,2500", "--virtual-time-budget=5000", "--dump-dom", "file://"+filepath.Join(dir, "window.html"))
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	err = c.Run()
	proxy.Close()
	<-done
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if i := strings.Index(log.String(), "CONSOLE"); i >= 0 {
		o.console, _, _ = strings.Cut(log.String()[i:], "\n")
	}
	found := regexp.MustCompile(`data-probe="([^"]*)"`).FindStringSubmatch(out.String())
	if found == nil {
		t.Fatalf("the page did not come to its end:\n%.500s", log.String())
	}
	o.probe = html.UnescapeString(found[1])
	return o
}

// TestInABrowser opens the page as wide as a phone and as a desk: nothing sticks out, boxes hide lines, no message in the console, and
// no request, neither by the page's own account nor at the proxy.
func TestInABrowser(t *testing.T) {
	chromium := browser(t)
	page := write(t, made(5, 2, 3, 40))
	for _, width := range []int{390, 1280} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			o := open(t, chromium, page, width)
			t.Log(o.probe)
			if o.console != "" {
				t.Errorf("the console says: %s", o.console)
			}
			for _, line := range o.requests {
				t.Errorf("a request left the page: %s", line)
			}
			var scroll, inner, least, most int
			for _, part := range strings.Split(o.probe, "; ") {
				fmt.Sscanf(part, "width %d of %d", &scroll, &inner)
				fmt.Sscanf(part, "panels %d to %d", &least, &most)
			}
			if scroll > inner || inner != width {
				t.Errorf("the page is %d wide in a window of %d", scroll, inner)
			}
			if least < 280 || most > 460 {
				t.Errorf("panels are %d to %d wide", least, most)
			}
			// Four colours of the palette and the bound's ink.
			for _, want := range []string{"checked inline;", "unchecked none;", "colours 5;", "fetched 0"} {
				if !strings.Contains(o.probe, want) {
					t.Errorf("%q is missing in %q", want, o.probe)
				}
			}
		})
	}
	// A page that does what ours must not: the means of this test see it.
	bad := bytes.Replace(page, []byte("<main>"), []byte(`<main><img alt="" src="http://image.invalid/a.png"><script>console.error("oh")</script>`), 1)
	o := open(t, chromium, bad, 1280)
	if !slices.ContainsFunc(o.requests, func(line string) bool { return strings.Contains(line, "image.invalid/a.png") }) || !strings.Contains(o.console, "oh") {
		t.Errorf("requests %q and console %q of a page that fetches an image and complains", o.requests, o.console)
	}
}
