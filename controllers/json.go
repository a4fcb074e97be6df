package controllers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

const contentType = "application/json; charset=utf-8"

// messageBody is the body of an answer that has no other content.
type messageBody struct {
	Message string `json:"message"`
}

// Message answers with {"message": text}.
func Message(c *gin.Context, status int, text string) error {
	return JSON(c, status, messageBody{text})
}

// JSON answers with v. (gin's own would escape <, > and &.)
func JSON(c *gin.Context, status int, v any) error {
	body, err := session.EncodeJSON(v)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	c.Data(status, contentType, body)
	return nil
}

func invalid(message string) error { return &InvalidError{Message: message} }

// readFields reads a JSON object from the body and returns the named members, each of which must be a string with
// more than space in it. Names are compared with their case, as in the original.
func readFields(c *gin.Context, names ...string) (map[string]string, error) {
	body, err := readJSON(c.Request)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]string, len(names))
	for _, name := range names {
		var value string
		if raw, ok := body[name]; ok && json.Unmarshal(raw, &value) != nil { // null leaves it empty
			return nil, invalid(name + " must be a string")
		}
		fields[name] = value
		if strings.TrimSpace(fields[name]) == "" {
			return nil, invalid(name + " is required")
		}
	}
	return fields, nil
}

// readJSON reads the JSON object in the body. As in the original, a body of another type counts as none.
func readJSON(r *http.Request) (map[string]json.RawMessage, error) {
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != "application/json" {
		return nil, invalid("the body must be JSON, with Content-Type: application/json")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, &MediaTypeError{"the body must be UTF-8"}
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, &MediaTypeError{"the body must not be compressed"}
	}
	text, err := io.ReadAll(r.Body)
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return nil, tooLong
	}
	if err != nil {
		return nil, invalid("the body could not be read")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the original's parser drops a byte order mark
	var body map[string]json.RawMessage             // other members are not decoded: 1e999 is accepted, as there
	if err := json.Unmarshal(text, &body); err != nil || body == nil {
		return nil, invalid("the body is not a JSON object")
	}
	return body, nil
}
