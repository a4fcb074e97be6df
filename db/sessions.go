package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// The sessions of a user that were issued here are stored in one string, with a line for each, in the order in which
// they began. A line has the time of expiry in seconds of Redis's clock, the id, and a storedSession. The string
// expires with the last of them. Nothing in it grants access. A session stays there until it has expired or its
// revocation is stored, so every valid session that was issued here can be put on the blacklist, which Node services
// check. docs/revocation.md gives the reasons.

// maxSessions is how many sessions a user may have. A further one ends the oldest.
const maxSessions = 100

// storedSession is a session as it is stored, except for its id and its expiry.
type storedSession struct {
	Record    string `json:"record"`
	IssuedAt  int64  `json:"issuedAt"` // seconds
	Address   string `json:"address"`
	UserAgent string `json:"userAgent"`
}

func encodeSession(s user.Session) (line string, err error) {
	record, err := json.Marshal(storedSession{s.Record, s.IssuedAt.Unix(), s.Address, s.UserAgent})
	if err != nil {
		return "", fmt.Errorf("encoding a session: %w", err)
	}
	return fmt.Sprintf("%d %s %s", s.ExpiresAt.Unix(), s.ID, record), nil
}

// decodeSession returns false for a line that is not a session.
func decodeSession(line string) (s user.Session, ok bool) {
	expires, rest, _ := strings.Cut(line, " ")
	id, record, _ := strings.Cut(rest, " ")
	seconds, err := strconv.ParseInt(expires, 10, 64)
	var stored storedSession
	if err != nil || json.Unmarshal([]byte(record), &stored) != nil {
		return user.Session{}, false
	}
	return user.Session{
		ID:        id,
		Record:    stored.Record,
		IssuedAt:  time.Unix(stored.IssuedAt, 0),
		ExpiresAt: time.Unix(seconds, 0),
		Address:   stored.Address,
		UserAgent: stored.UserAgent,
	}, true
}

// decodeSessions decodes the reply to a GET of a user's sessions. It leaves out lines that are not sessions.
func decodeSessions(userID string, reply *redis.StringCmd) (sessions []user.Session, err error) {
	lines, err := reply.Result()
	switch {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return nil, &BrokenRecordError{sessionsKey(userID), errors.New("it is not a string")}
	case err != nil && !errors.Is(err, redis.Nil):
		return nil, err
	}
	return decodeLines(strings.Lines(lines)), nil
}

func decodeLines(lines iter.Seq[string]) (sessions []user.Session) {
	for line := range lines {
		if s, ok := decodeSession(line); ok {
			sessions = append(sessions, s)
		}
	}
	return sessions
}

// changeSessionsScript removes the sessions of a user that have expired or that have one of the ids, adds a line unless
// it is "", and returns the oldest lines beyond the limit, which it does not remove. ARGV: the line, the limit, the
// ids.
const changeSessionsScript = `
local line, limit, now = ARGV[1], tonumber(ARGV[2]), tonumber(redis.call('TIME')[1])
local removed, kept, last = {}, {}, 0
for i = 3, #ARGV do removed[ARGV[i]] = true end
local function keep(line, expires)
  kept[#kept + 1] = line
  last = math.max(last, expires)
end
for line in string.gmatch(redis.call('GET', KEYS[1]) or '', '[^\n]+') do
  local expires, id = string.match(line, '^(%d+) (%S+) ')
  if expires and tonumber(expires) > now and not removed[id] then keep(line, tonumber(expires)) end
end
if line ~= '' then keep(line, tonumber(string.match(line, '^%d+'))) end
if #kept > 0 then
  redis.call('SET', KEYS[1], table.concat(kept, '\n') .. '\n', 'EXAT', string.format('%.0f', last))
else
  redis.call('DEL', KEYS[1])
end
local oldest = {}
for i = 1, #kept - limit do oldest[i] = kept[i] end
return oldest`

// AddSession stores a new session of a user. If they have too many, it ends the oldest and returns their tokens. It
// reports whether the new one is valid, which it is unless the user was logged out everywhere since it was issued.
//
// The cut is read after the session is stored, and a logout of all sessions raises the cut before it reads the
// sessions. So either that logout finds the session, or AddSession finds the raised cut.
func (d *DB) AddSession(
	ctx context.Context, userID string, s user.Session,
) (valid bool, ended []string, err error) {
	line, err := encodeSession(s)
	if err != nil {
		return false, nil, err
	}
	var reply *redis.Cmd
	add := func(ctx context.Context, p redis.Pipeliner) {
		// With the id, a command that go-redis sends again does not add the session twice.
		reply = p.Eval(ctx, changeSessionsScript, []string{sessionsKey(userID)}, line, maxSessions, s.ID)
	}
	const doing = "storing a session"
	cut, _, err := d.readCuts(ctx, doing, userID, add)
	if err != nil {
		return false, nil, err
	}
	lines, err := reply.StringSlice()
	if err != nil {
		return false, nil, fmt.Errorf("%s: %w", doing, err)
	}
	ended, err = d.endOldest(ctx, userID, decodeLines(slices.Values(lines)))
	return s.IssuedAt.Unix() > cut, ended, err
}

// RemoveSession removes a session that is not valid, or no longer valid, from the stored sessions of its user.
func (d *DB) RemoveSession(ctx context.Context, userID, id string) error {
	return d.removeSessions(ctx, []sessionList{{userID, []user.Session{{ID: id}}}})
}

// Sessions returns the active sessions of a user that were issued here, the newest first: those that have neither
// expired nor been revoked, here or by a Node service.
func (d *DB) Sessions(ctx context.Context, userID string) ([]user.Session, error) {
	const doing = "reading the sessions of a user"
	var stored *redis.StringCmd
	cut, now, err := d.readCuts(ctx, doing, userID, func(ctx context.Context, p redis.Pipeliner) {
		stored = p.Get(ctx, sessionsKey(userID))
	})
	if err != nil {
		return nil, err
	}
	sessions, err := decodeSessions(userID, stored)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var issued []user.Session
	var keys []string
	for _, s := range sessions {
		token, _, err := d.rebuildToken(s.Record)
		if err == nil && s.IssuedAt.Unix() > cut && s.ExpiresAt.Unix() > now.Unix() {
			issued, keys = append(issued, s), append(keys, d.blacklist.key(token))
		}
	}
	revoked, err := d.exist(ctx, doing, keys)
	if err != nil {
		return nil, err
	}
	var active []user.Session
	for i, s := range slices.Backward(issued) {
		if !revoked[i] {
			active = append(active, s)
		}
	}
	slices.SortStableFunc(active, func(a, b user.Session) int { return b.IssuedAt.Compare(a.IssuedAt) })
	return active, nil
}

// exist reports which of the keys exist.
func (d *DB) exist(ctx context.Context, doing string, keys []string) ([]bool, error) {
	exist := make([]bool, len(keys))
	if len(keys) == 0 {
		return exist, nil
	}
	err := d.call(ctx, doing, func(ctx context.Context) error {
		replies := make([]*redis.IntCmd, len(keys))
		err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			for i, key := range keys {
				replies[i] = p.Exists(ctx, key)
			}
		})
		for i := range exist {
			exist[i] = err != nil || replies[i].Val() > 0
		}
		return err
	})
	return exist, err
}
