package scope

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// golden reads a message as systemd's own client, `busctl`, writes it.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	message, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestOurCallsAreByteForByteThoseOfSystemdsOwnClient(t *testing.T) {
	for name, got := range map[string][]byte{
		"hello":  hello.encode(1),
		"start":  startScope(4242).encode(2),
		"attach": attach(4242).encode(2),
	} {
		if want := golden(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
	}
}

// answer is a message to us as a manager would write it.
func answer(kind byte, to uint32, name, text string) []byte {
	body := &encoder{}
	if text != "" {
		body.text(text)
	}
	e := &encoder{bytes: []byte{littleEndian, kind, 1, protocolVersion}}
	e.uint32(uint32(len(body.bytes)))
	e.uint32(7)
	field := func(code byte, signature string, value func()) {
		e.align(8)
		e.bytes = append(e.bytes, code)
		e.signature(signature)
		value()
	}
	e.array(8, func() {
		field(fieldReplySerial, "u", func() { e.uint32(to) })
		if name != "" {
			field(fieldErrorName, "s", func() { e.text(name) })
		}
		if text != "" {
			field(fieldSignature, "g", func() { e.signature("s") })
		}
	})
	e.align(8)
	return append(e.bytes, body.bytes...)
}

func TestAnErrorIsReadWithItsNameAndText(t *testing.T) {
	got, err := decode(answer(methodError, 3, errUnitExists, "Unit is there."))
	want := reply{kind: methodError, replySerial: 3, errorName: errUnitExists, errorText: "Unit is there."}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestEveryCutAndEveryWrongByteOfAnAnswerIsReadOrRefused(t *testing.T) {
	whole := answer(methodError, 3, errUnitExists, "Unit is there.")
	for cut := range whole {
		if _, err := decode(whole[:cut]); err == nil {
			t.Errorf("cut to %d bytes it was read", cut)
		}
	}
	for at := range whole {
		for _, value := range []byte{0, 1, 0x7f, 0xff} {
			changed := bytes.Clone(whole)
			changed[at] = value
			_, _ = decode(changed)
		}
	}
}

func TestAnAnswerThatIsTooLongIsRefusedBeforeItIsRead(t *testing.T) {
	head := []byte{littleEndian, methodReturn, 0, protocolVersion, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}
	if _, err := frameSize(head); err == nil {
		t.Fatal("accepted")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(answer(methodReturn, 1, "", ""))
	f.Add(answer(methodError, 3, errUnitExists, "Unit is there."))
	f.Fuzz(func(_ *testing.T, message []byte) { _, _ = decode(message) })
}
