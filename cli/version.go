package cli

import (
	"cmp"
	"runtime/debug"
)

// version returns what this binary was built from: the version of the module if Go knows it, the commit, and whether
// there were changes after the commit.
func version(info *debug.BuildInfo) string {
	commit, modified := "unknown", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && setting.Value != "":
			commit = setting.Value[:min(12, len(setting.Value))]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = ", modified"
		}
	}
	return cmp.Or(info.Main.Version, "(devel)") + ", commit " + commit + modified + ", " + info.GoVersion
}
