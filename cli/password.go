package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPasswordLine is how many bytes of standard input are read for a password.
const maxPasswordLine = 4096

// newPassword asks for a password twice on a terminal, without echo. Otherwise it reads one line of standard input.
func newPassword(cmd *cobra.Command) (string, error) {
	if terminal, ok := terminalOf(cmd.InOrStdin()); ok {
		return promptTwice(cmd.Context(), terminal, cmd.ErrOrStderr())
	}
	return readLine(cmd.InOrStdin())
}

// terminalOf returns the stream as a terminal, and whether it is one.
func terminalOf(stream any) (*os.File, bool) {
	file, ok := stream.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

func readLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	if line == "" {
		return "", errors.New("reading the password: standard input has none")
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func promptTwice(ctx context.Context, terminal *os.File, out io.Writer) (string, error) {
	first, err := prompt(ctx, terminal, out, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := prompt(ctx, terminal, out, "The same again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

// prompt reads a line without echo. If ctx ends in the meantime, it turns the echo of the terminal on again.
func prompt(ctx context.Context, terminal *os.File, out io.Writer, question string) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	type answer struct {
		password []byte
		err      error
	}
	_, _ = fmt.Fprint(out, question)
	defer func() { _, _ = fmt.Fprintln(out) }()
	answered := make(chan answer, 1)
	go func() {
		password, err := term.ReadPassword(fd)
		answered <- answer{password, err}
	}()
	select {
	case a := <-answered:
		if a.err != nil {
			return "", fmt.Errorf("reading the password: %w", a.err)
		}
		return string(a.password), nil
	case <-ctx.Done(): // the read continues until the process ends
		_ = term.Restore(fd, before)
		return "", errors.New("interrupted")
	}
}
