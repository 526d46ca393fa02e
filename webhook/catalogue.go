package webhook

// Category is a part of a catalogue.
type Category struct {
	// Name is the published title.
	Name string
	// UUID is CategoryUUID of the name.
	UUID string
	// Types are its event types in published order.
	Types []EventType
}

// Categories returns the catalogue divided into its categories, both in published order.
func (p *Profile) Categories() []Category {
	var all []Category
	for _, t := range p.catalogue {
		if n := len(all); n == 0 || all[n-1].Name != t.Category {
			all = append(all, Category{Name: t.Category, UUID: CategoryUUID(t.Category)})
		}
		last := &all[len(all)-1]
		last.Types = append(last.Types, t)
	}
	return all
}

// The catalogues below have the published members where the contract publishes them, and plausible ones elsewhere; every
// value is made up.

var vantageClawCatalogue = []EventType{
	{"vc.test.ping", "Test", "A test was asked for; sent to that subscription alone.", testMessage},
}
