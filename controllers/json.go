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

// contentType is the Content-Type of every response with a body. The slice must not be changed.
var contentType = []string{"application/json; charset=utf-8"}

// messageBody is the body of a response that has only a message.
type messageBody struct {
	Message string `json:"message"`
}

// Message answers with {"message": text}.
func Message(c *gin.Context, status int, text string) error {
	return JSON(c, status, messageBody{text})
}

// JSON answers with v as JSON. (gin's own encoder escapes <, > and &.)
func JSON(c *gin.Context, status int, v any) error {
	body, err := session.EncodeJSON(v)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	return writeJSON(c, status, string(body))
}

// writeJSON answers with a body that is already JSON.
func writeJSON(c *gin.Context, status int, body string) error {
	c.Writer.Header()["Content-Type"] = contentType
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.WriteString(body) // it fails if the client has disconnected
	return nil
}

func invalid(message string) error { return &InvalidError{Message: message} }

// fields are the members of a JSON object. Names are case-sensitive, as in the original.
type fields map[string]json.RawMessage

// has reports whether the object has a member that is not null.
func (f fields) has(name string) bool {
	value, ok := f[name]
	return ok && string(value) != "null"
}

// read decodes the named member into value. It leaves value unchanged if there is no such member or it is null. what
// describes the required value, for the error message.
func (f fields) read(name string, value any, what string) error {
	if f.has(name) && json.Unmarshal(f[name], value) != nil {
		return invalid(name + " must be " + what)
	}
	return nil
}

// text returns the named member, which must be a string, or "" if there is none.
func (f fields) text(name string) (text string, err error) {
	err = f.read(name, &text, "a string")
	return text, err
}

// texts returns the named members. Each must be a string that is not blank.
func (f fields) texts(names ...string) (map[string]string, error) {
	texts := make(map[string]string, len(names))
	for _, name := range names {
		text, err := f.text(name)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) == "" {
			return nil, invalid(name + " is required")
		}
		texts[name] = text
	}
	return texts, nil
}

// readFields reads the JSON object in the body. As in the original, a body with another Content-Type counts as missing.
func readFields(r *http.Request) (fields, error) {
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
	var body fields                                 // as in the original, 1e999 is accepted if nothing reads it
	if err := json.Unmarshal(text, &body); err != nil || body == nil {
		return nil, invalid("the body is not a JSON object")
	}
	return body, nil
}
