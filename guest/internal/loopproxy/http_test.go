package loopproxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentkernel/guest/internal/flow"
	"agentkernel/guest/internal/wire"
)

func clientOf(proxy string) *http.Client {
	at, _ := url.Parse(proxy)
	return &http.Client{Timeout: tooLong, Transport: &http.Transport{
		Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

var answering = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Seen", r.Method+" "+r.Host+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization")+r.Header.Get("Proxy-Connection"))
	_, _ = w.Write(body)
})

func TestRealClientsReachRealServers(t *testing.T) {
	plainServer := httptest.NewServer(answering)
	defer plainServer.Close()
	tlsServer := httptest.NewTLSServer(answering)
	defer tlsServer.Close()
	big := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	for _, c := range []struct {
		name, server, url string
		socks             bool
		want              flow.Request
	}{
		{"plain", plainServer.Listener.Addr().String(), "http://a.example.com/x?y=1", false, flow.Request{Op: "tcp", Dst: "a.example.com", Port: 80, Via: "proxy"}},
		{"CONNECT", tlsServer.Listener.Addr().String(), "https://a.example.com:8443/x?y=1", false, flow.Request{Op: "tcp", Dst: "a.example.com", Port: 8443, Via: "proxy"}},
		{"SOCKS", tlsServer.Listener.Addr().String(), "https://a.example.com/x?y=1", true, flow.Request{Op: "tcp", Dst: "a.example.com", Port: 443, Via: "proxy"}},
		{"SOCKS to an address", plainServer.Listener.Addr().String(), "http://[2001:db8::1]:81/x?y=1", true, flow.Request{Op: "tcp", Dst: "2001:db8::1", Port: 81, Via: "proxy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := begin(t, Options{}, reaching(c.server))
			client := clientOf("http://" + p.http)
			if c.socks {
				client = clientOf("socks5://" + p.socks)
			}
			for _, body := range [][]byte{nil, big} {
				for _, chunked := range []bool{false, true} {
					var from io.Reader = bytes.NewReader(body)
					if chunked {
						from = struct{ io.Reader }{from}
					}
					answer, err := client.Post(c.url, "text/plain", from)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(answer.Body)
					_ = answer.Body.Close()
					if err != nil || !bytes.Equal(got, body) {
						t.Fatalf("%d of %d bytes, %v", len(got), len(body), err)
					}
					at, _ := url.Parse(c.url)
					if seen := answer.Header.Get("Seen"); seen != "POST "+at.Host+" /x?y=1" {
						t.Fatalf("the server saw %q", seen)
					}
				}
			}
			if got := p.requests()[0]; got != c.want {
				t.Fatalf("asked for %+v", got)
			}
		})
	}
}

func TestTheAnswerOfTheHostIsAStatus(t *testing.T) {
	for code, want := range map[string]string{
		"denied": "403", "refused": "502", "unreachable": "502", "timed_out": "504", "too_many_streams": "503",
	} {
		p := begin(t, Options{}, func(s *wire.Stream, _ flow.Request) { s.Fail(code, "no rule allows it", 0) })
		for _, ask := range []string{"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n", "GET http://a.example.com/ HTTP/1.1\r\nHost: a.example.com\r\n\r\n"} {
			if got := p.say(p.http, ask); !strings.HasPrefix(got, "HTTP/1.1 "+want+" ") || !strings.HasSuffix(got, "no rule allows it\n") {
				t.Errorf("%s: %q", code, got)
			}
		}
	}
}

