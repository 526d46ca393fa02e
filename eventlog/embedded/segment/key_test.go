package segment

import "testing"

func TestAKeyBeginsWithTheTimeInAName(t *testing.T) {
	t.Parallel()
	const seconds = 0x0190f5a01234 >> secondShift
	for name, timed := range map[string]bool{
		"hl_message-evt_0190f5a0-1234-7abc-8def-0123456789ab":             true,
		"hl_delivery-del_0190f5a0-1234-7000-8000-000000000000":            true,
		"0190f5a0-1234-7abc-8def-0123456789ab":                            true,
		"hl_message-evt_0190f5a0-1234-8abc-8def-0123456789ab":             false, // a hash, by its version
		"hl_message-evt_7fb0f5a0-1234-7abc-8def-0123456789ab":             false, // a hash, by its time
		"hl_message-evt_0190F5A0-1234-7abc-8def-0123456789ab":             false,
		"hl_message-evt_0190f5a0x1234-7abc-8def-0123456789ab":             false,
		"hl_message-evt_0190f5a0-1234x7abc-8def-0123456789ab":             false,
		"hl_message-evt_0190f5a0-123g-7abc-8def-0123456789ab":             false,
		"hl_mailhour-org_0190f5a0-1234-7abc-8def-0123456789ab.2026-01-02": false,
		"190f5a0-1234-7abc-8def-0123456789ab":                             false,
		"again":                                                           false,
		"":                                                                false,
	} {
		key := keyOf(name)
		if (key&timedBit != 0) != timed || timed && key>>timeShift != seconds {
			t.Errorf("%s: %x, want a time %v", name, key, timed)
		}
	}
}

func TestKeysOfOneTimeDiffer(t *testing.T) {
	t.Parallel()
	a, b := keyOf("hl_message-evt_0190f5a0-1234-7abc-8def-0123456789ab"), keyOf("hl_message-evt_0190f5a0-1234-7abc-8def-0123456789ac")
	if a == b || a>>timeShift != b>>timeShift {
		t.Errorf("%x and %x", a, b)
	}
}
