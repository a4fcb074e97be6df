package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// File is the absolute path of a file.
type File string

// fileSuffix ends the name of the setting that names the file of a secret: JWT_SECRET_FILE for JWT_SECRET.
const fileSuffix = "_FILE"

const (
	maxSecretFile = 64 << 10
	maxPEMFile    = 1 << 20 // a bundle of all public CAs has a quarter of that
)

// readSecretFiles sets the value of each secret that is in a file.
func (p *findings) readSecretFiles() {
	for _, name := range settingNames {
		fileName := name + fileSuffix
		path := p.values[fileName]
		switch {
		case p.reported[fileName]: // in .env, in a wrong form
			p.reported[name] = true
		case path == "" || p.reported[name]:
		case p.values[name] != "":
			p.add(name, name+" and "+fileName+" are both set; keep one of them"+p.overrideHint([]string{name, fileName}))
		default:
			value, err := readSecret(File(path))
			if err != nil {
				p.wrong(fileName, err.Error())
				p.reported[name] = true
				continue
			}
			p.values[name], p.files[name] = value, path
		}
	}
}

// readSecret returns what the file contains, without one final line ending.
func readSecret(path File) (string, error) {
	text, err := path.read(maxSecretFile)
	if err != nil {
		return "", err
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case value == "":
		return "", errors.New("the file is empty")
	case !utf8.ValidString(value) || strings.Contains(value, "\x00"):
		return "", errors.New("the file is not text in UTF-8")
	}
	return value, nil
}

// read returns what the file contains, if that is not more than limit bytes. The error does not contain the path.
func (f File) read(limit int64) ([]byte, error) {
	if hasPEM(string(f)) {
		return nil, errors.New("this is what the file should contain, not its path")
	}
	if !filepath.IsAbs(string(f)) {
		return nil, errors.New("it does not begin with /")
	}
	switch info, err := os.Stat(string(f)); {
	case err != nil:
		return nil, withoutPath(err)
	case info.IsDir():
		return nil, errors.New("it is a directory (Docker creates one if the file to mount does not exist)")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	file, err := os.Open(string(f))
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("it has more than %d KiB", limit>>10)
	}
	return text, nil
}

// withoutPath returns what went wrong with a file.
func withoutPath(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("permission denied to the user of this process (uid %d)", os.Getuid())
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// isPath reports whether value can be shown as the path of a file. It might be the content of the file by mistake, and
// base64 may begin with a slash. So the first directory of the path must exist.
func isPath(value string) bool {
	if !strings.HasPrefix(value, "/") {
		return false
	}
	first, _, found := strings.Cut(value[1:], "/")
	info, err := os.Stat("/" + first)
	return err == nil && found && info.IsDir()
}
