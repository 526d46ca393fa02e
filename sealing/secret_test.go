package sealing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

const hidden = "whsec_hunter2"

// carrier has secrets where formatters look and where they cannot ask a method.
type carrier struct {
	Shown   Secret
	hidden  Secret
	Pointer *Secret
	Map     map[string]Secret
	List    []Secret
}

func newCarrier() carrier {
	s := NewSecret(hidden)
	return carrier{s, s, &s, map[string]Secret{"k": s}, []Secret{s}}
}

// outputs is what every way to print value that we know of makes of it.
func outputs(t *testing.T, value any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "% x", "%p", "%T", "%10.3s", "%!"} {
		out[verb] = fmt.Sprintf(verb, value)
	}
	out["Sprint"] = fmt.Sprint(value)
	out["error"] = fmt.Errorf("with %v: %w", value, errors.New("x")).Error()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out["json"] = string(encoded)
	var lines bytes.Buffer
	logger := zerolog.New(&lines)
	logger.Info().Interface("value", value).Any("again", value).Str("text", fmt.Sprint(value)).Send()
	out["zerolog"] = lines.String()
	lines.Reset()
	slog.New(slog.NewTextHandler(&lines, nil)).Info("x", "value", value)
	out["slog text"] = lines.String()
	lines.Reset()
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("x", "value", value)
	out["slog json"] = lines.String()
	return out
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	s := NewSecret(hidden)
	c := newCarrier()
	_ = c.hidden
	k := newTestKeyset(t)
	for name, value := range map[string]any{"secret": s, "pointer": &s, "carrier": c, "carrier pointer": &c, "list": []Secret{s}} {
		for way, text := range outputs(t, value) {
			for _, leak := range []string{hidden, "hunter2", fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprintf("% x", hidden)} {
				if strings.Contains(text, leak) {
					t.Errorf("%s by %s: %s", name, way, text)
				}
			}
			if name == "secret" && way != "%T" && way != "%!" && way != "%p" && !strings.Contains(text, "[redacted]") {
				t.Errorf("%s by %s does not say [redacted]: %s", name, way, text)
			}
		}
	}
	if text := fmt.Sprintf("%v %s %#v %+v", k, k, k, newTestDataKey(t)); text != strings.TrimSpace(strings.Repeat("[redacted] ", 4)) {
		t.Errorf("a keyset prints %s", text)
	}
	if text, err := json.Marshal(map[string]any{"k": k}); err != nil || string(text) != `{"k":{}}` {
		t.Errorf("a keyset encodes to %s, %v", text, err)
	}
}

func TestSecretReveals(t *testing.T) {
	t.Parallel()
	if got := NewSecret(hidden).Reveal(); got != hidden {
		t.Errorf("got %q", got)
	}
	var zero Secret
	if zero.Reveal() != "" || !zero.IsZero() || NewSecret(hidden).IsZero() || !NewSecret("").IsZero() {
		t.Error("the zero Secret is not empty")
	}
	if !NewSecret(hidden).Equal(NewSecret(hidden)) || NewSecret(hidden).Equal(zero) || !zero.Equal(NewSecret("")) {
		t.Error("Equal does not compare the strings")
	}
	var decoded struct{ Key Secret }
	if err := json.Unmarshal([]byte(`{"Key":"whsec_hunter2"}`), &decoded); err != nil || decoded.Key.Reveal() != hidden {
		t.Errorf("decoded %q, %v", decoded.Key.Reveal(), err)
	}
	if text := fmt.Sprint(zero); text != "[redacted]" {
		t.Errorf("the zero Secret prints %s", text)
	}
}
