// Package scope gets a place for control groups from the user's own systemd, for users whose login session has none.
//
// A process of a login session may not move itself to where its user may make groups: the kernel asks for the right to
// write to the closest group above both, which is root's. The user's manager can have it moved. So once for each login a
// scope unit is made, kept alive by a process that does nothing, and every run asks to be attached to it:
//
//	…/user@UID.service/app.slice/agentkernel.scope/keeper   the process that keeps the unit alive
//	                                              /launch   where helpers are attached
//	                                              /runs     one group for each run, which the helper joins by itself
package scope

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A D-Bus message, little-endian: byte order, type, flags, version; length of the body; serial; header fields as an array of
// (code, variant), padded to 8 bytes; the body. See the D-Bus specification, "Message Protocol".
const (
	littleEndian    = 'l'
	protocolVersion = 1
	methodCall      = 1
	methodReturn    = 2
	methodError     = 3

	fieldPath        = 1
	fieldInterface   = 2
	fieldMember      = 3
	fieldErrorName   = 4
	fieldReplySerial = 5
	fieldDestination = 6
	fieldSignature   = 8

	fixedHeader = 16
	// maxMessage bounds what the other side may send, in bytes; the answers to our calls have a hundred or two.
	maxMessage = 64 << 10
)

var errMalformed = errors.New("the answer is not a D-Bus message")

// encoder appends values, each aligned as the protocol wants, counted from where it began.
type encoder struct{ bytes []byte }

func (e *encoder) align(to int) {
	for len(e.bytes)%to != 0 {
		e.bytes = append(e.bytes, 0)
	}
}

func (e *encoder) uint32(value uint32) {
	e.align(4)
	e.bytes = binary.LittleEndian.AppendUint32(e.bytes, value)
}

func (e *encoder) uint64(value uint64) {
	e.align(8)
	e.bytes = binary.LittleEndian.AppendUint64(e.bytes, value)
}

func (e *encoder) text(value string) {
	e.uint32(uint32(len(value)))
	e.bytes = append(append(e.bytes, value...), 0)
}

func (e *encoder) signature(value string) {
	e.bytes = append(e.bytes, byte(len(value)))
	e.bytes = append(append(e.bytes, value...), 0)
}

// array writes a length that does not count the padding before the first element.
func (e *encoder) array(elementAlign int, elements func()) {
	e.uint32(0)
	length := len(e.bytes) - 4
	e.align(elementAlign)
	start := len(e.bytes)
	elements()
	binary.LittleEndian.PutUint32(e.bytes[length:], uint32(len(e.bytes)-start))
}

// property is one (sv) of an array of properties.
func (e *encoder) property(name, signature string, value func()) {
	e.align(8)
	e.text(name)
	e.signature(signature)
	value()
}

// call is a method call. Body is encoded by itself: it begins at a multiple of 8.
type call struct {
	destination, path, iface, member string
	signature                        string
	body                             []byte
}

func (c call) encode(serial uint32) []byte {
	e := &encoder{bytes: []byte{littleEndian, methodCall, 0, protocolVersion}}
	e.uint32(uint32(len(c.body)))
	e.uint32(serial)
	field := func(code byte, signature, value string) {
		e.align(8)
		e.bytes = append(e.bytes, code)
		e.signature(signature)
		if signature == "g" {
			e.signature(value)
		} else {
			e.text(value)
		}
	}
	e.array(8, func() {
		field(fieldPath, "o", c.path)
		field(fieldMember, "s", c.member)
		field(fieldInterface, "s", c.iface)
		field(fieldDestination, "s", c.destination)
		if c.signature != "" {
			field(fieldSignature, "g", c.signature)
		}
	})
	e.align(8)
	return append(e.bytes, c.body...)
}

// frameSize reads from the fixed part of a header how long header fields and body are, with their padding.
func frameSize(head []byte) (int, error) {
	if len(head) < fixedHeader || head[0] != littleEndian || head[3] != protocolVersion {
		return 0, errMalformed
	}
	body := uint64(binary.LittleEndian.Uint32(head[4:]))
	fields := uint64(binary.LittleEndian.Uint32(head[12:]))
	rest := (fields+7)&^7 + body
	if rest > maxMessage {
		return 0, fmt.Errorf("an answer of %d bytes is too long", rest)
	}
	return int(rest), nil
}

// reply is what we need to know of a message from the other side.
type reply struct {
	kind        byte
	replySerial uint32
	errorName   string
	// errorText is the first value of an error's body, when that is text.
	errorText string
}

// decode reads a whole message: the fixed part and what frameSize announced.
func decode(message []byte) (reply, error) {
	rest, err := frameSize(message)
	if err != nil || len(message) != fixedHeader+rest {
		return reply{}, errMalformed
	}
	out := reply{kind: message[1]}
	end := fixedHeader + int(binary.LittleEndian.Uint32(message[12:]))
	d := &decoder{bytes: message[:end], at: fixedHeader}
	signature := ""
	for d.at < end && !d.failed {
		d.align(8)
		code, kind := d.byte(), d.signature()
		switch kind {
		case "u":
			value := d.uint32()
			if code == fieldReplySerial {
				out.replySerial = value
			}
		case "s", "o":
			value := d.text()
			if code == fieldErrorName {
				out.errorName = value
			}
		case "g":
			value := d.signature()
			if code == fieldSignature {
				signature = value
			}
		default:
			d.failed = true
		}
	}
	if d.failed {
		return reply{}, errMalformed
	}
	if out.kind == methodError && len(signature) > 0 && signature[0] == 's' {
		body := &decoder{bytes: message[(end+7)&^7:]}
		out.errorText = body.text()
	}
	return out, nil
}

// decoder reads aligned values; after the first that does not fit, failed is set and every value is empty.
type decoder struct {
	bytes  []byte
	at     int
	failed bool
}

func (d *decoder) take(count int) []byte {
	if d.failed || count < 0 || count > len(d.bytes)-d.at {
		d.failed = true
		return nil
	}
	d.at += count
	return d.bytes[d.at-count : d.at]
}

func (d *decoder) align(to int) { d.take((to - d.at%to) % to) }

func (d *decoder) byte() byte {
	if raw := d.take(1); raw != nil {
		return raw[0]
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	d.align(4)
	if raw := d.take(4); raw != nil {
		return binary.LittleEndian.Uint32(raw)
	}
	return 0
}

func (d *decoder) terminated(length int) string {
	raw := d.take(length + 1)
	if raw == nil || raw[length] != 0 {
		d.failed = true
		return ""
	}
	return string(raw[:length])
}

func (d *decoder) text() string {
	length := d.uint32()
	if length > maxMessage {
		d.failed = true
		return ""
	}
	return d.terminated(int(length))
}

func (d *decoder) signature() string { return d.terminated(int(d.byte())) }
