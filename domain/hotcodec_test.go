package domain

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// newHot returns an empty fact of each type that is written by hand.
func newHot() []Fact {
	return []Fact{&MessagePublished{}, &MessageTargets{}, &AttemptSucceeded{}, &AttemptFailed{}, &RetryDue{}}
}

func TestHotFactsAreThoseOfEveryDelivery(t *testing.T) {
	hot := map[string]bool{}
	for _, f := range newHot() {
		hot[f.FactType()] = true
	}
	for name, f := range emptyFacts() {
		if isHot(f) != hot[name] {
			t.Errorf("%s is hot: got %v, want %v", name, isHot(f), hot[name])
		}
	}
}

func TestWhatIsWrittenByHandIsWhatEncodingJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawHotFact(t)
		want, err := appendJSON(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := writeHot(nil, f); ok && !bytes.Equal(got, want) {
			t.Fatalf("by hand\n%s\nencoding/json\n%s", got, want)
		}
		m := drawMeta(t)
		want, err = appendJSON(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := writeHotMeta(nil, m); ok && !bytes.Equal(got, want) {
			t.Fatalf("by hand\n%s\nencoding/json\n%s", got, want)
		}
	})
}

func TestWhatIsReadByHandIsWhatEncodingJSONReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawHotFact(t)
		text, err := appendJSON(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		sameReading(t, f, text)
		changed := bytes.Clone(text)
		changed[rapid.IntRange(0, len(text)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		sameReading(t, f, changed)
		at := rapid.IntRange(0, len(text)).Draw(t, "cut")
		sameReading(t, f, text[:at])
		sameReading(t, f, append(bytes.Clone(text), text[at:]...))
	})
}

// sameReading demands that text, if it is read by hand, is read by encoding/json too, as the same fact.
func sameReading(t interface{ Fatalf(string, ...any) }, of Fact, text []byte) {
	got, want := zeroOf(of), zeroOf(of)
	if !readHot(got, text, whole) {
		return
	}
	if err := json.Unmarshal(text, want); err != nil {
		t.Fatalf("read by hand and refused by encoding/json: %v\n%s", err, text)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("by hand\n%+v\nencoding/json\n%+v\n%s", got, want, text)
	}
}

func TestAnOutlineLacksBytesOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawHotFact(t)
		text, err := appendJSON(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		sameOutline(t, f, text, outline)
		sameOutline(t, f, text, attested)
		text[rapid.IntRange(0, len(text)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		sameOutline(t, f, text, outline)
	})
}

// sameOutline demands that text is read as deep as said if it is read whole, and as the same fact but for its bytes.
func sameOutline(t interface{ Fatalf(string, ...any) }, of Fact, text []byte, how depth) {
	want, got := zeroOf(of), zeroOf(of)
	if read := readHot(want, text, whole); read != readHot(got, text, how) {
		t.Fatalf("read whole: %v, in outline: %v\n%s", read, !read, text)
	} else if !read {
		return
	}
	if dropBytes(want); !reflect.DeepEqual(got, want) {
		t.Fatalf("in outline\n%+v\nwant\n%+v\n%s", got, want, text)
	}
}

func TestAnOutlineOfMetadataLacksRemarksOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := appendJSON(nil, drawMeta(t))
		if err != nil {
			t.Fatal(err)
		}
		sameMetaOutline(t, text, outline)
		sameMetaOutline(t, text, attested)
		text[rapid.IntRange(0, len(text)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		sameMetaOutline(t, text, outline)
	})
}

// sameMetaOutline is sameOutline for metadata.
func sameMetaOutline(t interface{ Fatalf(string, ...any) }, text []byte, how depth) {
	want, read := readHotMeta(text, whole)
	got, also := readHotMeta(text, how)
	if read != also && (read || how == outline) {
		t.Fatalf("read whole: %v, in outline: %v\n%s", read, also, text)
	}
	want.Correlation, want.Causation = "", ""
	if read && got != want {
		t.Fatalf("in outline\n%+v\nwant\n%+v\n%s", got, want, text)
	}
}

