package webhook

const (
	messageCategory     = "Message"
	integrationCategory = "Integration"
	aiCategory          = "AI"
	systemCategory      = "System"
	backupCategory      = "Backup"
)

var clawBookCatalogue = []EventType{
	{"message.received", messageCategory, "A message came in from a platform.",
		`{"message_id":"msg_1","conversation_id":"conv_1","platform":"telegram",` +
			`"sender":{"id":"u_1","name":"Zoë","username":"zoe"},"content":"Hello","timestamp":"2026-01-30T14:30:00Z"}`},
	{"message.sent", messageCategory, "A message went out.",
		`{"message_id":"msg_2","conversation_id":"conv_1","platform":"telegram",` +
			`"recipient":{"id":"u_1","name":"Zoë"},"content":"Hello to you","ai_model":"model-1",` +
			`"tokens":{"input":12,"output":7},"latency_ms":840}`},
	{"message.delivered", messageCategory, "The platform confirmed that a message arrived.",
		`{"message_id":"msg_2","conversation_id":"conv_1","platform":"telegram",` +
			`"recipient":{"id":"u_1","name":"Zoë"},"delivered_at":"2026-01-30T14:30:02Z"}`},
	{"message.failed", messageCategory, "A message could not be sent.",
		`{"message_id":"msg_3","conversation_id":"conv_1","platform":"telegram",` +
			`"recipient":{"id":"u_1","name":"Zoë"},"error":"blocked_by_recipient","failed_at":"2026-01-30T14:31:00Z"}`},
	{"integration.connected", integrationCategory, "A platform was connected.",
		`{"platform":"telegram","account":"zoes_shop_bot","connected_at":"2026-01-30T14:00:00Z"}`},
	{"integration.disconnected", integrationCategory, "The connection to a platform was lost.",
		`{"platform":"telegram","reason":"token_expired","last_connected_at":"2026-01-30T14:00:00Z","auto_reconnect":true}`},
	{"integration.error", integrationCategory, "A connected platform reported an error.",
		`{"platform":"telegram","error":"too_many_requests","message":"Retry in 30 seconds","occurred_at":"2026-01-30T14:05:00Z"}`},
	{"ai.request", aiCategory, "A request went to a model.",
		`{"request_id":"req_1","conversation_id":"conv_1","ai_model":"model-1","tokens":{"input":12}}`},
	{"ai.response", aiCategory, "A model answered.",
		`{"request_id":"req_1","conversation_id":"conv_1","ai_model":"model-1","tokens":{"input":12,"output":7},"latency_ms":790}`},
	{"ai.error", aiCategory, "A request to a model failed.",
		`{"request_id":"req_2","conversation_id":"conv_1","ai_model":"model-1","error":"context_too_long"}`},
	{"ai.rate_limited", aiCategory, "A model's rate limit was reached.",
		`{"request_id":"req_3","ai_model":"model-1","limit":60,"retry_after":17}`},
	{"system.health", systemCategory, "The state of the system changed.",
		`{"status":"degraded","previous_status":"healthy","components":{"database":"healthy","queue":"degraded"},` +
			`"checked_at":"2026-01-30T14:30:00Z"}`},
	{"backup.completed", backupCategory, "A backup was finished.",
		`{"backup_id":"bak_1","size_bytes":10485760,"duration_ms":5230,"completed_at":"2026-01-30T03:00:05Z"}`},
	{"backup.failed", backupCategory, "A backup failed.",
		`{"backup_id":"bak_2","error":"disk_full","failed_at":"2026-01-31T03:00:02Z"}`},
}
