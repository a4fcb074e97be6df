package cli

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3, commit 0123456789ab, go1.26.0": {
			GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"},
			Settings: []debug.BuildSetting{revision, {Key: "vcs.modified", Value: "false"}},
		},
		"(devel), commit 0123456789ab, modified, go1.26.0": {
			GoVersion: "go1.26.0", Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{revision, {Key: "vcs.modified", Value: "true"}},
		},
		"(devel), commit unknown, go1.26.0": {GoVersion: "go1.26.0"},
	} {
		if got := version(&info); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
