package domain

// Subject is what a fact is about: those ids that it has. An organization is whose fact it is; a fact of none
// concerns the whole installation.
type Subject struct {
	Organization OrganizationID
	Subscription SubscriptionID
	Message      MessageID
	Delivery     DeliveryID
	// Key is the API key whose stream the fact is on. The first fact of the stream says whose the key is; the others
	// do not.
	Key KeyID
}

// SubjectOf tells what a fact on a stream is about. It believes the fact: whether a fact of a delivery or message
// belongs on the stream is told by Misplaced.
func SubjectOf(stream string, f Fact) (s Subject) {
	switch f := f.(type) {
	case *AttemptSucceeded:
		return f.DeliveryOf.subject(stream)
	case *AttemptFailed:
		return f.DeliveryOf.subject(stream)
	case *RetryDue:
		return f.DeliveryOf.subject(stream)
	case *RedeliveryRequested:
		return f.DeliveryOf.subject(stream)
	case *MessagePublished:
		s.Organization = f.Organization
	case *MessageTargets:
		s.Organization = f.Organization
	case *TargetsCorrected:
		s.Organization = f.Organization
	case *SubscriptionCreated:
		s.Organization = f.Organization
	case *SubscriptionChanged:
		s.Organization = f.Organization
	case *SecretRotated:
		s.Organization = f.Organization
	case *SubscriptionDisabled:
		s.Organization = f.Organization
	case *SubscriptionEnabled:
		s.Organization = f.Organization
	case *SubscriptionDeleted:
		s.Organization = f.Organization
	default:
		return subjectOfOrganization(stream, f)
	}
	if IsSubscriptionFact(f) {
		s.Subscription, _ = SubscriptionOfStream(stream)
		return s
	}
	s.Message, _ = MessageOfStream(stream)
	return s
}

// subjectOfOrganization is SubjectOf for the facts of organizations and what they manage.
func subjectOfOrganization(stream string, f Fact) (s Subject) {
	switch f := f.(type) {
	case *SlugReserved:
		s.Organization = f.Organization
	case *DataKeyMade:
		s.Organization = f.Organization
	case *RecoveryRequested:
		s.Organization, s.Subscription = f.Organization, f.Subscription
	case *RecoveryProgressed:
		s.Organization, s.Subscription = f.Organization, f.Subscription
	case *RecoveryEnded:
		s.Organization, s.Subscription = f.Organization, f.Subscription
	case *NoticeDecided:
		s.Organization, s.Subscription = f.Organization, f.Subscription
	case *NoticeSent:
		s.Organization, s.Subscription = f.Organization, f.Subscription
	case *NoticeFailed:
		s.Organization, s.Subscription = f.Organization, f.Subscription
	case *NoticeDue:
		s.Organization, s.Subscription = f.Organization, f.Subscription
	case *MailAdmitted:
		s.Organization = f.Organization
	case *MailReleased:
		s.Organization = f.Organization
	case *AddressAsked:
		s.Organization = f.Organization
	case *AddressConfirmed:
		s.Organization = f.Organization
	case *AdmissionWithdrawn:
		s.Organization = f.Organization
		s.Subscription, _ = SubscriptionOfStream(stream)
	case *EventTypeDefined:
		s.Organization = f.Organization
	case *EventTypeRetired:
		s.Organization = f.Organization
	case *KeyIssued:
		s.Organization = f.Organization
		s.Key, _ = KeyOfStream(stream)
	case *KeyRotated, *KeyRevoked:
		s.Key, _ = KeyOfStream(stream)
	case *OrganizationRegistered, *OrganizationChanged, *OrganizationClosed, *SubscriptionAdmitted:
		s.Organization, _ = OrganizationOfStream(stream)
	}
	return s
}

func (d DeliveryOf) subject(stream string) Subject {
	s := Subject{Organization: d.Organization, Subscription: d.Subscription, Message: d.Message}
	s.Delivery, _ = DeliveryOfStream(stream)
	return s
}

// Misplaced reports whether the subject of a delivery's fact is not what its stream is about: nothing that it says of
// itself can be believed then.
func (s Subject) Misplaced() bool {
	return !s.Message.IsZero() && !s.Subscription.IsZero() && s.Delivery != DeriveDeliveryID(s.Message, s.Subscription)
}
