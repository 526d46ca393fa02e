package webhook

// The catalogues of the contracts, in published order. Examples have the published members with made-up values.

var vantageClawCatalogue = []EventType{
	{"vc.test.ping", "Test", "A test was asked for; sent to that subscription alone.", testMessage},
}

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
	{"message.delivered", messageCategory, "The platform confirmed that a message arrived.", ""},
	{"message.failed", messageCategory, "A message could not be sent.", ""},
	{"integration.connected", integrationCategory, "A platform was connected.", ""},
	{"integration.disconnected", integrationCategory, "The connection to a platform was lost.",
		`{"platform":"telegram","reason":"token_expired","last_connected_at":"2026-01-30T14:00:00Z","auto_reconnect":true}`},
	{"integration.error", integrationCategory, "A connected platform reported an error.", ""},
	{"ai.request", aiCategory, "A request went to a model.", ""},
	{"ai.response", aiCategory, "A model answered.", ""},
	{"ai.error", aiCategory, "A request to a model failed.", ""},
	{"ai.rate_limited", aiCategory, "A model's rate limit was reached.", ""},
	{"system.health", systemCategory, "The state of the system changed.", ""},
	{"backup.completed", backupCategory, "A backup was finished.", ""},
	{"backup.failed", backupCategory, "A backup failed.", ""},
}

const (
	dealRoomCategory  = "Deal room"
	documentCategory  = "Document"
	viewerCategory    = "Viewer"
	agreementCategory = "Agreement"
	linkCategory      = "Link"
	teamCategory      = "Team"
)

var vantageKitCatalogue = []EventType{
	{"deal_room.created", dealRoomCategory, "A deal room was created.", dealRoomExample + `}`},
	{"deal_room.updated", dealRoomCategory, "A deal room was changed: name, description, branding, settings or order.",
		dealRoomExample + `,"changes":["name","sidebar_order"]}`},
	{"deal_room.published", dealRoomCategory, "A deal room was published.",
		dealRoomExample + `,"version":2,"documentCount":7}`},
	{"deal_room.archived", dealRoomCategory, "A deal room was archived.", dealRoomExample + `}`},
	{"deal_room.viewed", dealRoomCategory, "Somebody looked at a deal room.",
		`{"dealRoomId":"550e8400-e29b-41d4-a716-446655440000","linkId":"550e8400-e29b-41d4-a716-446655440001",` +
			`"viewerEmail":"viewer@example.com","pageCount":12,"duration":95,"timestamp":"2024-04-08T13:14:56Z"}`},
	{"document.added", documentCategory, "A document was added to a deal room.", ""},
	{"document.removed", documentCategory, "A document was removed from a deal room.", ""},
	{"document.published", documentCategory, "A document was published.", ""},
	{"document.viewed", documentCategory, "Somebody looked at a document.", ""},
	{"document.downloaded", documentCategory, "Somebody downloaded a document.", ""},
	{"viewer.identified", viewerCategory, "A viewer was recognised.", ""},
	{"viewer.email_captured", viewerCategory, "A viewer gave an e-mail address.", ""},
	{"agreement.signed", agreementCategory, "An agreement was signed.", ""},
	{"agreement.declined", agreementCategory, "An agreement was declined.", ""},
	{"agreement.expired", agreementCategory, "An agreement expired unsigned.", ""},
	{"link.created", linkCategory, "A link to a deal room was created.", ""},
	{"link.updated", linkCategory, "A link was changed.", ""},
	{"link.clicked", linkCategory, "Somebody followed a link.", ""},
	{"link.expired", linkCategory, "A link expired.", ""},
	{"team.member_joined", teamCategory, "Somebody joined the team.", ""},
	{"team.member_removed", teamCategory, "Somebody was removed from the team.", ""},
}

const dealRoomExample = `{"dealRoomId":"550e8400-e29b-41d4-a716-446655440000","name":"Series A"`

const (
	productCategory = "Product"
	folderCategory  = "Folder"
	userCategory    = "User"
)

var vntanaCatalogue = []EventType{
	{"product.added", productCategory, "A product was added.", productExample},
	{"product.pending", productCategory, "A product waits to be processed.", productExample},
	{"product.processing", productCategory, "A product is being processed.", productExample},
	{"product.completed", productCategory, "A product was processed.", productExample},
	{"product.terminated", productCategory, "The processing of a product was stopped.", productExample},
	{"product.failed", productCategory, "The processing of a product failed.", productExample},
	{"product.published", productCategory, "A product was published.", productExample},
	{"product.deleted", productCategory, "A product was deleted.", productExample},
	{"client.added", folderCategory, "A folder was added.",
		`{"organization":{"uuid":"550e8400-e29b-41d4-a716-446655440000"},"client":{"uuid":"550e8400-e29b-41d4-a716-446655440001"}}`},
	{"user.added", userCategory, "A user was added.", ""},
	{"user.revoked", userCategory, "A user's access was revoked.", ""},
}

const productExample = `{"organization":{"uuid":"550e8400-e29b-41d4-a716-446655440000"},` +
	`"product":{"uuid":"550e8400-e29b-41d4-a716-446655440002"},"client":{"uuid":"550e8400-e29b-41d4-a716-446655440001"}}`
