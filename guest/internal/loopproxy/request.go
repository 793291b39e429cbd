package loopproxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"agentkernel/guest/internal/flow"
)

// request is what a program asked the HTTP proxy for.
type request struct {
	target  flow.Request
	connect bool
	// upgrade: the connection becomes something else than HTTP when the other side agrees.
	upgrade bool
	// head is what the other side gets, without CONNECT.
	head []byte
	body body
}

// field is one header, as it was written.
type field struct{ name, value string }

func (f field) is(name string) bool { return strings.EqualFold(f.name, name) }

// parseRequest reads the head of a request, empty line included. What another program might read differently is refused.
func parseRequest(head []byte) (request, error) {
	lines := strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
	method, uri, version, err := parseLine(lines[0])
	if err != nil {
		return request{}, err
	}
	fields, err := parseFields(lines[1:])
	if err != nil {
		return request{}, err
	}
	if method == "CONNECT" {
		goal, err := target(uri, 0)
		if err != nil {
			return request{}, err
		}
		return request{target: goal, connect: true}, nil
	}
	return plainRequest(method, uri, version, fields)
}

func parseLine(line string) (method, uri, version string, err error) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0") {
		return "", "", "", errors.New("that is no request of HTTP/1")
	}
	for _, c := range []byte(parts[1]) {
		if c <= ' ' || c >= 0x7f {
			return "", "", "", errors.New("the address has a character that it must not have")
		}
	}
	return parts[0], parts[1], parts[2], nil
}

func parseFields(lines []string) ([]field, error) {
	fields := make([]field, 0, len(lines))
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found || !isToken(name) {
			return nil, errors.New("a header is malformed")
		}
		for _, c := range []byte(value) {
			if c < ' ' && c != '\t' || c == 0x7f {
				return nil, errors.New("a header has a control character")
			}
		}
		fields = append(fields, field{name, strings.Trim(value, " \t")})
	}
	return fields, nil
}

func isToken(text string) bool {
	for _, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return text != ""
}

// plainRequest is one for http://: the other side gets it with the path alone.
func plainRequest(method, uri, version string, fields []field) (request, error) {
	const scheme = "http://"
	if method == "TRACE" {
		return request{}, errors.New("TRACE is not passed on")
	}
	if len(uri) < len(scheme) || !strings.EqualFold(uri[:len(scheme)], scheme) {
		return request{}, errors.New("a proxy is asked with CONNECT or with an address that begins with http://")
	}
	authority, path := uri[len(scheme):], "/"
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority, path = authority[:end], authority[end:]
	}
	if strings.Contains(path, "#") {
		return request{}, errors.New("the address has a fragment")
	}
	if path[0] == '?' {
		path = "/" + path
	}
	goal, err := target(authority, 80)
	if err != nil {
		return request{}, err
	}
	if err := checkHost(goal, fields); err != nil {
		return request{}, err
	}
	made := request{target: goal}
	if made.body, err = bodyOf(version, fields); err != nil {
		return request{}, err
	}
	made.upgrade, made.head = rewrite(method+" "+path+" "+version, authority, fields)
	return made, nil
}

// checkHost refuses a Host that is not the one of the address.
func checkHost(goal flow.Request, fields []field) error {
	seen := false
	for _, f := range fields {
		if !f.is("Host") {
			continue
		}
		host, err := target(f.value, 80)
		if seen || err != nil || !strings.EqualFold(host.Dst, goal.Dst) || host.Port != goal.Port {
			return errors.New("Host is not the host of the address")
		}
		seen = true
	}
	return nil
}

// rewrite makes the head that the other side gets: without what is between the program and us, and for one request only.
func rewrite(line, authority string, fields []field) (upgrade bool, head []byte) {
	dropped := map[string]bool{
		"connection": true, "proxy-connection": true, "proxy-authorization": true, "keep-alive": true, "te": true, "host": true, "upgrade": true,
	}
	protocol := ""
	for _, f := range fields {
		switch {
		case f.is("Connection"):
			for _, name := range strings.Split(f.value, ",") {
				name = strings.ToLower(strings.Trim(name, " \t"))
				upgrade = upgrade || name == "upgrade"
				if name != "content-length" && name != "transfer-encoding" {
					dropped[name] = true
				}
			}
		case f.is("Upgrade"):
			protocol = f.value
		}
	}
	upgrade = upgrade && protocol != ""
	out := &bytes.Buffer{}
	fmt.Fprintf(out, "%s\r\nHost: %s\r\n", line, authority)
	for _, f := range fields {
		if !dropped[strings.ToLower(f.name)] {
			fmt.Fprintf(out, "%s: %s\r\n", f.name, f.value)
		}
	}
	if upgrade {
		fmt.Fprintf(out, "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	} else {
		out.WriteString("Connection: close\r\n\r\n")
	}
	return upgrade, out.Bytes()
}
