package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

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
	adaLine := line("ada@b.c", `"_id":{"$oid":"`+oid+`"}`, `"username":"Ada"`)
	const nothing = "imported 0, kept 0 existing, 0 documents read"
	const dated = `"created":"2020-01-02T03:04:05Z"`
	for name, test := range map[string]struct {
		in      string
		flags   []string
		status  int
		summary string
		stderr  string
		want    map[string]user.User // what is stored, except old
		old     user.User            // what old becomes, if it changes
		moved   bool                 // old is no longer at their email
	}{
		"nothing":    {in: "", summary: "imported 0, kept 0 existing, 0 documents read"},
		"one":        {in: adaLine, summary: "imported 1, kept 0 existing, 1 document read", want: map[string]user.User{"ada@b.c": ada}},
		"array":      {in: "[" + adaLine + "]", summary: "imported 1, kept 0 existing, 1 document read", want: map[string]user.User{"ada@b.c": ada}},
		"one exists": {in: line("old@b.c") + adaLine, summary: "imported 1, kept 1 existing, 2 documents read", want: map[string]user.User{"ada@b.c": ada}},
		"no name": {
			in: line("x.y@b.c", dated, `"role":"staff"`, `"name":{"first":"X","last":"Y"}`), summary: "imported 1, kept 0 existing, 1 of them without a username, 1 document read",
			want: map[string]user.User{"x.y@b.c": {ID: "new", Email: "x.y@b.c", FullName: user.FullName{First: "X", Last: "Y"}, Role: "staff", PasswordHash: hash, Created: then}},
		},
		"no password": {
			in: `{"email":"x@b.c","username":"X",` + dated + `}`, status: 3, summary: "imported 1, kept 0 existing, 1 of them without a password, 1 reported above, 1 document read",
			stderr: "line 1: password is missing: they cannot log in until gin-auth user password sets one\n",
			want:   map[string]user.User{"x@b.c": {ID: "new", Email: "x@b.c", Username: "X", Role: "user", PasswordHash: user.NoPassword, Created: then}},
		},
		"bad lines": {
			in: "{\n" + adaLine + line("nobody") + "\n" + `{"email":"x@b.c","password":"x"}`, status: 3,
			summary: "imported 1, kept 0 existing, 3 documents not imported, 4 documents read",
			stderr:  "line 1: not valid JSON (at byte 3 of it)\nline 3: email is not a valid address\nline 5: password is not a bcrypt hash ($2a$, $2b$ or $2y$, a cost from 4 to 16, 60 characters)\n",
			want:    map[string]user.User{"ada@b.c": ada},
		},
		"bad elements": {
			in: "[" + line("nobody") + "," + adaLine + ",7]", status: 3,
			summary: "imported 1, kept 0 existing, 2 documents not imported, 3 documents read",
			stderr:  "line 1, element 1: email is not a valid address\nline 3, element 3: not a JSON object\n",
			want:    map[string]user.User{"ada@b.c": ada},
		},
		"broken array": {
			in: "[" + adaLine + ",{x}," + line("x@b.c") + "]", status: 1, summary: nothing,
			stderr: "gin-auth: importing standard input: line 2, element 2: not valid JSON; nothing after it was read (what the summary counts is done)\n",
		},
		"gzip": {
			in: "\x1f\x8b\x08\x00" + adaLine, status: 1, summary: nothing,
			stderr: "gin-auth: importing standard input: it is compressed with gzip: decompress it first, as in gunzip -c users.json.gz | gin-auth import-users - (what the summary counts is done)\n",
		},
		"BSON": {
			in: "\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00", status: 1, summary: nothing,
			stderr: "gin-auth: importing standard input: it is BSON, as mongodump writes it: use mongoexport, or bsondump users.bson | gin-auth import-users - (what the summary counts is done)\n",
		},
		"CSV": {
			in: "\ufeff_id,email,\"password\"\r\nObjectId(1),ada@b.c,x\r\n", status: 1, summary: nothing,
			stderr: "gin-auth: importing standard input: it is CSV: export JSON, with mongoexport without --type=csv (what the summary counts is done)\n",
		},
		"mongosh": {
			in: "[\n  {\n    _id: ObjectId('" + oid + "'),\n    email: 'ada@b.c'\n  }\n]\n", status: 1, summary: nothing,
			stderr: "gin-auth: importing standard input: it is output of mongosh, which is not JSON: use mongoexport, or print EJSON.stringify(db.users.find().toArray()) in mongosh (what the summary counts is done)\n",
		},
		"array cut off": {
			in: "[" + adaLine + `,{"email":`, status: 1, summary: nothing,
			stderr: "gin-auth: importing standard input: line 2, element 2: the file ends in the middle of the array (what the summary counts is done)\n",
		},
		"the same twice": {
			in: adaLine + adaLine, summary: "imported 1, kept 1 existing, 2 documents read", want: map[string]user.User{"ada@b.c": ada},
		},
		"the same twice, the last": {
			in: line("ada@b.c", `"_id":"`+oid+`"`, `"username":"Other"`, `"role":"x"`) + adaLine, flags: []string{"--overwrite"},
			summary: "imported 1, replaced 1, 2 documents read",
			want:    map[string]user.User{"ada@b.c": {ID: oid, Email: "ada@b.c", Username: "Ada", Role: "x", PasswordHash: hash, Created: ada.Created}},
		},
		"two people with one email": {
			in: adaLine + line("Ada@b.c", `"_id":"2"`, `"role":"admin"`) + line("bob@b.c", `"_id":"3"`, dated), flags: []string{"--overwrite"}, status: 3,
			summary: "imported 1, replaced 0, 1 of them without a username, 2 documents not imported, 3 documents read",
			stderr:  "line 1" + sharedEmail + "line 2" + sharedEmail,
			want:    map[string]user.User{"bob@b.c": {ID: "3", Email: "bob@b.c", Role: "user", PasswordHash: hash, Created: then}},
		},
		"two people with one email, a Kelvin sign": {
			in: line("\u212ael@b.c", `"_id":"2"`) + line("kel@b.c", `"_id":"3"`), status: 3,
			summary: "imported 0, kept 0 existing, 2 documents not imported, 2 documents read",
			stderr:  "line 1" + sharedEmail + "line 2" + sharedEmail,
		},
		"two people with one email, a dotted I": {
			in: line("\u0130l@b.c", `"_id":"2"`) + line("il@b.c", `"_id":"3"`), status: 3,
			summary: "imported 0, kept 0 existing, 2 documents not imported, 2 documents read",
			stderr:  "line 1" + sharedEmail + "line 2" + sharedEmail,
		},
		"two people with one email, one not imported": {
			in: adaLine + `{"_id":"2","email":"ADA@b.c","password":"x"}`, status: 3,
			summary: "imported 0, kept 0 existing, 2 documents not imported, 2 documents read",
			stderr:  "line 2: password is not a bcrypt hash ($2a$, $2b$ or $2y$, a cost from 4 to 16, 60 characters)\nline 1" + sharedEmail,
		},
		"somebody else with an existing email": {
			in: line("old@b.c", `"_id":7`, `"role":"user"`), flags: []string{"--overwrite"}, status: 3,
			summary: "imported 0, replaced 0, 1 document not imported, 1 document read",
			stderr:  "line 1: its email is that of a user here with another id: not overwritten\n",
		},
		"no id, overwriting": {
			in: line("old@b.c"), flags: []string{"--overwrite"}, status: 3, summary: "imported 0, replaced 0, 1 document not imported, 1 document read",
			stderr: "line 1: it has no _id, so it may be about somebody else than the user here with its email: not overwritten\n",
		},
		"overwrites what the document has": {
			in: line("old@b.c", `"_id":"old"`), flags: []string{"--overwrite"}, status: 3,
			summary: "imported 0, replaced 1, 1 of them disabled, 1 of them with their sessions ended, 1 reported above, 1 document read",
			stderr:  "line 1: they stay disabled here, until gin-auth user enable\n",
			old:     user.User{ID: "old", Email: "old@b.c", Username: "Old", Role: "admin", PasswordHash: hash, Disabled: true, Created: then},
		},
		"overwrites all": {
			in: line("old@b.c", `"_id":"old"`, `"username":"New"`, `"role":"user"`, `"createdAt":{"$date":"2021-01-02T03:04:05Z"}`, `"banned":true`), flags: []string{"--overwrite"},
			summary: "imported 0, replaced 1, 1 of them disabled, 1 of them with their sessions ended, 1 document read",
			old:     user.User{ID: "old", Email: "old@b.c", Username: "New", Role: "user", PasswordHash: hash, Disabled: true, Created: then.AddDate(1, 0, 0)},
		},
		"no password in the document": {
			in: `{"_id":"old","email":"old@b.c","role":"user"}`, flags: []string{"--overwrite"}, status: 3,
			summary: "imported 0, replaced 1, 1 of them disabled, 1 of them with their sessions ended, 1 reported above, 1 document read",
			stderr:  "line 1: they stay disabled here, until gin-auth user enable\n",
			old:     user.User{ID: "old", Email: "old@b.c", Username: "Old", Role: "user", PasswordHash: "old", Disabled: true, Created: then},
		},
		"another email": {
			in: line("new@b.c", `"_id":"old"`), status: 3, summary: "imported 0, kept 0 existing, 1 document not imported, 1 document read",
			stderr: "line 1: the user with its _id has another email here: --overwrite changes it\n",
		},
		"another email, overwriting": {
			in: line("new@b.c", `"_id":"old"`, `"deleted":true`), flags: []string{"--overwrite"},
			summary: "imported 0, replaced 1, 1 of them disabled, 1 of them with their sessions ended, 1 document read",
			want:    map[string]user.User{"new@b.c": {ID: "old", Email: "new@b.c", Username: "Old", Role: "admin", PasswordHash: hash, Disabled: true, Created: then}},
			moved:   true,
		},
		"a name that is taken": {
			in: line("x@b.c", `"_id":"2"`, `"username":"OLD"`, dated), status: 3,
			summary: "imported 1, kept 0 existing, 1 of them without a username, 1 reported above, 1 document read",
			stderr:  "line 1: username belongs to another user: they are imported without it, and log in with their email\n",
			want:    map[string]user.User{"x@b.c": {ID: "2", Email: "x@b.c", Role: "user", PasswordHash: hash, Created: then}},
		},
		"a name that two have": {
			in: adaLine + line("x@b.c", `"_id":"2"`, `"username":" ａda"`, dated), status: 3,
			summary: "imported 2, kept 0 existing, 1 of them without a username, 1 reported above, 2 documents read",
			stderr:  "line 2: username belongs to another user: they are imported without it, and log in with their email\n",
			want:    map[string]user.User{"ada@b.c": ada, "x@b.c": {ID: "2", Email: "x@b.c", Role: "user", PasswordHash: hash, Created: then}},
		},
		"a name that two have, dry": {
			in: adaLine + line("x@b.c", `"_id":"2"`, `"username":" ａda"`, dated) + adaLine, flags: []string{"--dry-run"}, status: 3,
			summary: "nothing written, would import 3, keep 0 existing, 1 of them without a username, 1 reported above, 3 documents read",
			stderr:  "line 2: username belongs to another user: they are imported without it, and log in with their email\n",
		},
		"flags": {
			in: line("x@b.c", `"_id":"2"`, `"isActive":false`, dated) + line("y@b.c", `"_id":"3"`, `"status":"?"`, dated), status: 3,
			summary: "imported 2, kept 0 existing, 2 of them disabled, 2 of them without a username, 1 reported above, 2 documents read",
			stderr:  "line 2: status is not understood: they are disabled here\n",
			want: map[string]user.User{
				"x@b.c": {ID: "2", Email: "x@b.c", Role: "user", PasswordHash: hash, Disabled: true, Created: then},
				"y@b.c": {ID: "3", Email: "y@b.c", Role: "user", PasswordHash: hash, Disabled: true, Created: then},
			},
		},
		"dry": {
			in: adaLine + line("old@b.c", `"_id":"old"`) + "x\n", flags: []string{"--dry-run"}, status: 3,
			summary: "nothing written, would import 1, keep 1 existing, 1 document not imported, 3 documents read",
			stderr:  "line 3: not valid JSON (at byte 1 of it)\n",
		},
		"dry, overwriting": {
			in: adaLine + line("old@b.c", `"_id":"old"`, `"banned":true`), flags: []string{"--dry-run", "--overwrite", "--quiet"},
			summary: "nothing written, would import 1, replace 1, 1 of them disabled, 1 of them with their sessions ended, 2 documents read",
		},
		"dry, pruning": {
			in: adaLine, flags: []string{"--dry-run", "--prune"},
			summary: "nothing written, would import 1, keep 0 existing, disable 0 missing from the export, 1 document read",
		},
		"pruning, somebody unknown": {
			in: adaLine + "x\n", flags: []string{"--prune", "--yes"}, status: 1, summary: "imported 0, kept 0 existing, disabled 0 missing from the export, 0 documents read",
			stderr: "gin-auth: importing standard input: --prune needs to know who is in the export, and 1 document cannot be read: nothing was written (what the summary counts is done)\n",
		},
		"pruning with nobody": {
			in: "", flags: []string{"--prune", "--yes"}, status: 1, summary: "imported 0, kept 0 existing, disabled 0 missing from the export, 0 documents read",
			stderr: "gin-auth: importing standard input: --prune would disable every user, because nobody is in the export: nothing was written (what the summary counts is done)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, store, server := startRedis(t)
			if err := store.CreateUser(t.Context(), old); err != nil {
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
			want := map[string]user.User{old.Email: old}
			maps.Copy(want, test.want)
			if test.old != (user.User{}) {
				want[old.Email] = test.old
			}
			if test.moved {
				delete(want, old.Email)
			}
			stored := map[string]user.User{}
			for u, err := range store.Users(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if want[u.Email].ID == "new" && len(u.ID) == 24 {
					u.ID = "new"
				}
				stored[u.Email] = u
			}
			if !maps.Equal(stored, want) {
				t.Errorf("stored are\n%+v\nwant\n%+v", stored, want)
			}
			checkNames(t, server, stored)
		})
	}
}

