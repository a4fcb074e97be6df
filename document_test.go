package main

import (
	_ "embed" // the schema of OpenAPI
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// openAPI is the schema of OpenAPI 3.1 at openAPISource, unchanged. The OpenAPI Initiative publishes it under the
// Apache License 2.0.
//
//go:embed testdata/openapi-3.1.json
var openAPI string

const openAPISource = "https://spec.openapis.org/oas/3.1/schema/2022-10-07"

// newDescription returns an error if text is not a valid OpenAPI 3.1 document.
func newDescription(text string) (*description, error) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	var document any
	var errs error
	for _, resource := range [][2]string{{openAPISource, openAPI}, {closedForm, text}, {openForm, text}} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(resource[1]))
		if resource[0] == closedForm {
			closeObjects(value)
		}
		errs = errors.Join(errs, err, compiler.AddResource(resource[0], value))
		document = value
	}
	valid, err := compiler.Compile(openAPISource)
	if errs = errors.Join(errs, err); errs != nil {
		return nil, errs
	}
	if err := valid.Validate(document); err != nil {
		return nil, fmt.Errorf("not an OpenAPI 3.1 document: %w", err)
	}
	root, _ := document.(map[string]any)
	d := &description{whole: part{root: root, members: root}}
	d.cookie, _ = d.whole.get("components", "securitySchemes", "session").members["name"].(string)
	return d, d.compile(compiler)
}

// closeObjects adds "additionalProperties": false to the schemas of objects that do not have the keyword.
func closeObjects(document any) {
	_ = walk("", document, func(_ string, members map[string]any) error {
		if members["additionalProperties"] == nil && (members["properties"] != nil || members["type"] == "object") {
			members["additionalProperties"] = false
		}
		return nil
	})
}

// compile compiles both forms of each schema. It returns an error for a reference to a part that does not exist.
func (d *description) compile(compiler *jsonschema.Compiler) error {
	d.schemas = map[string]*jsonschema.Schema{}
	return walk("", d.whole.root, func(pointer string, members map[string]any) (err error) {
		if members["$ref"] != nil && d.whole.follow(members).members == nil {
			return fmt.Errorf("%s: no such part: %s", pointer, members["$ref"])
		}
		for _, form := range []string{openForm, closedForm} {
			if location := form + pointer + "/schema"; members["schema"] != nil && err == nil {
				d.schemas[location], err = compiler.Compile(location)
			}
		}
		return err
	})
}

// walk calls do with each object in value and its JSON pointer.
func walk(pointer string, value any, do func(pointer string, members map[string]any) error) error {
	var err error
	switch value := value.(type) {
	case map[string]any:
		err = do(pointer, value)
		for name, member := range value {
			err = errors.Join(err, walk(pointer+"/"+escape.Replace(name), member, do))
		}
	case []any:
		for i, member := range value {
			err = errors.Join(err, walk(pointer+"/"+strconv.Itoa(i), member, do))
		}
	}
	return err
}

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~0", "~", "~1", "/")
)

// part is an object in the document.
type part struct {
	root    map[string]any // the document
	pointer string         // a JSON pointer
	members map[string]any // nil if there is no such part
}

// get returns the part below p at path. It follows references.
func (p part) get(path ...string) part {
	for _, name := range path {
		members, _ := p.members[name].(map[string]any)
		p.pointer += "/" + escape.Replace(name)
		p = p.follow(members)
	}
	return p
}

// follow returns p with other members or, if they are a reference, the part that it refers to.
func (p part) follow(members map[string]any) part {
	p.members = members
	ref, ok := members["$ref"].(string)
	if !ok {
		return p
	}
	p = part{root: p.root, members: p.root}
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		p = p.get(unescape.Replace(name))
	}
	return p
}