// dropBytes empties the members that an outline lacks.
func dropBytes(f Fact) {
	switch f := f.(type) {
	case *MessagePublished:
		f.Payload, f.PayloadSHA256 = nil, nil
	case *AttemptSucceeded:
		f.BodySHA256 = nil
	case *AttemptFailed:
		f.BodySHA256, f.Answer = nil, nil
	}
}

func zeroOf(f Fact) Fact { return reflect.New(reflect.TypeOf(f).Elem()).Interface().(Fact) }

// TestTheHandIsTaken makes sure that the facts of an ordinary delivery do not fall back to encoding/json.
func TestTheHandIsTaken(t *testing.T) {
	facts := ordinaryFacts()
	client := *facts[0].(*MessagePublished)
	client.Client, client.OccurredGiven, client.Only = "Müller & Söhne <7>", true, true
	client.Withheld = []Withheld{{SubscriptionID{1}, WithheldClient}, {SubscriptionID{2}, WithheldDisabled}}
	client.WithheldTotal = 2
	none := client
	none.Targets, none.Withheld = []Target{}, nil
	dead := *facts[2].(*AttemptFailed)
	dead.Dead, dead.NextAttemptAt, dead.Delay, dead.Answer, dead.Address = true, time.Time{}, nil, nil, ""
	for _, f := range append(facts, &client, &none, &dead) {
		data, ok := writeHot(nil, f)
		if !ok {
			t.Errorf("%T is not written by hand: %+v", f, f)
			continue
		}
		got := zeroOf(f)
		if !readHot(got, data, whole) || !reflect.DeepEqual(got, f) {
			t.Errorf("%T read by hand: got %+v, want %+v", f, got, f)
		}
	}
	for _, m := range []Meta{{At: noon}, ordinaryMeta} {
		text, ok := writeHotMeta(nil, m)
		got, read := readHotMeta(text, whole)
		if !ok || !read || got != m {
			t.Errorf("metadata by hand: written %v %s, read %v %+v, want %+v", ok, text, read, got, m)
		}
	}
}

// TestOtherSpellingsAreLeftToEncodingJSON holds spellings that are near enough to be mistaken.
func TestOtherSpellingsAreLeftToEncodingJSON(t *testing.T) {
	message := `{"organization":"org_00000000-0000-0000-0000-000000000000","event_type":"a","occurred_at":"2026-05-23T18:00:00Z",` +
		`"payload":"QUJD","payload_sha256":"","targets":["wh_00000000-0000-0000-0000-000000000000@1"],"total":1,` +
		`"withheld":[{"subscription":"wh_00000000-0000-0000-0000-000000000000","why":"disabled"}],"seen":1}`
	if !readHot(&MessagePublished{}, []byte(message), whole) {
		t.Fatalf("the plain spelling is not read by hand: %s", message)
	}
	for _, change := range [][2]string{
		{`{"org`, ` {"org`}, {`"seen":1}`, `"seen":1} `}, {`"total":1`, `"total":01`}, {`"total":1`, `"total":1.0`},
		{`"total":1`, `"total":-1`}, {`"total":1`, `"total":null`}, {`"total":1`, `"total":`},
		{`"total":1`, `"total":1234567890123456789`}, {`"seen":1`, `"seen":"1"`}, {`"a"`, `"\u0061"`},
		{`"a"`, `"` + "\xff" + `"`}, {`"a"`, `"` + "\x01" + `"`}, {`"a"`, `null`}, {`@1"]`, `@1",]`}, {`@1"]`, `@01"]`},
		{`["wh_`, `[,"wh_`}, {`}],"seen`, `},],"seen`}, {`[{"sub`, `[,{"sub`}, {`QUJD`, `QUJ`}, {`QUJD`, "QUJD\\n"},
		{`QUJD`, "QU\nJD"}, {`QUJD`, "QUJD\n\n\n\n"}, {`org_0`, `ORG_0`}, {`org_00000000-`, `org_0000000A-`},
		{`18:00:00Z`, `18:00:00`}, {`18:00:00Z`, `24:00:00Z`}, {`"event_type"`, `"Event_type"`},
		{`,"total":1`, ``}, {`,"total":1`, `,"only":false,"total":1`}, {`,"total":1`, `,"total":1,"only":false`},
		{`,"seen"`, `,"more":1,"seen"`},
	} {
		text := strings.Replace(message, change[0], change[1], 1)
		if text == message {
			t.Fatalf("%q does not occur", change[0])
		}
		if readHot(&MessagePublished{}, []byte(text), whole) {
			t.Errorf("%q for %q is read by hand", change[1], change[0])
		}
	}
}

