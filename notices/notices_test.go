package notices_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/notices"
	"github.com/hooklog/hooklog/notices/mailtest"
)

// TestAMailServerOutageIsWaitedOut: the server is dead while the turn happens, the node is restarted meanwhile, and the
// mail arrives once, encrypted and signed in to, after the server is back. It holds the row notices.outage.
func TestAMailServerOutageIsWaitedOut(t *testing.T) {
	config, roots := mailtest.Certificate(t)
	server := mailtest.Start(t, mailtest.Options{TLS: config, Password: "pass word"})
	mailer, err := notices.NewServer(notices.ServerConfig{Host: "127.0.0.1", Port: server.Port(), Security: notices.STARTTLS,
		Username: "user", Password: "pass word", From: "Hooklog <notices@example.com>", Roots: roots})
	must(t, err)
	server.Kill()
	back := make(chan struct{}) // the server's goroutines stay outside of the bubble
	go func() { <-back; server.Restart(); back <- struct{}{} }()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mailer)
		r.start()
		defer func() { r.stop() }()
		org := r.organization("vntana")
		r.confirm(org, "ops@customer.example")
		sub := r.subscribe(org, "ops@customer.example", func(n *commands.NewSubscription) { n.Name = "Orders & <b>more</b>" })
		r.attempt(org, sub, 500)
		time.Sleep(10 * time.Minute)
		if failed := facts[*domain.NoticeFailed](r); len(failed) < 3 || failed[len(failed)-1].Reason != domain.ReasonUnreachable {
			t.Fatalf("failed %d times", len(failed))
		}
		r.restart()
		back <- struct{}{}
		<-back
		time.Sleep(30 * time.Minute)
	})
	got := server.Mails()
	if len(got) != 1 {
		t.Fatalf("%d mails arrived, want 1", len(got))
	}
	if !got[0].TLS || !got[0].Login || !slices.Equal(got[0].To, []string{"TO:<ops@customer.example>"}) {
		t.Errorf("mail %+v", got[0])
	}
	header, text, html := parts(t, got[0].Data)
	if !strings.Contains(header.Get("From"), "notices@example.com") || header.Get("Auto-Submitted") != "auto-generated" || header.Get("Message-Id") == "" {
		t.Errorf("header %v", header)
	}
	if !strings.Contains(text, "Orders & <b>more</b>") || !strings.Contains(html, "Orders &amp; &lt;b&gt;more&lt;/b&gt;") || strings.Contains(html, "<b>more") {
		t.Errorf("text %s\nHTML %s", text, html)
	}
	if strings.Contains(got[0].Data, "hidden") {
		t.Error("the mail tells the query of the receiver's URL")
	}
}

// TestAMailServerIsKilledInTheMiddleOfAMail: whatever it was at, the mail arrives once it is back, and is recorded as
// sent once; twice it arrives only where it had been taken and that was not said. It holds the row notices.outage.
func TestAMailServerIsKilledInTheMiddleOfAMail(t *testing.T) {
	for _, c := range []struct {
		when string
		at   mailtest.Stage
		want int
	}{
		{"before its greeting", mailtest.Connected, 1}, {"after the recipient", mailtest.Recipient, 1},
		{"in the middle of the mail", mailtest.HalfBody, 1}, {"before it says that it took the mail", mailtest.Taken, 2},
	} {
		t.Run(c.when, func(t *testing.T) {
			server := mailtest.Start(t, mailtest.Options{})
			mailer, err := notices.NewServer(notices.ServerConfig{Host: "127.0.0.1", Port: server.Port(), Security: notices.Plain, From: "notices@example.com"})
			must(t, err)
			server.Once(c.at, server.Cut)
			back := make(chan struct{}) // the server's goroutines stay outside of the bubble
			go func() { <-back; server.Kill(); server.Restart(); back <- struct{}{} }()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mailer)
				r.start()
				defer func() { r.stop() }()
				org := r.organization("clawbook")
				r.confirm(org, "ops@customer.example")
				sub := r.subscribe(org, "ops@customer.example", nil)
				r.attempt(org, sub, 404)
				time.Sleep(5 * time.Minute)
				if failed := facts[*domain.NoticeFailed](r); len(failed) < 2 || failed[len(failed)-1].Reason != domain.ReasonUnreachable {
					t.Errorf("failures %+v", failed)
				}
				back <- struct{}{}
				<-back
				time.Sleep(time.Hour)
				sent := 0
				for _, f := range facts[*domain.NoticeSent](r) {
					if f.Way == domain.ByMail {
						sent++
					}
				}
				if sent != 1 {
					t.Errorf("recorded as sent %d times", sent)
				}
			})
			ids := map[string]bool{}
			for _, m := range server.Mails() {
				header, _, _ := parts(t, m.Data)
				ids[header.Get("Message-Id")] = true
			}
			if got := server.Mails(); len(got) != c.want || len(ids) != 1 {
				t.Errorf("%d mails with ids %v, want %d of one", len(got), ids, c.want)
			}
		})
	}
}

