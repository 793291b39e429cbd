package loopproxy

import (
	"errors"
	"strconv"
	"strings"
)

var errChunk = errors.New("a chunk is malformed")

// body finds the end of a request's body as its bytes pass: none, a length, or chunks (RFC 9112, 7.1):
//
//	size in hexadecimal [; extension] CRLF, that many bytes CRLF, …, 0 CRLF [trailers CRLF] CRLF
type body struct {
	// left is how many bytes are still to come: of the body, or of a chunk.
	left    uint64
	chunked bool
	state   chunkState
	// digits, of the size that is being read; line, of bytes of an extension or trailers.
	digits, line int
}

type chunkState byte

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkSizeEnd
	chunkData
	chunkDataCR
	chunkDataEnd
	trailerBegin
	trailerLine
	trailerLineEnd
	trailerEnd
	chunksDone
)

const (
	// mostDigits of a chunk's size: 2^60 bytes.
	mostDigits = 15
	// longestLine bounds an extension, and all trailers together.
	longestLine = 8 << 10
)

// bodyOf reads how long the body is. What two programs might read differently is refused.
func bodyOf(version string, fields []field) (body, error) {
	var made body
	lengths := 0
	for _, f := range fields {
		switch {
		case f.is("Content-Length"):
			n, err := strconv.ParseUint(f.value, 10, 60)
			if err != nil || f.value[0] == '+' || lengths > 0 {
				return body{}, errors.New("Content-Length is malformed")
			}
			lengths++
			made.left = n
		case f.is("Transfer-Encoding"):
			if made.chunked || !strings.EqualFold(f.value, "chunked") || version == "HTTP/1.0" {
				return body{}, errors.New("a Transfer-Encoding that is not passed on")
			}
			made.chunked = true
		}
	}
	if made.chunked && lengths > 0 {
		return body{}, errors.New("Content-Length and Transfer-Encoding contradict each other")
	}
	return made, nil
}

// take says how many of these bytes belong to the body. All that follow do not.
func (b *body) take(data []byte) (int, error) {
	if !b.chunked {
		n := min(uint64(len(data)), b.left)
		b.left -= n
		return int(n), nil
	}
	for i := 0; i < len(data); {
		if b.state == chunksDone {
			return i, nil
		}
		if b.state == chunkData {
			n := min(uint64(len(data)-i), b.left)
			b.left -= n
			i += int(n)
			if b.left == 0 {
				b.state = chunkDataCR
			}
			continue
		}
		if err := b.step(data[i]); err != nil {
			return 0, err
		}
		i++
	}
	return len(data), nil
}

// step takes one byte that is not content.
func (b *body) step(c byte) error {
	switch b.state {
	case chunkSize:
		return b.size(c)
	case chunkExtension:
		if c == '\r' {
			b.state = chunkSizeEnd
			return nil
		}
		return b.free(c)
	case chunkSizeEnd:
		b.line = 0
		if b.left == 0 {
			return b.want(c, '\n', trailerBegin)
		}
		return b.want(c, '\n', chunkData)
	case chunkDataCR:
		return b.want(c, '\r', chunkDataEnd)
	case chunkDataEnd:
		b.digits = 0
		return b.want(c, '\n', chunkSize)
	case trailerBegin, trailerLine:
		if c == '\r' {
			b.state = map[bool]chunkState{true: trailerEnd, false: trailerLineEnd}[b.state == trailerBegin]
			return nil
		}
		b.state = trailerLine
		return b.free(c)
	case trailerLineEnd:
		return b.want(c, '\n', trailerBegin)
	}
	return b.want(c, '\n', chunksDone)
}

func (b *body) want(c, wanted byte, next chunkState) error {
	if c != wanted {
		return errChunk
	}
	b.state = next
	return nil
}

func (b *body) size(c byte) error {
	switch digit := strings.IndexByte("0123456789abcdef", c|0x20); {
	case c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f':
		if b.digits++; b.digits > mostDigits {
			return errChunk
		}
		b.left = b.left<<4 | uint64(digit)
		return nil
	case b.digits == 0:
		return errChunk
	case c == '\r':
		b.state = chunkSizeEnd
		return nil
	case c == ';':
		b.state = chunkExtension
		return nil
	}
	return errChunk
}

// free takes a byte of an extension or a trailer.
func (b *body) free(c byte) error {
	if b.line++; b.line > longestLine || c < ' ' && c != '\t' || c == 0x7f {
		return errChunk
	}
	return nil
}