func FuzzReadHot(f *testing.F) {
	for _, fact := range append(newHot(), ordinaryFacts()...) {
		text, err := appendJSON(nil, fact)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, of := range newHot() {
			sameReading(t, of, text)
		}
		got, ok := readHotMeta(text, whole)
		if !ok {
			return
		}
		var want Meta
		if err := json.Unmarshal(text, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("by hand %+v, encoding/json %+v, %v\n%q", got, want, err, text)
		}
	})
}

var (
	noon         = time.Date(2026, 5, 23, 12, 0, 0, 123456000, time.UTC)
	ordinaryMeta = Meta{At: noon, Actor: "key:live_0123456789abcdefghijklmnop", Correlation: "01J0000000000000000000000Z"}
	ordinaryOf   = DeliveryOf{Message: MessageID{1, 2, 3}, Subscription: SubscriptionID{4, 5, 6}, Organization: OrganizationID{7, 8, 9},
		EventType: "message.received", PublishedAt: noon}
)

// ordinaryFacts are the facts of a delivery of a message of 500 bytes to one subscription.
func ordinaryFacts() []Fact {
	of := ordinaryOf
	a := Attempt{DeliveryOf: of, Round: 1, Number: 1, StartedAt: noon.Add(time.Millisecond), TookMicros: 1834, Status: 200,
		Address: "192.0.2.17:443", BodySHA256: bytes.Repeat([]byte{7}, 32), Revision: 3, RoundRevision: 3}
	failed := a
	failed.Status = 503
	return []Fact{
		&MessagePublished{Organization: of.Organization, EventType: of.EventType, OccurredAt: noon,
			Payload: bytes.Repeat([]byte{9}, 528), PayloadSHA256: bytes.Repeat([]byte{8}, 32),
			Targets: []Target{{of.Subscription, 3}}, Total: 1, Seen: 5},
		&AttemptSucceeded{a},
		&AttemptFailed{Attempt: failed, Reason: "http_503", Answer: bytes.Repeat([]byte{5}, 60), NextAttemptAt: noon.Add(time.Minute),
			Delay: &Delay{Scheduled: Duration(time.Minute), Jitter: Duration(3171 * time.Millisecond)}},
		&RetryDue{of, 1, 2, noon.Add(time.Minute), 3},
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, f := range ordinaryFacts() {
		name := strings.TrimSuffix(strings.TrimPrefix(f.FactType(), TypePrefix), ".v1")
		b.Run(name+"/hand", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := encodeFact(make([]byte, 0, hotSize(f)), f); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := appendJSON(nil, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, f := range ordinaryFacts() {
		name := strings.TrimSuffix(strings.TrimPrefix(f.FactType(), TypePrefix), ".v1")
		data, _, err := encodeFact(make([]byte, 0, hotSize(f)), f)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/hand", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !readHot(zeroOf(f), data, whole) {
					b.Fatal("left to encoding/json")
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := json.Unmarshal(data, zeroOf(f)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCodec is the whole way of a fact into and out of its recorded form, metadata and MAC included.
func BenchmarkCodec(b *testing.B) {
	codec := NewCodec(mustKeyset(b))
	id := [16]byte{1}
	for _, f := range ordinaryFacts() {
		name := strings.TrimSuffix(strings.TrimPrefix(f.FactType(), TypePrefix), ".v1")
		b.Run(name+"/encode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.Encode(Place{"hl_message-x", id, 0}, f, ordinaryMeta); err != nil {
					b.Fatal(err)
				}
			}
		})
		e, err := codec.Encode(Place{"hl_message-x", id, 0}, f, ordinaryMeta)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := codec.decode(Place{"hl_message-x", id, 0}, e.Type, e.Data, e.Metadata, whole); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/decode-again", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := codec.Decode(Place{"hl_message-x", id, 0}, e.Type, e.Data, e.Metadata); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