// checkNames checks that the users have their names, and that nobody else has a name.
func checkNames(t *testing.T, server *miniredis.Miniredis, users map[string]user.User) {
	t.Helper()
	names := map[string]bool{}
	for _, u := range users {
		if u.Username == "" {
			continue
		}
		key := "auth:username:" + user.FoldUsername(u.Username)
		names[key] = true
		if claim, err := server.Get(key); !strings.Contains(claim, `"email":"`+u.Email+`"`) || err != nil {
			t.Errorf("%s is %s, %v", key, claim, err)
		}
	}
	for _, key := range server.Keys() {
		if strings.HasPrefix(key, "auth:username:") && !names[key] {
			t.Errorf("%s is left", key)
		}
	}
}

// sharedEmail is printed after the place of a document whose email is also that of another document.
const sharedEmail = ": its email, in lower case, is also that of another document with another _id or none: neither is imported\n"

// TestImportTwice imports several batches, and then imports them again.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	o, _, server := startRedis(t)
	var export strings.Builder
	for i := range 2*batchSize + 500 {
		export.WriteString(line(fmt.Sprintf("%d@b.c", i), fmt.Sprintf(`"_id":%d,"username":"user %d"`, i, i)))
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
		if got := len(server.Keys()); got != 3*2500 {
			t.Errorf("there are %d keys", got)
		}
	}
}