// TestOnlyConfirmedAddressesGetNotices: the link is sent first; the notice waits until it was used. It holds the row
// notices.confirmed.
func TestOnlyConfirmedAddressesGetNotices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		r := newRig(t, box)
		r.start()
		defer func() { r.stop() }()
		org := r.organization("clawbook")
		sub := r.subscribe(org, "ops@customer.example", nil)
		r.subscribe(org, "OPS@customer.example", nil)
		r.attempt(org, sub, 404)
		time.Sleep(3 * time.Minute)
		got := box.got()
		if len(got) != 1 || got[0].To[0] != "ops@customer.example" || count(got, "Confirm") != 1 {
			t.Fatalf("mails %+v, want the link alone, once", got)
		}
		_, token, _ := strings.Cut(got[0].Text, "/api/v1/notices/confirm?token=")
		token, _, _ = strings.Cut(token, "\n")
		if _, _, err := r.commands.ConfirmAddress(t.Context(), by, token+"x"); domain.CodeOf(err) != domain.NotFound {
			t.Errorf("a spoiled token: error %v", err)
		}
		a, _, err := r.commands.ConfirmAddress(t.Context(), by, token)
		if err != nil || !a.Confirmed() || a.Address != "ops@customer.example" {
			t.Fatalf("address %+v, error %v", a, err)
		}
		time.Sleep(30 * time.Minute)
		if got := box.got(); len(got) != 2 || count(got, "failed for good") != 1 {
			t.Errorf("mails %+v", got)
		}
	})
}

// TestTwentyMailsAnHourThenASummary: what goes beyond is told together, once, at the end of the hour. It holds the row
// notices.hour.
func TestTwentyMailsAnHourThenASummary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		r := newRig(t, box)
		r.nodes = 2
		r.start()
		defer func() { r.stop() }()
		org := r.organization("clawbook")
		r.confirm(org, "ops@customer.example")
		sub := r.subscribe(org, "ops@customer.example", nil)
		time.Sleep(10 * time.Minute)
		const deaths = 73
		for range deaths {
			r.attempt(org, sub, 400)
		}
		time.Sleep(30 * time.Minute)
		if got := box.got(); len(got) != domain.MaxMails {
			t.Fatalf("%d mails within the hour, want %d", len(got), domain.MaxMails)
		}
		r.restart()
		time.Sleep(55 * time.Minute)
		got := box.got()
		if len(got) != domain.MaxMails+1 || count(got, "53 more notices") != 1 {
			t.Fatalf("%d mails, last %+v", len(got), got[len(got)-1])
		}
		last := got[len(got)-1]
		if !slices.Equal(last.To, []string{"ops@customer.example"}) || !strings.Contains(last.Text, "and 3 more") {
			t.Errorf("summary %+v", last)
		}
		if at := box.at[len(got)-1]; at.Minute() > 1 {
			t.Errorf("the summary came at %s", at)
		}
		r.attempt(org, sub, 400)
		time.Sleep(time.Minute)
		if n := len(box.got()); n != domain.MaxMails+2 {
			t.Errorf("%d mails after the hour", n)
		}
	})
}

