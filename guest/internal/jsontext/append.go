package jsontext

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// AppendString appends value as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func AppendString(text []byte, value string) []byte {
	text = append(text, '"')
	for _, c := range value {
		switch {
		case c == '"' || c == '\\':
			text = append(text, '\\', byte(c))
		case c == '\n':
			text = append(text, '\\', 'n')
		case c == utf8.RuneError:
			text = append(text, `\ufffd`...)
		case c < ' ':
			text = append(text, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			text = utf8.AppendRune(text, c)
		}
	}
	return append(text, '"')
}
