package harness

import "testing"

// TestSlot compares Slot with the examples of the Cluster specification.
func TestSlot(t *testing.T) {
	for key, want := range map[string]int{
		"":                     0,
		"123456789":            0x31c3,
		"{user1000}.following": Slot("user1000"),
		"foo{{bar}}zap":        Slot("{bar"),
		"foo{bar}{zap}":        Slot("bar"),
		"user1000":             3443,
	} {
		if got := Slot(key); got != want {
			t.Errorf("the slot of %q is %d, want %d", key, got, want)
		}
	}
	if Slot("foo{}{bar}") == Slot("bar") || Slot("foo{}{bar}") == Slot("foo") {
		t.Error("the slot of a key with an empty hash tag is not that of the whole key")
	}
}
