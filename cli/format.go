package cli

import (
	"bytes"
	"errors"
	"regexp"
)

// formatPeek is how many bytes of an export are examined to recognize its format.
const formatPeek = 512

var (
	errGzip = errors.New("it is compressed with gzip: decompress it first, as in " +
		"gunzip -c users.json.gz | gin-auth import-users -")
	errBSON = errors.New("it is BSON, as mongodump writes it: use mongoexport, or " +
		"bsondump users.bson | gin-auth import-users -")
	errCSV     = errors.New("it is CSV: export JSON, with mongoexport without --type=csv")
	errMongosh = errors.New("it is output of mongosh, which is not JSON: use mongoexport, or print " +
		"EJSON.stringify(db.users.find().toArray()) in mongosh")
)

var (
	// mongoshObject matches the beginning of an object whose first name has no quotes.
	mongoshObject = regexp.MustCompile(`^\s*\[?\s*\{\s*[A-Za-z_$][\w$]*\s*:`)
	// csvHeader matches a first line with the names of columns.
	csvHeader = regexp.MustCompile(`(?i)^\s*"?[\w.$ ]+"?([,;\t]"?[\w.$ ]+"?)+\r?\n`)
)

// checkFormat returns an error if an export begins like one of another format. The error says what to do about it.
func checkFormat(begin []byte) error {
	begin = bytes.TrimPrefix(begin, []byte("\ufeff"))
	switch {
	case bytes.HasPrefix(begin, []byte("\x1f\x8b")):
		return errGzip
	case isBSON(begin):
		return errBSON
	case mongoshObject.Match(begin):
		return errMongosh
	case csvHeader.Match(begin):
		return errCSV
	default:
		return nil
	}
}

// isBSON reports whether the bytes begin like a BSON document of less than 16 MiB: its length, as four bytes of which
// the last is the highest, and the type of the first member.
func isBSON(begin []byte) bool {
	return len(begin) > 4 && begin[3] == 0 && (begin[0] >= 5 || begin[1] > 0 || begin[2] > 0) &&
		begin[4] > 0 && begin[4] <= 0x13
}
