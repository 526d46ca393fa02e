package http

import (
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// gettersBody tells who would get an event of a type.
type gettersBody struct {
	Type          string       `json:"type"`
	Client        string       `json:"client,omitempty"`
	Subscribers   []getterBody `json:"subscribers"`
	Withheld      []getterBody `json:"withheld"`
	Total         int          `json:"subscribers_total"`
	WithheldTotal int          `json:"withheld_total"`
	NotAsking     int          `json:"not_asking"`
	Next          *string      `json:"next_cursor"`
}

// getterBody is a subscription that asks for a type. Why is there if it gets nothing.
type getterBody struct {
	Subscription domain.SubscriptionID `json:"subscription_id"`
	URL          string                `json:"url"`
	Revision     uint64                `json:"revision"`
	Asks         []string              `json:"asks"`
	Clients      []string              `json:"clients,omitempty"`
	Filter       *domain.Filter        `json:"filter,omitempty"`
	Why          domain.WithheldWhy    `json:"why,omitempty"`
}

func showGetter(g projections.Getter) getterBody {
	return getterBody{Subscription: g.ID, URL: g.URL, Revision: g.Revision, Asks: g.Asks, Clients: g.Clients, Filter: g.Filter, Why: g.Why}
}

// listGetters tells who would get an event of a type, now or at the moment that the query names.
func (x *exchange) listGetters() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	limit, cursor, err := x.page()
	if err != nil {
		return err
	}
	m, past, err := x.moment()
	if err != nil {
		return err
	}
	if _, err := x.eventType(o, x.variable("name"), m, past); err != nil {
		return err
	}
	client := x.r.URL.Query().Get("client")
	if err := domain.CheckClient(client); err != nil {
		return err
	}
	g, err := x.Fold.WhoWouldGet(x.context(), o.ID, x.variable("name"), client, asked(m, past), limit, cursor)
	if err != nil {
		return err
	}
	gets := pageOf(g.Targets, g.Next, showGetter)
	return x.reply(http.StatusOK, gettersBody{Type: x.variable("name"), Client: client, Subscribers: gets.Items,
		Withheld: pageOf(g.Withheld, "", showGetter).Items, Total: g.TargetTotal, WithheldTotal: g.WithheldTotal, NotAsking: g.NotAsking, Next: gets.Next})
}

// asked is the moment that was asked for, or nil.
func asked(m projections.Moment, past bool) *projections.Moment {
	if !past {
		return nil
	}
	return &m
}
