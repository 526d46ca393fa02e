package projections

import (
	"slices"
)

// part is a set of projections that share memory or rows, and so are folded and switched together.
type part uint8

const (
	// corePart is what decides who gets what, and how it stands: its projections read one another while they fold.
	corePart part = iota
	keysPart
	cataloguePart
	failuresPart
	auditPart
	recoveriesPart
	clientsPart
	partCount
)

// projection is one read model under its name.
type projection struct {
	name string
	// version says which code wrote the rows. Who changes what the rows say, for facts that are in logs already, counts
	// it up: the next start then folds the projection again while the old rows serve. Who changes how rows are written,
	// so that the old ones cannot be read, changes format instead.
	version int
	part    part
	// spaces are its keyspaces. None is another projection's.
	spaces []byte
}

// table holds every projection, in the order in which they are told of.
var table = []projection{
	{"organizations", 1, corePart, []byte{organizationSpace}},
	{"keys", 1, keysPart, []byte{keySpace}},
	{"catalogue", 1, cataloguePart, []byte{eventTypeSpace}},
	{"subscriptions", 2, corePart, []byte{subscriptionSpace, memberSpace, healthSpace}},
	{"deliveries", 3, corePart, []byte{deliverySpace, messageSpace}},
	{"failures", 1, failuresPart, []byte{failureSpace}},
	{"due", 2, corePart, []byte{dueSpace, orderSpace}},
	{"corrections", 1, corePart, []byte{correctionSpace}},
	{"notices", 1, corePart, []byte{toldSpace, turnSpace, noticeSpace, noticeDueSpace, summarySpace}},
	{"audit", auditVersion, auditPart, []byte{auditSpace}},
	{"recoveries", 1, recoveriesPart, []byte{recoverySpace}},
	{"clients", 1, clientsPart, []byte{clientSpace}},
}

// partInfo says what a part is folded from, and what it holds in memory.
type partInfo struct {
	// needs are the parts that are read while this one is folded. They are folded beside it, whether or not they are
	// to be switched with it.
	needs []part
	// take moves what the part holds in memory from one set of models to another; nil if it holds nothing.
	take func(into, from *models)
	// load brings that into memory from the rows.
	load func(*models) error
}

var partInfos = [partCount]partInfo{
	corePart: {take: func(into, from *models) {
		into.directory, into.recent, into.due = from.directory, from.recent, from.due
	}, load: (*models).loadCore},
	keysPart:       {take: func(into, from *models) { into.keys = from.keys }, load: (*models).loadKeys},
	cataloguePart:  {needs: []part{corePart}, take: func(into, from *models) { into.types = from.types }, load: (*models).loadEventTypes},
	failuresPart:   {needs: []part{corePart}},
	auditPart:      {take: func(into, from *models) { into.audit = from.audit }, load: (*models).loadAudit},
	recoveriesPart: {take: func(into, from *models) { into.recoveries = from.recoveries }, load: (*models).loadRecoveries},
	clientsPart:    {needs: []part{corePart}},
}

// projectionNamed finds a projection.
func projectionNamed(name string) (projection, bool) {
	i := slices.IndexFunc(table, func(p projection) bool { return p.name == name })
	if i < 0 {
		return projection{}, false
	}
	return table[i], true
}

// partSet is a set of parts.
type partSet [partCount]bool

// everyPart is all of them.
func everyPart() (s partSet) {
	for p := range s {
		s[p] = true
	}
	return s
}

// withNeeds adds what the parts are folded from.
func (s partSet) withNeeds() partSet {
	for again := true; again; {
		again = false
		for p, in := range s {
			for _, need := range partInfos[p].needs {
				if in && !s[need] {
					s[need], again = true, true
				}
			}
		}
	}
	return s
}

// names are the projections of the parts, in the order of the table.
func (s partSet) names() (names []string) {
	for _, p := range table {
		if s[p.part] {
			names = append(names, p.name)
		}
	}
	return names
}

// spaces are the keyspaces of the parts.
func (s partSet) spaces() (spaces []byte) {
	for _, p := range table {
		if s[p.part] {
			spaces = append(spaces, p.spaces...)
		}
	}
	return spaces
}
