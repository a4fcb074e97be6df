package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gin-auth/db"
	"gin-auth/user"
)

const oid = "65a1b2c3d4e5f60718293a4b"

// line is a document of an export, with more fields if there are any.
func line(email string, fields ...string) string {
	return `{"email":"` + email + `","password":"` + hash + `"` + strings.Join(append([]string{""}, fields...), ",") + "}\n"
}

// TestImport checks what an import stores in a Redis with one user, what it prints and its exit status.
func TestImport(t *testing.T) {
	t.Parallel()
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	old := user.User{ID: "old", Email: "old@b.c", Username: "Old", Role: "admin", PasswordHash: "old", Disabled: true, Created: then}
	ada := user.User{ID: oid, Email: "ada@b.c", Username: "Ada", Role: "user", PasswordHash: hash, Created: time.Unix(0x65a1b2c3, 0).UTC()}
	adaLine := line("ada@b.c", `"_id":{"$oid":"`+oid+`"}`, `"name":"Ada"`)
	const dated = `"created":"2020-01-02T03:04:05Z"`
	for name, test := range map[string]struct {
		in      string
		flags   []string
		status  int
		summary string
		stderr  string
		want    map[string]user.User // what is stored, except old
		old     user.User            // what old becomes, if it changes
	}{
		"nothing":   {in: "", summary: "imported 0, kept 0 existing, 0 documents read"},
		"one":       {in: adaLine, summary: "imported 1, kept 0 existing, 1 document read", want: map[string]user.User{"ada@b.c": ada}},
		"array":     {in: "[" + adaLine + "]", summary: "imported 1, kept 0 existing, 1 document read", want: map[string]user.User{"ada@b.c": ada}},
		"an exists": {in: line("old@b.c") + adaLine, summary: "imported 1, kept 1 existing, 2 documents read", want: map[string]user.User{"ada@b.c": ada}},
		"no name": {
			in: line("x.y@b.c", dated, `"role":"staff"`), summary: "imported 1, kept 0 existing, 1 of them named after their email, 1 document read",
			want: map[string]user.User{"x.y@b.c": {ID: "new", Email: "x.y@b.c", Username: "x.y", Role: "staff", PasswordHash: hash, Created: then}},
		},
		"bad lines": {
			in: "{\n" + adaLine + line("nobody") + "\n" + `{"email":"x@b.c"}`, status: 3,
			summary: "imported 1, kept 0 existing, 3 documents not taken, 4 documents read",
			stderr:  "line 1: not valid JSON (at byte 3 of it)\nline 3: email is not a valid address\nline 5: password is missing\n",
			want:    map[string]user.User{"ada@b.c": ada},
		},
		"bad elements": {
			in: "[" + line("nobody") + "," + adaLine + ",7]", status: 3,
			summary: "imported 1, kept 0 existing, 2 documents not taken, 3 documents read",
			stderr:  "line 1, element 1: email is not a valid address\nline 3, element 3: not a JSON object\n",
			want:    map[string]user.User{"ada@b.c": ada},
		},
		"broken array": {
			in: "[" + adaLine + ",{x}," + line("x@b.c") + "]", status: 1,
			summary: "imported 1, kept 0 existing, 1 document read",
			stderr:  "gin-auth: importing standard input: line 2, element 2: not valid JSON; nothing after it was read (what the summary counts is done)\n",
			want:    map[string]user.User{"ada@b.c": ada},
		},
		"gzip": {
			in: "\x1f\x8b\x08\x00" + adaLine, status: 1, summary: "imported 0, kept 0 existing, 0 documents read",
			stderr: "gin-auth: importing standard input: it is compressed with gzip: decompress it first, as in gunzip -c users.json.gz | gin-auth import-users - (what the summary counts is done)\n",
		},
		"BSON": {
			in: "\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00", status: 1, summary: "imported 0, kept 0 existing, 0 documents read",
			stderr: "gin-auth: importing standard input: it is BSON, as mongodump writes it: use mongoexport, or bsondump users.bson | gin-auth import-users - (what the summary counts is done)\n",
		},
		"CSV": {
			in: "\ufeff_id,email,\"password\"\r\nObjectId(1),ada@b.c,x\r\n", status: 1, summary: "imported 0, kept 0 existing, 0 documents read",
			stderr: "gin-auth: importing standard input: it is CSV: export JSON, with mongoexport without --type=csv (what the summary counts is done)\n",
		},
		"mongosh": {
			in: "[\n  {\n    _id: ObjectId('" + oid + "'),\n    email: 'ada@b.c'\n  }\n]\n", status: 1, summary: "imported 0, kept 0 existing, 0 documents read",
			stderr: "gin-auth: importing standard input: it is output of mongosh, which is not JSON: use mongoexport, or print EJSON.stringify(db.users.find().toArray()) in mongosh (what the summary counts is done)\n",
		},
		"array cut off": {
			in: "[" + adaLine + `,{"email":`, status: 1,
			summary: "imported 1, kept 0 existing, 1 document read",
			stderr:  "gin-auth: importing standard input: line 2, element 2: the file ends in the middle of the array (what the summary counts is done)\n",
			want:    map[string]user.User{"ada@b.c": ada},
		},
		"twice, the first": {
			in: adaLine + line("Ada@b.c", `"name":"Other"`), summary: "imported 1, kept 1 existing, 2 documents read",
			want: map[string]user.User{"ada@b.c": ada},
		},
		"twice, the last": {
			in: line("ADA@b.c", `"name":"Other"`, `"role":"x"`) + adaLine, flags: []string{"--overwrite"}, summary: "imported 1, replaced 1, 2 documents read",
			want: map[string]user.User{"ada@b.c": {ID: oid, Email: "ada@b.c", Username: "Ada", Role: "x", PasswordHash: hash, Created: ada.Created}},
		},
		"overwrites what is said": {
			in: line("old@b.c"), flags: []string{"--overwrite"}, summary: "imported 0, replaced 1, 1 document read",
			old: user.User{ID: "old", Email: "old@b.c", Username: "Old", Role: "admin", PasswordHash: hash, Disabled: true, Created: then},
		},
		"overwrites all": {
			in: line("old@b.c", `"_id":7`, `"username":"New"`, `"role":"user"`, `"createdAt":{"$date":"2021-01-02T03:04:05Z"}`), flags: []string{"--overwrite"},
			summary: "imported 0, replaced 1, 1 document read",
			old:     user.User{ID: "7", Email: "old@b.c", Username: "New", Role: "user", PasswordHash: hash, Disabled: true, Created: then.AddDate(1, 0, 0)},
		},
		"dry": {
			in: adaLine + line("old@b.c") + "x\n", flags: []string{"--dry-run"}, status: 3,
			summary: "nothing written, would import 1, keep 1 existing, 1 document not taken, 3 documents read",
			stderr:  "line 3: not valid JSON (at byte 1 of it)\n",
		},
		"dry, overwriting": {
			in: adaLine + line("old@b.c"), flags: []string{"--dry-run", "--overwrite", "--quiet"},
			summary: "nothing written, would import 1, replace 1, 2 documents read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, store, server := startRedis(t)
			if _, err := store.CreateUser(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			status, stdout, stderr := run(t, o, test.in, append([]string{"import-users", "-"}, test.flags...)...)
			if status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			if summary, took, _ := strings.Cut(stdout, " in "); summary != test.summary || !strings.HasSuffix(took, "s\n") {
				t.Errorf("summary %q, want %q", stdout, test.summary)
			}
			if stderr != test.stderr {
				t.Errorf("complained\n%s\nwant\n%s", stderr, test.stderr)
			}
			if test.want == nil {
				test.want = map[string]user.User{}
			}
			if test.want[old.Email] = test.old; test.old == (user.User{}) {
				test.want[old.Email] = old
			}
			for email, want := range test.want {
				got, _, err := store.UserByEmail(t.Context(), email)
				if want.ID == "new" && len(got.ID) == 24 {
					got.ID = "new"
				}
				if got != want || err != nil {
					t.Errorf("%s is\n%+v, %v\nwant\n%+v", email, got, err, want)
				}
			}
			if got := len(server.Keys()); got != len(test.want) {
				t.Errorf("%d users are stored, want %d", got, len(test.want))
			}
		})
	}
}

