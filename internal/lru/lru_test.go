package lru

import "testing"

func TestMap(t *testing.T) {
	var m Map[string, int]
	m.Delete("none")
	if _, ok := m.Get("a"); ok || m.Len() != 0 {
		t.Error("the zero Map is not empty")
	}
	m.Put("a", 1, 2)
	m.Put("b", 2, 2)
	if v, ok := m.Get("a"); !ok || v != 1 { // a is used, so b is the oldest
		t.Errorf("a = %d, %v", v, ok)
	}
	m.Put("c", 3, 2)
	if _, ok := m.Get("b"); ok || m.Len() != 2 {
		t.Error("the oldest is still there")
	}
	m.Put("a", 4, 2)
	if v, _ := m.Get("a"); v != 4 || m.Len() != 2 {
		t.Errorf("a = %d, %d entries", v, m.Len())
	}
	m.Delete("a")
	if _, ok := m.Get("a"); ok || m.Len() != 1 {
		t.Error("a is still there")
	}
	for i := range 10 {
		m.Put(string(rune('k'+i)), i, -1)
	}
	if m.Len() != 11 {
		t.Errorf("%d entries without a bound", m.Len())
	}
}