func TestWhatIsNotClearIsRefusedBeforeTheHostHears(t *testing.T) {
	p := begin(t, Options{}, echo)
	for name, ask := range map[string]string{
		"origin form":              "GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
		"https in plain":           "GET https://a.example.com/ HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
		"another Host":             "GET http://a.example.com/ HTTP/1.1\r\nHost: b.example.com\r\n\r\n",
		"another port in Host":     "GET http://a.example.com/ HTTP/1.1\r\nHost: a.example.com:81\r\n\r\n",
		"two Hosts":                "GET http://a.example.com/ HTTP/1.1\r\nHost: a.example.com\r\nHost: a.example.com\r\n\r\n",
		"userinfo":                 "GET http://a.example.com@b.example.com/ HTTP/1.1\r\n\r\n",
		"userinfo in CONNECT":      "CONNECT a@b.example.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT without a port":   "CONNECT a.example.com HTTP/1.1\r\n\r\n",
		"port 0":                   "CONNECT a.example.com:0 HTTP/1.1\r\n\r\n",
		"a port that is too large": "CONNECT a.example.com:65536 HTTP/1.1\r\n\r\n",
		"a port with a sign":       "CONNECT a.example.com:+443 HTTP/1.1\r\n\r\n",
		"a zone":                   "CONNECT [fe80::1%eth0]:443 HTTP/1.1\r\n\r\n",
		"brackets that stay open":  "CONNECT [::1:443 HTTP/1.1\r\n\r\n",
		"a folded header":          "GET http://a.example.com/ HTTP/1.1\r\nX: 1\r\n 2\r\n\r\n",
		"a space before the colon": "GET http://a.example.com/ HTTP/1.1\r\nContent-Length : 1\r\n\r\n",
		"a bare CR":                "GET http://a.example.com/ HTTP/1.1\r\nX: 1\rY: 2\r\n\r\n",
		"a bare LF":                "GET http://a.example.com/ HTTP/1.1\r\nX: 1\nY: 2\r\n\r\n",
		"NUL":                      "GET http://a.example.com/ HTTP/1.1\r\nX: \x00\r\n\r\n",
		"a space in the address":   "GET http://a.example.com/a b HTTP/1.1\r\n\r\n",
		"HTTP/2":                   "PRI * HTTP/2.0\r\n\r\n",
		"TRACE":                    "TRACE http://a.example.com/ HTTP/1.1\r\n\r\n",
		"CL and TE":                "POST http://a.example.com/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"two lengths":              "POST http://a.example.com/ HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
		"a length with a sign":     "POST http://a.example.com/ HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
		"an odd encoding":          "POST http://a.example.com/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"chunks in HTTP/1.0":       "POST http://a.example.com/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a name with a slash":      "CONNECT a/b:443 HTTP/1.1\r\n\r\n",
		"a name that is too long":  "CONNECT " + strings.Repeat("a", 254) + ":443 HTTP/1.1\r\n\r\n",
		"no host":                  "GET http:///x HTTP/1.1\r\n\r\n",
	} {
		if got := p.say(p.http, ask); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := p.say(p.http, "GET http://a.example.com/ HTTP/1.1\r\nX: "+strings.Repeat("x", longestHead)+"\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("a huge header: %.60q", got)
	}
	if n := len(p.requests()); n != 0 {
		t.Errorf("the host heard of %d", n)
	}
}

func TestOneConnectionServesOneRequest(t *testing.T) {
	heard := make(chan string, 1)
	p := begin(t, Options{Ask: 200 * time.Millisecond}, func(s *wire.Stream, _ flow.Request) {
		connected(s)
		var all []byte
		for !strings.HasSuffix(string(all), "hello") {
			m, err := s.Recv()
			if err != nil || m.Kind == wire.EOFType {
				break
			}
			all = append(all, m.Data...)
		}
		_ = s.Write(wire.Out, []byte("answer"))
		// It does not close, though it was told to.
		m, err := s.Recv()
		heard <- string(all) + string(m.Data)
		if err == nil {
			t.Error("more came")
		}
	})
	conn := p.dial(p.http)
	_, _ = io.WriteString(conn, "POST http://a.example.com HTTP/1.1\r\nConnection: keep-alive, x-mine\r\nX-Mine: 1\r\nX-Other: 2\r\n"+
		"Content-Length: 5\r\n\r\nhelloGET http://b.example.com/ HTTP/1.1\r\n\r\n")
	want := "POST / HTTP/1.1\r\nHost: a.example.com\r\nX-Other: 2\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
	if got := <-heard; got != want {
		t.Fatalf("%q", got)
	}
	got := make([]byte, 100)
	if n, err := conn.Read(got); err != nil || string(got[:n]) != "answer" {
		t.Fatalf("%q, %v", got[:n], err)
	}
	if _, err := conn.Read(got); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the connection goes on: %v", err)
	}
}

func TestAProgramThatDoesNotAskIsLetGo(t *testing.T) {
	p := begin(t, Options{Ask: 50 * time.Millisecond}, echo)
	for _, address := range []string{p.http, p.socks} {
		if got := p.say(address, "C"); got != "" {
			t.Errorf("%q", got)
		}
	}
}

func TestAnUpgradeIsATunnel(t *testing.T) {
	p := begin(t, Options{}, echo)
	conn := p.dial(p.http)
	_, _ = io.WriteString(conn, "GET http://a.example.com/ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05frame")
	_ = conn.CloseWrite()
	got, err := io.ReadAll(conn)
	want := "GET /ws HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05frame"
	if err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestAResetIsAResetOnBothSides(t *testing.T) {
	canceled := make(chan struct{})
	p := begin(t, Options{}, func(s *wire.Stream, r flow.Request) {
		connected(s)
		if r.Port == 1 {
			s.Fail("refused", "reset", 0)
			return
		}
		<-s.Canceled()
		close(canceled)
	})
	ask := func(port string) *net.TCPConn {
		conn := p.dial(p.http)
		_, _ = io.WriteString(conn, "CONNECT a.example.com:"+port+" HTTP/1.1\r\n\r\n")
		return conn
	}
	if _, err := io.ReadAll(ask("1")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
	conn := ask("2")
	_, _ = conn.Read(make([]byte, 100))
	_ = conn.SetLinger(0)
	_ = conn.Close()
	select {
	case <-canceled:
	case <-time.After(tooLong):
		t.Error("the host was not told")
	}
}

func TestWhenTheConnectionEndsSoDoTheProxies(t *testing.T) {
	p := begin(t, Options{}, echo)
	conn := p.dial(p.http)
	_, _ = io.WriteString(conn, "CONNECT a.example.com:443 HTTP/1.1\r\n\r\n")
	_, _ = conn.Read(make([]byte, 100))
	p.host.Close()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
	for begin := time.Now(); time.Since(begin) < tooLong; time.Sleep(time.Millisecond) {
		other, err := net.Dial("tcp", p.socks)
		if err != nil {
			return
		}
		_ = other.Close()
	}
	t.Error("still listening")
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	p := begin(t, Options{Connections: 3}, echo)
	first := p.dial(p.http)
	_, _ = io.WriteString(first, "CONNECT a.example.com:443 HTTP/1.1\r\n\r\n")
	_, _ = first.Read(make([]byte, 100))
	// Each listener holds one place while it waits for a connection.
	second := p.dial(p.http)
	third := p.dial(p.http)
	for _, conn := range []*net.TCPConn{second, third} {
		_, _ = io.WriteString(conn, "CONNECT a.example.com:443 HTTP/1.1\r\n\r\n")
	}
	_ = first.Close()
	_ = second.SetReadDeadline(time.Now().Add(tooLong))
	if _, err := second.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
	if _, err := third.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
}
