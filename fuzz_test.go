package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRegister posts any input as a registration. It is answered in JSON with a status of the contract, never with a
// 5xx. A user who was registered can log in with the same body and by username, but cannot register again.
func FuzzRegister(f *testing.F) {
	for _, body := range []string{ada, `{}`, `[]`, `{"username":"` + "\u202e" + `","email":"a@b.c","password":"12345678"}`,
		`{"username":"x","email":"A@B.C ","password":"` + strings.Repeat("é", 37) + `"}`, `{"email":{"$ne":""},"username":1,"password":null}`,
		ada[:len(ada)-1] + `,"fullName":{"firstName":"A","lastName":"L"},"role":"user"}`, ada[:len(ada)-1] + `,"fullName":"A L"}`} {
		f.Add(body)
	}
	s := newService(f, "LOGIN_LIMIT=off")
	post := func(path, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		s.app.handler.ServeHTTP(answer, request)
		return answer
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, key := range s.redis.Keys() {
			if strings.HasPrefix(key, "auth:user") {
				s.redis.Del(key)
			}
		}
		got := post("/api/auth/register", body)
		switch got.Code {
		case http.StatusCreated, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%q is answered %d %s", body, got.Code, got.Body)
		}
		if !json.Valid(got.Body.Bytes()) {
			t.Errorf("%q is answered %q", body, got.Body)
		}
		if got.Code != http.StatusCreated {
			return
		}
		if in := post("/api/auth/login", body); in.Code != http.StatusOK {
			t.Errorf("%q registers, but does not log in: %d %s", body, in.Code, in.Body)
		}
		var sent map[string]json.RawMessage // its names are case-sensitive, unlike those of a struct
		if json.Unmarshal([]byte(body), &sent) == nil {
			byName := `{"username":` + string(sent["username"]) + `,"password":` + string(sent["password"]) + `}`
			if in := post("/api/auth/login", byName); in.Code != http.StatusOK {
				t.Errorf("%q registers, but does not log in by username: %d %s", body, in.Code, in.Body)
			}
		}
		if again := post("/api/auth/register", body); again.Code != http.StatusConflict {
			t.Errorf("%q registers twice: %d", body, again.Code)
		}
	})
}
