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
)

const contentType = "application/json; charset=utf-8"

// message is the body of an answer that says nothing else.
type message struct {
	Message string `json:"message"`
}

// Message answers with {"message": text}.
func Message(c *gin.Context, status int, text string) error {
	return JSON(c, status, message{text})
}

// JSON answers with v as the original's JSON.stringify writes it: <, > and & as they are (gin's JSON
// escapes them), no line break at the end.
func JSON(c *gin.Context, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	c.Data(status, contentType, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	return nil
}

// readFields reads a JSON object from the body and returns the named members, each of which has to be
// a text that is not empty. Names are told apart by case, as the original does.
func readFields(c *gin.Context, names ...string) (map[string]string, error) {
	body, err := readJSON(c.Request)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]string, len(names))
	for _, name := range names {
		var value string
		if raw, ok := body[name]; ok && json.Unmarshal(raw, &value) != nil { // null leaves it empty
			return nil, &InvalidError{name + " must be a string"}
		}
		fields[name] = value
		if strings.TrimSpace(fields[name]) == "" {
			return nil, &InvalidError{name + " is required"}
		}
	}
	return fields, nil
}

// readJSON reads the JSON object in the body. As at the original, a body of another type counts as
// none.
func readJSON(r *http.Request) (map[string]json.RawMessage, error) {
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != "application/json" {
		return nil, &InvalidError{"the body must be JSON, with Content-Type: application/json"}
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
		return nil, &InvalidError{"the body could not be read"}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the original's parser drops a byte order mark
	var body map[string]json.RawMessage             // what nobody asks for isn't decoded: 1e999 is fine, as there
	if err := json.Unmarshal(text, &body); err != nil || body == nil {
		return nil, &InvalidError{"the body is not a JSON object"}
	}
	return body, nil
}
