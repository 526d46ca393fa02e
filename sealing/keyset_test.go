package sealing

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func newTestKeyset(t testing.TB) *Keyset {
	t.Helper()
	k, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func marshaled(t testing.TB, k *Keyset) []byte {
	t.Helper()
	data, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rotated(t testing.TB, k *Keyset) *Keyset {
	t.Helper()
	next, err := k.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// evidence is one of everything that a keyset makes.
type evidence struct {
	wrapped, sealed, tag, probe []byte
}

func made(t testing.TB, k *Keyset) evidence {
	t.Helper()
	wrapped, key, err := k.NewDataKey("org_1")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal([]byte("payload"), []byte("evt_1"))
	if err != nil {
		t.Fatal(err)
	}
	probe, err := k.Probe()
	if err != nil {
		t.Fatal(err)
	}
	return evidence{wrapped, sealed, k.MAC([]byte("a"), []byte("b")), probe}
}

// check returns everything that k refuses of e.
func (e evidence) check(k *Keyset) error {
	key, err := k.OpenDataKey("org_1", e.wrapped)
	if err == nil {
		var plaintext []byte
		plaintext, err = key.Open(e.sealed, []byte("evt_1"))
		if err == nil && string(plaintext) != "payload" {
			err = fmt.Errorf("opened %q", plaintext)
		}
	}
	return errors.Join(err, k.VerifyMAC(e.tag, []byte("a"), []byte("b")), k.CheckProbe(e.probe))
}

func TestKeysetSurvivesStoring(t *testing.T) {
	t.Parallel()
	k := newTestKeyset(t)
	e := made(t, k)
	again, err := ParseKeyset(marshaled(t, k))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.check(again); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(marshaled(t, again), marshaled(t, k)) {
		t.Error("storing it again gives other bytes")
	}
}

func TestRotationOpensTheOldAndSealsWithTheNew(t *testing.T) {
	t.Parallel()
	first := newTestKeyset(t)
	second := rotated(t, first)
	third := rotated(t, second)
	old, middle, latest := made(t, first), made(t, second), made(t, third)
	stored, err := ParseKeyset(marshaled(t, third))
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]evidence{"old": old, "middle": middle, "latest": latest} {
		if err := errors.Join(e.check(third), e.check(stored)); err != nil {
			t.Errorf("the rotated keyset and the %s: %v", name, err)
		}
	}
	if err := old.check(first); err != nil {
		t.Errorf("rotating changed the keyset it began with: %v", err)
	}
	if err := middle.check(first); !errors.Is(err, ErrOpen) || !errors.Is(err, ErrMAC) {
		t.Errorf("the first keyset accepts what the second made: %v", err)
	}
}

func TestAnotherKeysetOpensNothing(t *testing.T) {
	t.Parallel()
	e, other := made(t, newTestKeyset(t)), newTestKeyset(t)
	if _, err := other.OpenDataKey("org_1", e.wrapped); !errors.Is(err, ErrOpen) {
		t.Errorf("data key: %v", err)
	}
	if err := other.VerifyMAC(e.tag, []byte("a"), []byte("b")); !errors.Is(err, ErrMAC) {
		t.Errorf("MAC: %v", err)
	}
	if err := other.CheckProbe(e.probe); !errors.Is(err, ErrOpen) {
		t.Errorf("probe: %v", err)
	}
}

// TestProbeJudgesBothHalves joins the halves of two keysets, as a careless editor of the file might.
func TestProbeJudgesBothHalves(t *testing.T) {
	t.Parallel()
	one, two := newTestKeyset(t), newTestKeyset(t)
	probe, err := one.Probe()
	if err != nil {
		t.Fatal(err)
	}
	mixed, err := newKeyset(one.wrap, two.mac)
	if err != nil {
		t.Fatal(err)
	}
	if err := mixed.CheckProbe(probe); !errors.Is(err, ErrMAC) {
		t.Errorf("other MAC keys: %v", err)
	}
	if mixed, err = newKeyset(two.wrap, one.mac); err != nil {
		t.Fatal(err)
	}
	if err := mixed.CheckProbe(probe); !errors.Is(err, ErrOpen) {
		t.Errorf("other wrapping keys: %v", err)
	}
	wrapped, _, err := one.NewDataKey("")
	if err != nil {
		t.Fatal(err)
	}
	if err := one.CheckProbe(wrapped); !errors.Is(err, ErrOpen) {
		t.Errorf("a data key passes for a probe: %v", err)
	}
	for _, junk := range [][]byte{nil, {}, []byte("probe"), probe[:len(probe)-1]} {
		if err := one.CheckProbe(junk); !errors.Is(err, ErrOpen) {
			t.Errorf("probe %q: %v", junk, err)
		}
	}
}

func TestParseKeysetRefuses(t *testing.T) {
	t.Parallel()
	good := string(marshaled(t, newTestKeyset(t)))
	replaced := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("a keyset file does not contain %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := map[string]struct{ data, says string }{
		"nothing":             {"", "no JSON object"},
		"no JSON":             {"hunter2", "no JSON object"},
		"cut":                 {good[:len(good)/2], "no JSON object"},
		"an array":            {"[]", "no JSON object"},
		"empty object":        {"{}", "format"},
		"null":                {"null", "format"},
		"another format":      {replaced(`"hooklog-keyset"`, `"hunter2"`), "format"},
		"a later version":     {replaced(`"version": 1`, `"version": 2`), "version 2"},
		"no version":          {replaced(`"version": 1,`, ``), "version 0"},
		"an unknown member":   {replaced(`"version": 1,`, `"version": 1, "hunter2": 0,`), "unknown"},
		"two keysets":         {good + good, "no JSON object"},
		"no wrap":             {replaced(`"wrap"`, `"mac"`), "wrap"},
		"wrap of strings":     {`{"format":"hooklog-keyset","version":1,"wrap":"hunter2","mac":"hunter2"}`, "wrap"},
		"empty halves":        {`{"format":"hooklog-keyset","version":1,"wrap":{},"mac":{}}`, "wrap"},
		"halves exchanged":    {strings.NewReplacer(`"wrap"`, `"mac"`, `"mac"`, `"wrap"`).Replace(good), "wrapping keys"},
		"disabled keys":       {strings.ReplaceAll(good, "ENABLED", "DISABLED"), "keys"},
		"key material spoilt": {replaced(`"value": "`, `"value": "hunter2`), "wrap"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseKeyset([]byte(test.data))
			if !errors.Is(err, ErrKeysetFormat) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v; want it to say %q", err, test.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}
}

func FuzzParseKeyset(f *testing.F) {
	k, err := NewKeyset()
	if err != nil {
		f.Fatal(err)
	}
	data, err := k.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":"hooklog-keyset","version":1,"wrap":{"primaryKeyId":1,"key":[{}]},"mac":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKeyset(data)
		if err != nil {
			if !errors.Is(err, ErrKeysetFormat) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		again, err := ParseKeyset(marshaled(t, k))
		if err != nil {
			t.Fatalf("its own stored form is refused: %v", err)
		}
		if err := made(t, k).check(again); err != nil {
			t.Fatalf("accepted and does not work: %v", err)
		}
	})
}

func TestMACTellsPartsApart(t *testing.T) {
	t.Parallel()
	k := newTestKeyset(t)
	parts := rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 9), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		one, two := parts.Draw(t, "one"), parts.Draw(t, "two")
		tag := k.MAC(one...)
		if err := k.VerifyMAC(tag, one...); err != nil {
			t.Fatalf("its own parts: %v", err)
		}
		if err := k.VerifyMAC(tag, two...); (err == nil) != equalParts(one, two) {
			t.Fatalf("%v passes for %v: %v", two, one, err)
		}
	})
	fixed := [][][]byte{
		{}, {{}}, {{}, {}}, {[]byte("ab"), []byte("c")}, {[]byte("a"), []byte("bc")}, {[]byte("abc")}, {[]byte("c"), []byte("ab")},
	}
	for i, one := range fixed {
		for j, two := range fixed {
			if err := k.VerifyMAC(k.MAC(one...), two...); (err == nil) != (i == j) {
				t.Errorf("%q for %q: %v", two, one, err)
			}
		}
	}
}

