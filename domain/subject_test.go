package domain

import (
	"slices"
	"strings"
	"testing"
)

// subjects says, for the sample of every type, which ids its subject has: o, s, m, d and k.
var subjects = map[string]string{
	"AttemptFailed": "osmd", "AttemptSucceeded": "osmd", "RetryDue": "osmd", "RedeliveryRequested": "osmd",
	"MessagePublished": "om", "MessageTargets": "om", "TargetsCorrected": "om",
	"SubscriptionCreated": "os", "SubscriptionChanged": "os", "SecretRotated": "os", "SubscriptionDisabled": "os",
	"SubscriptionEnabled": "os", "SubscriptionDeleted": "os",
	"OrganizationRegistered": "o", "OrganizationChanged": "o", "OrganizationClosed": "o", "SubscriptionAdmitted": "o",
	"SlugReserved": "o", "DataKeyMade": "o", "EventTypeDefined": "o", "EventTypeRetired": "o",
	"KeyIssued": "ok", "KeyRotated": "k", "KeyRevoked": "k", "KeysetProbed": "", "AuditRead": "",
	"AdmissionWithdrawn": "os", "RecoveryRequested": "os", "RecoveryProgressed": "os", "RecoveryEnded": "os",
	"NoticeDecided": "os", "NoticeSent": "os", "NoticeFailed": "os", "NoticeDue": "os", "MailAdmitted": "o", "MailReleased": "o",
	"AddressAsked": "o", "AddressConfirmed": "o",
}

func TestEveryFactSaysWhatItIsAbout(t *testing.T) {
	codec := NewCodec(testKeys{})
	for name, s := range samples(t) {
		f, _, err := codec.Decode(Place{s.Stream, s.id(t), 0}, name, s.Data, s.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := subjects[strings.TrimSuffix(strings.TrimPrefix(name, TypePrefix), ".v1")]
		if !ok {
			t.Errorf("%s: say what it is about", name)
			continue
		}
		of := SubjectOf(s.Stream, f)
		got := ""
		for _, id := range []struct {
			letter string
			zero   bool
		}{{"o", of.Organization.IsZero()}, {"s", of.Subscription.IsZero()}, {"m", of.Message.IsZero()}, {"d", of.Delivery.IsZero()}, {"k", of.Key == ""}} {
			if !id.zero {
				got += id.letter
			}
		}
		if got != want {
			t.Errorf("%s is about %q, want %q", name, got, want)
		}
		for _, id := range []string{of.Organization.String(), of.Subscription.String(), of.Message.String(), of.Delivery.String()} {
			if text := s.Stream + string(s.Data); !strings.HasSuffix(id, "00000000-0000-0000-0000-000000000000") && !strings.Contains(text, id) {
				t.Errorf("%s is about %s, which it does not name", name, id)
			}
		}
	}
}

func TestAFactOnTheStreamOfAnotherDeliveryIsMisplaced(t *testing.T) {
	of := DeliveryOf{Message: MessageID{1}, Subscription: SubscriptionID{2}, Organization: OrganizationID{3}}
	f := &RetryDue{DeliveryOf: of}
	for stream, misplaced := range map[string]bool{DeliveryStream(of.ID()): false, DeliveryStream(DeliveryID{9}): true, "hl_message-x": true} {
		if s := SubjectOf(stream, f); s.Misplaced() != misplaced || s.Organization != of.Organization {
			t.Errorf("on %s: %+v", stream, s)
		}
	}
	if s := SubjectOf(MessageStream(MessageID{1}), &MessagePublished{Organization: of.Organization}); s.Misplaced() || s.Message != of.Message {
		t.Errorf("a message: %+v", s)
	}
	if types := FactTypes(); slices.Contains(types, "") || len(types) != len(subjects) {
		t.Errorf("types %v", types)
	}
}
