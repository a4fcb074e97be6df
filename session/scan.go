package session

// These functions read JSON that has been found to be valid, byte by byte.

const jsonSpace = " \t\r\n"

// skip drops the space, commas and colons before a value.
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

// next splits text into the value that it begins with and the rest.
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

// endOfWord returns the length of the number, or of the true, false or null, that text begins with.
func endOfWord(text string) int {
	for i := range len(text) {
		switch text[i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return len(text)
}

// endOfNested returns the length of the object or array that text begins with.
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

// endOfString returns the length of the string that text begins with, including its quotes, or -1 if it is not closed,
// which is impossible in valid JSON.
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