// TestImportTwice imports several batches, and then imports them again.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	o, _, server := startRedis(t)
	var export strings.Builder
	for i := range 2*batchSize + 500 {
		export.WriteString(line(fmt.Sprintf("%d@b.c", i), `"name":"x"`))
	}
	file := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(file, []byte(export.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flag, want string
	}{
		{"--quiet", "imported 2,500, kept 0 existing, 2,500 documents read"},
		{"--quiet", "imported 0, kept 2,500 existing, 2,500 documents read"},
		{"--overwrite", "imported 0, replaced 2,500, 2,500 documents read"},
	} {
		status, stdout, stderr := run(t, o, "", "import-users", test.flag, file)
		if status != 0 || !strings.HasPrefix(stdout, test.want) || stderr != "" {
			t.Errorf("exit status %d, %q, %q, want %q", status, stdout, stderr, test.want)
		}
		if got := len(server.Keys()); got != 2500 {
			t.Errorf("%d users are stored", got)
		}
	}
}

// TestImportInterrupted interrupts an import that waits for input. Its complete batches are stored.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	o, _, server := startRedis(t)
	in, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for i := range batchSize + 1 { // the last one completes the batch before it
			_, _ = io.WriteString(writer, line(fmt.Sprintf("%d@b.c", i)))
		}
		for len(server.Keys()) < batchSize {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	var stdout, stderr strings.Builder
	root := New(o)
	connect(root, in, &stdout, &stderr, []string{"import-users", "-"})
	if status := Execute(ctx, root); status != 1 {
		t.Errorf("exit status %d", status)
	}
	if !strings.HasPrefix(stdout.String(), "imported 1,000, ") {
		t.Errorf("summary %q", &stdout)
	}
	if want := "gin-auth: importing standard input: interrupted (what the summary counts is done)\n"; stderr.String() != want {
		t.Errorf("complained %q, want %q", &stderr, want)
	}
}

