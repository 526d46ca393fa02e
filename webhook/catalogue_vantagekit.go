package webhook

const (
	dealRoomCategory  = "Deal room"
	documentCategory  = "Document"
	viewerCategory    = "Viewer"
	agreementCategory = "Agreement"
	linkCategory      = "Link"
	teamCategory      = "Team"
)

var vantageKitCatalogue = []EventType{
	{"deal_room.created", dealRoomCategory, "A deal room was created.", `{` + exampleDealRoom + `,"name":"Series A"}`},
	{"deal_room.updated", dealRoomCategory, "A deal room was changed: name, description, branding, settings or order.",
		`{` + exampleDealRoom + `,"name":"Series A","changes":["name","sidebar_order"]}`},
	{"deal_room.published", dealRoomCategory, "A deal room was published.",
		`{` + exampleDealRoom + `,"name":"Series A","version":3,"documentCount":7}`},
	{"deal_room.archived", dealRoomCategory, "A deal room was archived.", `{` + exampleDealRoom + `,"name":"Series A"}`},
	{"deal_room.viewed", dealRoomCategory, "Somebody looked at a deal room.",
		`{` + exampleDealRoom + `,` + exampleLink + `,` + exampleViewer + `,"pageCount":12,"duration":95,"timestamp":"2024-04-08T13:14:56Z"}`},
	{"document.added", documentCategory, "A document was added to a deal room.", `{` + exampleDealRoom + `,` + exampleDocument + `,"pageCount":24}`},
	{"document.removed", documentCategory, "A document was removed from a deal room.", `{` + exampleDealRoom + `,` + exampleDocument + `}`},
	{"document.published", documentCategory, "A document was published.", `{` + exampleDealRoom + `,` + exampleDocument + `,"version":2}`},
	{"document.viewed", documentCategory, "Somebody looked at a document.",
		`{` + exampleDealRoom + `,` + exampleDocument + `,` + exampleLink + `,` + exampleViewer + `,"pageCount":9,"duration":64,"timestamp":"2024-04-08T13:15:31Z"}`},
	{"document.downloaded", documentCategory, "Somebody downloaded a document.",
		`{` + exampleDealRoom + `,` + exampleDocument + `,` + exampleLink + `,` + exampleViewer + `,"timestamp":"2024-04-08T13:16:40Z"}`},
	{"viewer.identified", viewerCategory, "A viewer was recognised.",
		`{` + exampleDealRoom + `,` + exampleLink + `,` + exampleViewer + `,"viewerName":"Zoë Ortiz","timestamp":"2024-04-08T13:14:58Z"}`},
	{"viewer.email_captured", viewerCategory, "A viewer gave an e-mail address.",
		`{` + exampleDealRoom + `,` + exampleLink + `,` + exampleViewer + `,"timestamp":"2024-04-08T13:14:57Z"}`},
	{"agreement.signed", agreementCategory, "An agreement was signed.",
		`{` + exampleDealRoom + `,` + exampleAgreement + `,"signerEmail":"viewer@example.com","signerName":"Zoë Ortiz","timestamp":"2024-04-09T09:00:12Z"}`},
	{"agreement.declined", agreementCategory, "An agreement was declined.",
		`{` + exampleDealRoom + `,` + exampleAgreement + `,"signerEmail":"viewer@example.com","reason":"Terms under review","timestamp":"2024-04-09T09:02:40Z"}`},
	{"agreement.expired", agreementCategory, "An agreement expired unsigned.",
		`{` + exampleDealRoom + `,` + exampleAgreement + `,"expiredAt":"2024-05-09T00:00:00Z"}`},
	{"link.created", linkCategory, "A link to a deal room was created.",
		`{` + exampleDealRoom + `,` + exampleLink + `,"name":"Investors","expiresAt":"2024-05-08T00:00:00Z"}`},
	{"link.updated", linkCategory, "A link was changed.",
		`{` + exampleDealRoom + `,` + exampleLink + `,"name":"Investors","changes":["name","expiresAt"]}`},
	{"link.clicked", linkCategory, "Somebody followed a link.",
		`{` + exampleDealRoom + `,` + exampleLink + `,"referrer":"https://mail.example.com/","timestamp":"2024-04-08T13:14:55Z"}`},
	{"link.expired", linkCategory, "A link expired.",
		`{` + exampleDealRoom + `,` + exampleLink + `,"name":"Investors","expiredAt":"2024-05-08T00:00:00Z"}`},
	{"team.member_joined", teamCategory, "Somebody joined the team.",
		`{"memberId":"550e8400-e29b-41d4-a716-446655440004","email":"colleague@example.com","name":"Ada Novak","role":"editor"}`},
	{"team.member_removed", teamCategory, "Somebody was removed from the team.",
		`{"memberId":"550e8400-e29b-41d4-a716-446655440004","email":"colleague@example.com","removedBy":"owner@example.com"}`},
}

// Members that many examples share.
const (
	exampleDealRoom  = `"dealRoomId":"550e8400-e29b-41d4-a716-446655440000"`
	exampleLink      = `"linkId":"550e8400-e29b-41d4-a716-446655440001"`
	exampleDocument  = `"documentId":"550e8400-e29b-41d4-a716-446655440002","documentName":"Pitch deck.pdf"`
	exampleAgreement = `"agreementId":"550e8400-e29b-41d4-a716-446655440003","agreementName":"Non-disclosure agreement"`
	exampleViewer    = `"viewerEmail":"viewer@example.com"`
)
