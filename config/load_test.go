package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadsDotenv(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("PORT=4000\nBCRYPT_COST=11\nLOG_LEVEL=\nROUTE_PREFIX='/a'\n")
	c, err := Load(path, []string{"PORT=5000", "ROUTE_PREFIX="})
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 5000 || c.BcryptCost != 11 || c.LogLevel != Level(slog.LevelInfo) {
		t.Errorf("got %+v", c)
	}
	if c.RoutePrefix != "/api/auth" { // as in the original, a variable that is set takes precedence, even if it is empty
		t.Errorf("ROUTE_PREFIX is %q", c.RoutePrefix)
	}

	write("PORT=4000\nJWT_SECRET=ab$CD1x\nnonsense\nBCRYPT_COST=11#\n")
	_, err = Load(path, nil)
	var wrong *Error
	if !errors.As(err, &wrong) || len(wrong.Problems) != 2 ||
		!strings.HasPrefix(wrong.Problems[0], ".env line 2: JWT_SECRET ") ||
		!strings.HasPrefix(wrong.Problems[1], ".env line 4: BCRYPT_COST ") {
		t.Errorf("a broken file: %v", err)
	}

	// One run names what is wrong in the file and what is wrong elsewhere, each once.
	write("NODE_ENV=production\nJWT_SECRET=ab$CD1x\nREDIS_HOST='a\nREDIS_SENTINEL_MASTER=m\nPORT=x\n")
	if _, err = Load(path, []string{"LOG_LEVEL=loud"}); !errors.As(err, &wrong) || len(wrong.Problems) != 5 ||
		!strings.HasPrefix(wrong.Problems[0], ".env line 2: JWT_SECRET ") ||
		!strings.HasPrefix(wrong.Problems[1], ".env line 3: REDIS_HOST ") ||
		!strings.HasPrefix(wrong.Problems[2], "PORT ") || !strings.HasPrefix(wrong.Problems[3], "LOG_LEVEL ") ||
		!strings.HasPrefix(wrong.Problems[4], "REDIS_SENTINEL_MASTER ") {
		t.Errorf("a broken file and other problems: %v", err)
	}
	write("REDIS_HOST=a\nREDIS_PASSWORD=x\nJWT_SECRET=" + strong)
	_, err = Load(path, []string{"REDIS_URL=redis://b"})
	if want := "REDIS_HOST and REDIS_URL specify a Redis each; keep one of them (REDIS_HOST is in .env; REDIS_HOST= in the " +
		"environment, with no value, overrides that)"; fmt.Sprint(err) != want {
		t.Errorf("two Redis: %v", err)
	}
	if c, err := Load(path, []string{"REDIS_HOST=", "REDIS_URL=redis://b"}); err != nil || c.Redis.Addrs[0] != "b:6379" || c.Redis.Password != "x" {
		t.Errorf("the environment overrides .env: %+v, %v", c, err)
	}
	write("REDIS_HOST=a#b\nJWT_SECRET=" + strong)
	_, err = Load(path, []string{"REDIS_URL=redis://b"})
	if !errors.As(err, &wrong) || len(wrong.Problems) != 2 || !strings.Contains(wrong.Problems[1], "(REDIS_HOST is in .env;") {
		t.Errorf("two Redis, one in a wrong line: %v", err)
	}
	write("REDIS_HOST=a\nJWT_SECRET=" + strong)
	_, err = Load(path, []string{"REDIS_HOST=a", "REDIS_URL=redis://b"})
	if want := "REDIS_HOST and REDIS_URL specify a Redis each; keep one of them"; fmt.Sprint(err) != want {
		t.Errorf("two Redis, both in the environment: %v", err)
	}
	write("REDIS_PASSWORD=a#b\nJWT_SECRET=" + strong)
	_, err = Load(path, nil)
	if !errors.As(err, &wrong) || len(wrong.Problems) != 2 || !strings.HasPrefix(wrong.Problems[1], "REDIS_HOST is not set") {
		t.Errorf("a wrong REDIS_PASSWORD without a Redis: %v", err)
	}
	write("REDIS_URL=' redis://a '\nJWT_KEY=\n")
	_, err = Load(path, nil)
	if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || !strings.HasSuffix(wrong.Problems[0], "signed or checked") {
		t.Errorf("an empty JWT_KEY: %v", err)
	}
	if _, err := Load(t.TempDir(), nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), ".env") {
		t.Errorf("a directory: %v", err)
	}
}