// TestImportOverFaults retries what Redis has refused, and counts nothing twice.
func TestImportOverFaults(t *testing.T) {
	t.Parallel()
	_, store, server := startRedis(t)
	server.SetError("LOADING Redis is loading the dataset in memory")
	tries := 0
	back := writerFunc(func(p []byte) (int, error) {
		if tries++; tries == 2 {
			server.SetError("")
		}
		return len(p), nil
	})
	i := testImporter(store, back, 5)
	err := i.run(t.Context(), strings.NewReader(line("ada@b.c")+line("bob@b.c")))
	if want := (counts{read: 2, imported: 2, unnamed: 2}); err != nil || i.count != want || tries != 2 {
		t.Errorf("after %d tries got %+v, %v", tries, i.count, err)
	}

	server.SetError("OOM command not allowed")
	i = testImporter(store, io.Discard, 2)
	err = i.run(t.Context(), strings.NewReader(line("eve@b.c")))
	if want := (counts{read: 1}); err == nil || !strings.Contains(err.Error(), "OOM") || i.count != want {
		t.Errorf("got %+v, %v", i.count, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	i = testImporter(store, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), 1)
	i.pauses[0] = time.Hour
	if err := i.run(ctx, strings.NewReader(line("eve@b.c"))); !errors.Is(err, errInterrupted) {
		t.Errorf("interrupted in a pause got %v", err)
	}
}

func testImporter(store *db.DB, out io.Writer, pauses int) *importer {
	i := &importer{store: store, progress: newProgress(out, true, -1)}
	for range pauses {
		i.pauses = append(i.pauses, time.Millisecond)
	}
	return i
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestBatches checks that no email is in a batch twice, and that the progress of the batches adds up to the export.
func TestBatches(t *testing.T) {
	t.Parallel()
	ada := line("ada@b.c")
	in := line("eve@b.c") + ada + ada + line("eve@b.c") + "x\n" + ada + "\n"
	var users []int
	progress := int64(0)
	for b := range batches(t.Context(), strings.NewReader(in)) {
		users = append(users, len(b.users))
		progress += b.bytes
	}
	if want := []int{2, 2, 1}; !slices.Equal(users, want) || progress != int64(len(in)) {
		t.Errorf("batches of %d users, %d bytes, want %d users, %d bytes", users, progress, want, len(in))
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 12_345: "12,345", 1_000_000: "1,000,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: got %s", n, got)
		}
	}
}
