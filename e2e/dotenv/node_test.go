package dotenv

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// parseWithNode returns what the three versions of dotenv read in each file. It runs node once.
func parseWithNode(t *testing.T, texts []string) [][]variables {
	t.Helper()
	var in bytes.Buffer
	for _, text := range texts {
		fmt.Fprintf(&in, "%q\n", base64.StdEncoding.EncodeToString([]byte(text)))
	}
	out := harness.RunNode(t, in.Bytes(), "dotenv/parse.js")
	var answers [][]variables
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var answer []variables
		if err := d.Decode(&answer); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("reading the output of parse.js: %v", err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(texts) {
		t.Fatalf("parse.js gave %d answers to %d texts", len(answers), len(texts))
	}
	return answers
}