// TestLinksCountAsMails: whoever gives webhooks many addresses cannot have more mail sent within an hour than anybody else;
// nobody who did not confirm is sent a summary, and all get their link. It holds the row notices.hour.
func TestLinksCountAsMails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		r := newRig(t, box)
		r.start()
		defer func() { r.stop() }()
		org := r.organization("clawbook")
		const addresses = 33
		for i := range addresses {
			r.subscribe(org, fmt.Sprintf("ops-%d@customer.example", i), nil)
		}
		time.Sleep(55 * time.Minute)
		if got := box.got(); len(got) != domain.MaxMails {
			t.Errorf("%d mails within the hour, want %d", len(got), domain.MaxMails)
		}
		time.Sleep(time.Hour)
		asked := map[string]int{}
		for _, m := range box.got() {
			asked[m.To[0]]++
		}
		if got := box.got(); len(got) != addresses || len(asked) != addresses || count(got, "Confirm") != addresses {
			t.Errorf("%d mails to %d addresses, %d of them links; want %d", len(got), len(asked), count(got, "Confirm"), addresses)
		}
		for i := range max(0, len(box.at)-domain.MaxMails) {
			if took := box.at[i+domain.MaxMails].Sub(box.at[i]); took < time.Hour {
				t.Errorf("%d mails within %s", domain.MaxMails+1, took)
			}
		}
	})
}

// TestATurnIsToldOnceByManyNodesAndRewoundGroups: everything is handed out twice, to three nodes, with restarts.
func TestATurnIsToldOnceByManyNodesAndRewoundGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		r := newRig(t, box)
		r.nodes, r.groups = 3, func(g eventlog.Groups) eventlog.Groups { return twice{g} }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("vntana")
		r.confirm(org, "ops@customer.example")
		sub := r.subscribe(org, "ops@customer.example", nil)
		teller := r.subscribe(org, "", func(n *commands.NewSubscription) {
			n.Events = []string{"hooklog.subscription.failing", "hooklog.subscription.disabled", "hooklog.subscription.recovered"}
		})
		for i := range 20 {
			r.attempt(org, sub, 500)
			if i%7 == 0 {
				r.restart()
			}
		}
		limited := r.fold.AtLimit()
		if len(limited) != 1 {
			t.Fatalf("limited %+v", limited)
		}
		must(t, r.commands.DisableFailing(t.Context(), by, sub, limited[0].Lifecycle, limited[0].Limit))
		time.Sleep(10 * time.Minute)
		got := box.got()
		if len(got) != 2 || count(got, "was disabled") != 1 || count(got, "receiver.example failed") != 1 {
			t.Errorf("mails %+v", got)
		}
		var types []string
		for _, m := range facts[*domain.MessagePublished](r) {
			if domain.Operational(m.EventType) {
				types = append(types, m.EventType)
				if len(m.Targets) != 1 || m.Targets[0].Subscription != teller {
					t.Errorf("%s goes to %+v", m.EventType, m.Targets)
				}
			}
		}
		slices.Sort(types) // a group hands out in no promised order
		want := []string{"hooklog.subscription.disabled", "hooklog.subscription.failing", "hooklog.subscription.failing", "hooklog.subscription.failing"}
		if !slices.Equal(types, want) {
			t.Errorf("messages %v, want %v", types, want)
		}
		decided := map[domain.NoticeID]int{}
		for _, d := range facts[*domain.NoticeDecided](r) {
			decided[d.Notice()]++
		}
		for id, n := range decided {
			if n != 1 {
				t.Errorf("%s was decided %d times", id, n)
			}
		}
	})
}

