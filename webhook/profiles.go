package webhook

import "time"

// profiles is the table of the contract, one column a value. Marked D: decided here, where the published document is
// silent.
var profiles = []*Profile{vantageClaw, clawBook, vantageKit, vntana, standard}

const (
	day         = 24 * time.Hour
	testMessage = `{"message":"integration test"}`
)

var vantageClaw = &Profile{
	name: "vantageclaw",
	envelope: envelope{
		members: []member{
			{"event", eventType}, {"id", messageID}, {"subscription_id", subscriptionID},
			{"occurred_at", occurredAt}, {"data", messageData},
		},
		timeLayout: microseconds,
	},
	headers: []header{
		contentType, defaultUserAgent,
		{name: "X-VC-Timestamp", value: attemptTime}, {name: "X-VC-Signature", value: signatureList},
	},
	signature: signature{
		signed: []piece{{value: attemptTime}, {text: "."}, {value: body}},
		time:   unixMilliseconds, prefix: "sha256=", encoding: hexadecimal, key: wholeSecret,
	},
	policy: policy{
		timeout:  10 * time.Second,
		schedule: []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, day},
		disable:  disable{rule: DisableRule{ConsecutiveFailures: 20}},
		warnings: warnings,
		notices:  []Notice{warningTold, recoveredTold, disabledTold, deadTold},
	},
	secret:    secretRule{made: urlSafeSecret, supplied: suppliedText},
	catalogue: vantageClawCatalogue,
	reserved:  []string{"vc.lead.", "vc.intake.", "vc.record.", "vc.skill.", "vc.agent."},
	testData:  testMessage,
}

var clawBook = &Profile{
	name: "clawbook",
	envelope: envelope{
		members:    []member{{"id", messageID}, {"type", eventType}, {"created_at", occurredAt}, {"data", messageData}},
		timeLayout: wholeSeconds,
	},
	headers: []header{contentType, defaultUserAgent, {name: "X-ClawBook-Signature", value: signatureList}},
	signature: signature{
		signed: []piece{{value: body}},
		prefix: "sha256=", encoding: hexadecimal, key: wholeSecret,
	},
	policy: policy{
		timeout:   30 * time.Second,
		schedule:  []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 12 * time.Hour},
		permanent: statusRule{ranges: []statusRange{{400, 499}}},
		notices:   []Notice{deadMailed},
	},
	secret:    secretRule{made: urlSafeSecret, supplied: suppliedText, clientSupplied: true},
	catalogue: clawBookCatalogue,
	testData:  testMessage,
}

var vantageKit = &Profile{
	name:     "vantagekit",
	envelope: envelope{members: []member{{"type", eventType}, {"data", messageData}}},
	headers: []header{
		contentType, {name: "User-Agent", text: "VantageKit-Webhooks/1.0"},
		{name: "X-VantageKit-Event", value: eventType}, {name: "X-VantageKit-Delivery", value: deliveryID},
		{name: "X-VantageKit-Timestamp", value: attemptTime}, {name: "X-VantageKit-Signature", value: signatureList},
	},
	signature: signature{
		signed: []piece{{value: attemptTime}, {text: "."}, {value: body}},
		time:   unixSeconds, prefix: "sha256=", encoding: hexadecimal, key: wholeSecret,
	},
	policy: policy{
		timeout: 10 * time.Second,
		schedule: []time.Duration{
			time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
		},
		permanent:        statusRule{ranges: []statusRange{{400, 499}}, except: []int{429}},
		unhealthyAt:      5,
		notices:          []Notice{unhealthyTold, recoveredTold, deadTold},
		maxSubscriptions: 10,
	},
	secret:    secretRule{made: urlSafeSecret, supplied: suppliedText},
	catalogue: vantageKitCatalogue,
	testData:  testMessage,
}

var vntana = &Profile{
	name:     "vntana",
	envelope: envelope{members: []member{{"event", eventType}, {"", messageData}}},
	headers: []header{
		contentType, defaultUserAgent,
		{name: "X-TIMESTAMP", value: attemptTime}, {name: "X-VNTANA-SIGNATURE", value: signatureList},
	},
	signature: signature{
		signed: []piece{{value: attemptTime}, {text: "#"}, {value: body}},
		time:   isoSeconds, encoding: hexadecimal, key: wholeSecret,
	},
	policy: policy{
		timeout:  10 * time.Second,                                                                              // D
		schedule: []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}, // D
		disable:  disable{rule: DisableRule{ConsecutiveFailures: 20}},                                           // D
		warnings: warnings,
		notices:  []Notice{firstFailureMailed, warningTold, recoveredTold, disabledMailed, deadTold},
	},
	secret:    secretRule{made: urlSafeSecret, supplied: suppliedText, readable: true},
	catalogue: vntanaCatalogue,
	testData:  testMessage,
}

var standard = &Profile{
	name: "standard",
	envelope: envelope{
		members:    []member{{"type", eventType}, {"timestamp", occurredAt}, {"data", messageData}},
		timeLayout: microseconds, // D: RFC 3339 with six digits, the form of the specification's own examples
	},
	headers: []header{
		contentType, defaultUserAgent, {name: "webhook-id", value: messageID},
		{name: "webhook-timestamp", value: attemptTime}, {name: "webhook-signature", value: signatureList},
	},
	signature: signature{
		signed: []piece{{value: messageID}, {text: "."}, {value: attemptTime}, {text: "."}, {value: body}},
		time:   unixSeconds, prefix: "v1,", encoding: standardBase64, key: decodedSecret, list: true,
	},
	policy: policy{
		timeout: 15 * time.Second, // D
		schedule: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
			14 * time.Hour, 20 * time.Hour, day,
		},
		permanent: statusRule{ranges: []statusRange{{410, 410}}},
		disable: disable{
			rule:     DisableRule{FailingFor: 5 * day}, // D
			onStatus: statusRule{ranges: []statusRange{{410, 410}}},
		},
		warnings: warnings,
		notices:  []Notice{warningTold, recoveredTold, disabledMailed, deadTold}, // D
	},
	secret:   secretRule{made: paddedSecret, supplied: suppliedKey},
	testData: testMessage,
}
