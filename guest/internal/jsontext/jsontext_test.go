package jsontext

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// value takes any value in the shape that encoding/json gives it, so that the two can be compared.
func value(r *Reader) any {
	switch r.next() {
	case '{':
		object := map[string]any{}
		r.Object(func(name string) { object[name] = value(r) })
		return object
	case '[':
		array := []any{}
		r.Array(func() { array = append(array, value(r)) })
		return array
	case '"':
		return r.String()
	case 't', 'f':
		return r.Bool()
	default:
		return float64(r.Int())
	}
}

func TestValuesAreReadAsEncodingJSONReadsThem(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-7`, `9007199254740991`, `true`, `false`, ` { "a" : [ 1 , 2 ] , "b" : { "c" : "d" } } `,
		`"plain"`, `"\"\\\/\b\f\n\r\t"`, `"é ☃ 😀"`, `"\u00e9\u2603\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"a\u0000b"`,
		`[[[[]]],{"x":[true,false]}]`, `{"":""}`, "\"\u007f\"",
	} {
		r := New([]byte(text))
		got := value(r)
		if err := r.End(); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var want any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", text, got, want)
		}
	}
}

func TestWhatIsNotJSONIsRefused(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `}`, `[`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[1 2]`, `{a:1}`, `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"",
		`tru`, `truefalse`, `1.5`, `1e3`, `--1`, `99999999999999999999`, `{}{}`, `[]x`, `null`,
	} {
		r := New([]byte(text))
		value(r)
		if r.End() == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func TestRawReturnsTheTextOfAValue(t *testing.T) {
	for _, text := range []string{`{"a":[1,"}",null,1.5e-3]}`, `"x"`, `null`, `[]`} {
		r := New([]byte(" " + text + " "))
		if got := string(r.Raw()); got != text || r.End() != nil {
			t.Errorf("%s: %q, %v", text, got, r.End())
		}
	}
}

func TestValuesOfAnotherKindAreMistakes(t *testing.T) {
	for name, read := range map[string]func(r *Reader){
		"string": func(r *Reader) { _ = r.String() }, "bool": func(r *Reader) { r.Bool() }, "number": func(r *Reader) { r.Int() },
		"unsigned": func(r *Reader) { r.Uint() }, "array": func(r *Reader) { r.Strings() }, "object": func(r *Reader) { r.Object(func(string) { r.Raw() }) },
	} {
		for _, text := range []string{`nul`, `-1x`, `"a`, `nope`} {
			r := New([]byte(text))
			read(r)
			if r.End() == nil {
				t.Errorf("%s was read as %s", text, name)
			}
		}
	}
}

func TestNullIsAnEmptyArray(t *testing.T) {
	r := New([]byte(`null`))
	if got := r.Strings(); len(got) != 0 || r.End() != nil {
		t.Errorf("null is %q, %v", got, r.End())
	}
}

func TestNestingIsBounded(t *testing.T) {
	r := New([]byte(strings.Repeat("[", 1<<20)))
	if r.Raw(); r.End() == nil {
		t.Error("a million arrays in each other were read")
	}
}

func FuzzRaw(f *testing.F) {
	f.Add([]byte(`{"a":["\u00e9",1,true]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := New(text)
		raw := r.Raw()
		if r.End() != nil {
			return
		}
		if !bytes.Contains(text, raw) {
			t.Fatalf("%q is no part of %q", raw, text)
		}
	})
}

func TestStringsAreWrittenSoThatEncodingJSONReadsThem(t *testing.T) {
	var every []rune
	for c := rune(0); c < 0x300; c++ {
		every = append(every, c)
	}
	for value, want := range map[string]string{string(every): string(every), "☃ 😀": "☃ 😀", "": "", "a\xffb": "a\ufffdb"} {
		var got string
		if err := json.Unmarshal(AppendString(nil, value), &got); err != nil || got != want {
			t.Errorf("%q became %q, %v", value, got, err)
		}
	}
}