// TestWhatTheServerRefusesForGoodIsGivenUp: and a refusal for now is not. It holds the row notices.outage.
func TestWhatTheServerRefusesForGoodIsGivenUp(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	mailer, err := notices.NewServer(notices.ServerConfig{Host: "127.0.0.1", Port: server.Port(), Security: notices.Plain, From: "notices@example.com"})
	must(t, err)
	server.Refuse("451 4.3.0 later")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mailer)
		r.start()
		defer func() { r.stop() }()
		org := r.organization("clawbook")
		r.confirm(org, "ops@customer.example")
		sub := r.subscribe(org, "ops@customer.example", nil)
		r.attempt(org, sub, 400)
		time.Sleep(20 * time.Second)
		server.Refuse("550 5.1.1 nobody here")
		time.Sleep(20 * time.Minute)
		var reasons []string
		for _, f := range facts[*domain.NoticeFailed](r) {
			if f.Reason != domain.ReasonNeedless {
				reasons = append(reasons, f.Reason)
			}
		}
		if !slices.Equal(reasons, []string{"smtp_451", "smtp_550"}) {
			t.Errorf("failed with %v", reasons)
		}
	})
	if got := server.Mails(); len(got) != 0 {
		t.Errorf("mails %+v", got)
	}
}

// TestHostileValuesDoNotMakeHeaders: names with line ends, and addresses with them.
func TestHostileValuesDoNotMakeHeaders(t *testing.T) {
	t.Parallel()
	config, roots := mailtest.Certificate(t)
	server := mailtest.Start(t, mailtest.Options{TLS: config, Implicit: true})
	mailer, err := notices.NewServer(notices.ServerConfig{Host: "127.0.0.1", Port: server.Port(), Security: notices.TLS, From: "notices@example.com", Roots: roots})
	must(t, err)
	hostile := "a\r\nBcc: victim@example.com\r\n\r\nhello\x00\u2028\u202e\x1b[31m" + strings.Repeat("é", 500)
	must(t, mailer.Send(t.Context(), notices.Mail{ID: hostile, To: []string{"ops@customer.example"}, Subject: hostile, Text: "x", HTML: "y"}))
	got := server.Mails()
	if len(got) != 1 || len(got[0].To) != 1 || !got[0].TLS {
		t.Fatalf("mails %+v", got)
	}
	header, _, _ := parts(t, got[0].Data)
	for name, values := range header {
		for _, v := range values {
			if name == "Bcc" || strings.ContainsAny(v, "\r\n\x00\x1b\u2028\u202e") {
				t.Errorf("%s: %q", name, v)
			}
		}
	}
	for _, to := range []string{"ops@customer.example\r\nRCPT TO:<victim@example.com>", "<a@b.example>\nX: y", ""} {
		err := mailer.Send(t.Context(), notices.Mail{ID: "x", To: []string{to}, Subject: "x", Text: "x", HTML: "y"})
		var refused *notices.MailError
		if !errors.As(err, &refused) || !refused.Permanent {
			t.Errorf("%q: error %v", to, err)
		}
	}
	must(t, mailer.Send(t.Context(), notices.Mail{ID: "x", To: []string{"a@a.example", "b@b.example"}, Subject: "x", Text: "x", HTML: "y"}))
	if all := server.Mails(); len(all) != 2 || len(all[1].To) != 2 || strings.Contains(all[1].Data, "a.example") {
		t.Errorf("recipients see each other: %+v", all[len(all)-1])
	}
}

// TestAnUnencryptedServerIsNotTrusted: STARTTLS is demanded, certificates are verified, passwords stay.
func TestAnUnencryptedServerIsNotTrusted(t *testing.T) {
	t.Parallel()
	config, _ := mailtest.Certificate(t)
	plain := mailtest.Start(t, mailtest.Options{Password: "p"})
	unknown := mailtest.Start(t, mailtest.Options{TLS: config})
	for what, s := range map[string]*mailtest.Server{"without STARTTLS": plain, "with a certificate of nobody": unknown} {
		mailer, err := notices.NewServer(notices.ServerConfig{Host: "127.0.0.1", Port: s.Port(), Security: notices.STARTTLS, From: "n@example.com", Username: "user", Password: "p"})
		must(t, err)
		err = mailer.Send(t.Context(), notices.Mail{ID: "x", To: []string{"a@a.example"}, Subject: "x", Text: "x", HTML: "y"})
		var refused *notices.MailError
		if !errors.As(err, &refused) || refused.Permanent || len(s.Mails()) != 0 {
			t.Errorf("%s: error %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), "p\x00") {
			t.Error("the password is in the error")
		}
	}
}
