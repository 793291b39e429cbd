// Package jsontext reads JSON that the host wrote for us. encoding/json learns the shape of each type by reflection, which costs
// a program that lives for some milliseconds a good part of one; here each type says itself where its fields go.
package jsontext

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Reader takes values off a JSON text, one after the other. After the first mistake it gives zero values, and End tells.
type Reader struct {
	text []byte
	at   int
	err  error
}

// mostNesting bounds the values in values that are passed over.
const mostNesting = 100

var errSyntax = errors.New("not the JSON that was expected")

// New begins at the start of text, which strings are copied from.
func New(text []byte) *Reader {
	return &Reader{text: text}
}

// End returns the first mistake; anything left but space is one.
func (r *Reader) End() error {
	if r.next() != 0 || r.at < len(r.text) {
		r.fail()
	}
	return r.err
}

// Unknown makes a field that nobody expects, or expects otherwise, a mistake.
func (r *Reader) Unknown(name string) {
	if r.err == nil {
		r.err = errors.New("field " + strconv.Quote(name) + " is not understood")
	}
	r.fail()
}

// Object calls field with the name of each field. It must take the value, if only with Raw.
func (r *Reader) Object(field func(name string)) {
	r.list('{', '}', func() {
		name := r.String()
		r.take(':')
		field(name)
	})
}

// Array calls element for each element, which it must take. null is an array without any.
func (r *Reader) Array(element func()) {
	if r.next() == 'n' && string(r.word()) == "null" {
		return
	}
	r.list('[', ']', element)
}

// Strings takes an array of strings.
func (r *Reader) Strings() []string {
	var all []string
	r.Array(func() { all = append(all, r.String()) })
	return all
}

// Bool takes true or false.
func (r *Reader) Bool() bool {
	word := string(r.word())
	if word != "true" && word != "false" {
		r.fail()
	}
	return word == "true"
}

// Int takes a whole number.
func (r *Reader) Int() int64 {
	number, err := strconv.ParseInt(string(r.word()), 10, 64)
	if err != nil {
		r.fail()
	}
	return number
}

// Uint takes a whole number that is not negative.
func (r *Reader) Uint() uint64 {
	number, err := strconv.ParseUint(string(r.word()), 10, 64)
	if err != nil {
		r.fail()
	}
	return number
}

// Raw takes any value and returns its text, which is part of the whole one.
func (r *Reader) Raw() []byte {
	r.next()
	start := r.at
	r.pass(mostNesting)
	if r.err != nil {
		return nil
	}
	return r.text[start:r.at]
}

// String takes a string.
func (r *Reader) String() string {
	r.take('"')
	start := r.at
	for r.err == nil && r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return string(r.text[start : r.at-1])
		case c == '\\':
			return r.unescape(append([]byte{}, r.text[start:r.at]...))
		case c < ' ':
			r.fail()
		}
		r.at++
	}
	r.fail()
	return ""
}

// unescape goes on with a string from its first backslash.
func (r *Reader) unescape(value []byte) string {
	for r.err == nil && r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return string(value)
		case c == '\\':
			value = r.escaped(value)
		case c < ' ':
			r.fail()
		default:
			value = append(value, c)
		}
	}
	r.fail()
	return ""
}

// escaped appends what the characters after a backslash stand for.
func (r *Reader) escaped(value []byte) []byte {
	if r.at == len(r.text) {
		r.fail()
		return value
	}
	c := r.text[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(value, c)
	case 'b':
		return append(value, '\b')
	case 'f':
		return append(value, '\f')
	case 'n':
		return append(value, '\n')
	case 'r':
		return append(value, '\r')
	case 't':
		return append(value, '\t')
	case 'u':
		return r.unit(value)
	}
	r.fail()
	return value
}

// unit appends the character of one \u, or of two that belong together. Half of such a pair becomes U+FFFD.
func (r *Reader) unit(value []byte) []byte {
	first := r.hex()
	if !utf16.IsSurrogate(first) {
		return utf8.AppendRune(value, first)
	}
	if r.at+1 < len(r.text) && r.text[r.at] == '\\' && r.text[r.at+1] == 'u' {
		before := r.at
		r.at += 2
		if whole := utf16.DecodeRune(first, r.hex()); whole != utf8.RuneError {
			return utf8.AppendRune(value, whole)
		}
		r.at = before
	}
	return utf8.AppendRune(value, utf8.RuneError)
}

func (r *Reader) hex() rune {
	if r.at+4 > len(r.text) {
		r.fail()
		return 0
	}
	number, err := strconv.ParseUint(string(r.text[r.at:r.at+4]), 16, 16)
	if err != nil {
		r.fail()
	}
	r.at += 4
	return rune(number)
}

// next passes over space and returns the byte after it without taking it; 0 at the end.
func (r *Reader) next() byte {
	for ; r.err == nil && r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (r *Reader) take(want byte) {
	if r.next() != want {
		r.fail()
		return
	}
	r.at++
}

func (r *Reader) list(open, end byte, element func()) {
	r.take(open)
	if r.next() == end {
		r.at++
		return
	}
	for r.err == nil {
		element()
		if r.next() != ',' {
			r.take(end)
			return
		}
		r.at++
	}
}

// word takes what neither is nor holds other values: a number, or a name such as true.
func (r *Reader) word() []byte {
	r.next()
	start := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' && c != '+' && c != '.' && c != 'E' {
			break
		}
		r.at++
	}
	return r.text[start:r.at]
}

// pass takes any value.
func (r *Reader) pass(nesting int) {
	if nesting == 0 {
		r.fail()
		return
	}
	switch r.next() {
	case '{':
		r.Object(func(string) { r.pass(nesting - 1) })
	case '[':
		r.Array(func() { r.pass(nesting - 1) })
	case '"':
		_ = r.String()
	default:
		if len(r.word()) == 0 {
			r.fail()
		}
	}
}

// fail notes the first mistake and ends the text, so that every loop ends.
func (r *Reader) fail() {
	if r.err == nil {
		r.err = errors.New("at byte " + strconv.Itoa(r.at) + ": " + errSyntax.Error())
	}
	r.at = len(r.text)
}