// TestImportInterrupted interrupts an import that waits for input. Nothing is written before all of it is read.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	o, _, server := startRedis(t)
	in, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for i := range 3 * batchSize {
			_, _ = io.WriteString(writer, line(fmt.Sprintf("%d@b.c", i)))
		}
		cancel()
	}()
	var stdout, stderr strings.Builder
	root := New(o)
	connect(root, in, &stdout, &stderr, []string{"import-users", "-"})
	if status := Execute(ctx, root); status != 1 {
		t.Errorf("exit status %d", status)
	}
	if !strings.HasPrefix(stdout.String(), "imported 0, ") || len(server.Keys()) > 0 {
		t.Errorf("summary %q, %d keys", &stdout, len(server.Keys()))
	}
	if want := "gin-auth: importing standard input: interrupted (what the summary counts is done)\n"; stderr.String() != want {
		t.Errorf("complained %q, want %q", &stderr, want)
	}
}

// TestImportInterruptedWriting interrupts an import after its first batch, which is stored and counted.
func TestImportInterruptedWriting(t *testing.T) {
	t.Parallel()
	_, store, server := startRedis(t)
	var export strings.Builder
	for i := range 3 * batchSize {
		export.WriteString(line(fmt.Sprintf("%d@b.c", i), `"username":7`)) // only the first has the name
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reports := 0
	i := testImporter(store, writerFunc(func(p []byte) (int, error) {
		if reports++; reports == 500 {
			cancel()
		}
		return len(p), nil
	}), 0)
	err := i.run(ctx, strings.NewReader(export.String()))
	if !errors.Is(err, errInterrupted) || i.count.imported < 500 || i.count.imported == 3*batchSize {
		t.Errorf("got %+v, %v", i.count, err)
	}
	if got := 2*i.count.imported + 1; len(server.Keys()) != got {
		t.Errorf("there are %d keys, want %d", len(server.Keys()), got)
	}
}

// TestImportOverFaults: commands that Redis refused are retried, and nothing is counted twice.
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
	if want := (counts{read: 2, imported: 2, anonymous: 2}); err != nil || i.count != want || tries != 2 {
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
	i := &importer{started: time.Now(), store: store, progress: newProgress(out, true, -1)}
	for range pauses {
		i.pauses = append(i.pauses, time.Millisecond)
	}
	return i
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestBatches checks that no id, email or name is in a batch twice, and that the progress of the batches adds up to the
// export.
func TestBatches(t *testing.T) {
	t.Parallel()
	ada := line("ada@b.c")
	in := line("eve@b.c") + ada + ada + line("eve@b.c") + "x\n" + ada + "\n" +
		line("1@b.c", `"_id":1`) + line("2@b.c", `"_id":1`) + line("3@b.c", `"username":"x"`) + line("4@b.c", `"username":" X"`)
	var people []int
	progress := int64(0)
	for b := range batches(t.Context(), strings.NewReader(in), newHasher(), false) {
		people = append(people, len(b.people))
		progress += b.bytes
	}
	if want := []int{2, 2, 2, 2, 1}; !slices.Equal(people, want) || progress != int64(len(in)) {
		t.Errorf("batches of %d people, %d bytes, want %d people, %d bytes", people, progress, want, len(in))
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
