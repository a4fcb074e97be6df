package session

// These functions scan valid JSON byte by byte.

const jsonSpace = " \t\r\n"

// skip removes whitespace, commas and colons from the beginning of text.
func skip(text string) string {
	for i := range len(text) {
		switch text[i] {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return text[i:]
		}
	}
	return ""
}

// next splits text after the value at its beginning.
func next(text string) (value, rest string) {
	var end int
	switch text[0] {
	case '"':
		end = endOfString(text)
	case '{', '[':
		end = endOfNested(text)
	default:
		end = endOfWord(text)
	}
	return text[:end], text[end:]
}

// endOfWord returns the length of the number, true, false or null at the beginning of text.
func endOfWord(text string) int {
	for i := range len(text) {
		switch text[i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return len(text)
}

// endOfNested returns the length of the object or array at the beginning of text.
func endOfNested(text string) int {
	depth := 0
	for i := 0; ; i++ {
		switch text[i] {
		case '"':
			i += endOfString(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// endOfString returns the length of the string at the beginning of text, including its quotes, or -1 if it is not
// closed, which is impossible in valid JSON.
func endOfString(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
