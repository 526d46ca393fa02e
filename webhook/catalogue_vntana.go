package webhook

const (
	productCategory = "Product"
	folderCategory  = "Folder"
	userCategory    = "User"
)

var vntanaCatalogue = []EventType{
	{"product.added", productCategory, "A product was added.", productWith("DRAFT")},
	{"product.pending", productCategory, "A product waits to be processed.", productWith("PENDING")},
	{"product.processing", productCategory, "A product is being processed.", productWith("PROCESSING")},
	{"product.completed", productCategory, "A product was processed.", productWith("COMPLETED")},
	{"product.terminated", productCategory, "The processing of a product was stopped.", productWith("TERMINATED")},
	{"product.failed", productCategory, "The processing of a product failed.", productWith("FAILED")},
	{"product.published", productCategory, "A product was published.", productWith("PUBLISHED")},
	{"product.deleted", productCategory, "A product was deleted.", productWith("DELETED")},
	{"client.added", folderCategory, "A folder was added.", `{` + exampleOrganization + `,` + exampleClient + `}`},
	{"user.added", userCategory, "A user was added.", `{` + exampleOrganization + `,` + exampleUser + `,"role":"EDITOR"}}`},
	{"user.revoked", userCategory, "A user's access was revoked.", `{` + exampleOrganization + `,` + exampleUser + `}}`},
}

const (
	exampleOrganization = `"organization":{"uuid":"550e8400-e29b-41d4-a716-446655440000"}`
	exampleClient       = `"client":{"uuid":"550e8400-e29b-41d4-a716-446655440001","name":"Spring collection"}`
	exampleUser         = `"user":{"uuid":"550e8400-e29b-41d4-a716-446655440003","email":"user@example.com"`
)

// productWith is the data of a product's event with the product in a state.
func productWith(status string) string {
	return `{` + exampleOrganization + `,"product":{"uuid":"550e8400-e29b-41d4-a716-446655440002","name":"Oak chair","status":"` + status +
		`"},` + exampleClient + `}`
}