func equalParts(one, two [][]byte) bool {
	if len(one) != len(two) {
		return false
	}
	for i := range one {
		if !bytes.Equal(one[i], two[i]) {
			return false
		}
	}
	return true
}

func TestMACRefusesChangedTags(t *testing.T) {
	t.Parallel()
	k := newTestKeyset(t)
	tag := k.MAC([]byte("part"))
	for i := range tag {
		changed := bytes.Clone(tag)
		changed[i] ^= 1
		if err := k.VerifyMAC(changed, []byte("part")); !errors.Is(err, ErrMAC) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, short := range [][]byte{nil, tag[:len(tag)-1], tag[:5], append(bytes.Clone(tag), 0)} {
		if err := k.VerifyMAC(short, []byte("part")); !errors.Is(err, ErrMAC) {
			t.Errorf("%d of %d bytes: %v", len(short), len(tag), err)
		}
	}
}

func BenchmarkMAC500(b *testing.B) {
	k, data := newTestKeyset(b), make([]byte, 500)
	stream, id, kind := []byte("hl_message-018f3e2a00007000800000000000"), make([]byte, 16), []byte("hooklog.MessagePublished.v1")
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.MAC(stream, id, kind, data)
		}
	})
	b.Run("verify", func(b *testing.B) {
		tag := k.MAC(stream, id, kind, data)
		b.ReportAllocs()
		for b.Loop() {
			if err := k.VerifyMAC(tag, stream, id, kind, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
