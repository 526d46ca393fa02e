package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

const (
	// shorter is how many times fewer facts the short log has.
	shorter = 1000
	// mixSubscriptions share the messages; every other message goes to the first one, which is asked for lists.
	mixSubscriptions = 20
	// mixFailures is how many deliveries there are to one whose attempt failed and whose next one is far off.
	mixFailures = 20
	// listPage is the size of the pages that are asked for, deepPage the number of the one far down the list.
	listPage, deepPage = 2, 1000
	// asked is how often each thing is asked for in a round.
	asked = 100
	// sampled is how many deliveries of a log are asked for by id.
	sampled = 1000
)

// mixSettings are those of the organization: failed deliveries wait beyond the measurement.
var mixSettings = map[string]any{"profile": "standard", "retry_schedule": []string{"24h"}}

// grown is a server with a log of some length.
type grown struct {
	*server
	name  string
	facts int
	key   string
	// webhook is the subscription that is asked for lists.
	webhook string
	// sample are deliveries of the whole log.
	sample []domain.DeliveryID
	// deep is the cursor of the page far down.
	deep string
	// took are the medians of the rounds, in milliseconds, by what was asked.
	took map[string][]float64
	// written is how fast the log was written, in facts a second.
	written float64
}

// measureGrowth compares a short log with a long one.
func (b *bench) measureGrowth(ctx context.Context) (err error) {
	receivers, err := startFlock(ctx, mixSubscriptions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receivers.stop()) }()
	short, long := &grown{name: "short", facts: b.facts / shorter}, &grown{name: "long", facts: b.facts}
	short.facts = max(short.facts, 4*listPage*deepPage+100) // so that the first subscription has the page far down
	for _, g := range []*grown{short, long} {
		if err := b.grow(ctx, g, receivers); err != nil {
			return fmt.Errorf("write the %s log: %w", g.name, err)
		}
	}
	if err := b.appendInTurn(ctx, short, long); err != nil {
		return err
	}
	if err := b.tellRefolding(ctx, short, long); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, short.stop(), long.stop()) }()
	if err := b.askInTurn(ctx, short, long); err != nil {
		return err
	}
	return b.printGrowth(short, long)
}

// grow makes a server's data, with as many facts as the log is to have: pairs of a message and the outcome of its one
// attempt, the standard mix. The read models stay as they were before.
func (b *bench) grow(ctx context.Context, g *grown, receivers flock) (err error) {
	if g.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, g.name), "--rate-limit", "1000000000"); err != nil {
		return err
	}
	if g.key, err = g.organizeApart(ctx, slug, receivers, mixSettings); err != nil {
		return errors.Join(err, g.stop())
	}
	if err := g.stop(); err != nil {
		return err
	}
	c, err := openCorpus(ctx, g.dir, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	org, err := c.organizationNamed(slug)
	if err != nil {
		return err
	}
	match, _ := c.fold.Match(org, typeOf(0), "")
	g.webhook = match.Targets[0].Subscription.String()
	messages := g.facts / factsPerMessage
	every := max(1, messages/sampled)
	g.sample = make([]domain.DeliveryID, (messages+every-1)/every)
	began := time.Now()
	err = c.write(ctx, messages, func(ctx context.Context, p *pen, i int) error {
		p.now = began.Add(time.Duration(i-messages) * 100 * time.Microsecond)
		d, err := p.publish(ctx, org, typeOf(mixType(i)), mark{0, i % maxMessages, began.UnixNano()})
		if err != nil {
			return err
		}
		if i%every == 0 {
			g.sample[i/every] = d.Of.ID()
		}
		status := http.StatusOK
		if i%mixFailures == 0 {
			status = http.StatusServiceUnavailable
		}
		return p.conclude(ctx, d, status)
	})
	g.written = float64(g.facts) / time.Since(began).Seconds()
	return err
}

// mixType is the subscription that the message i goes to.
func mixType(i int) int {
	if i%2 == 0 {
		return 0
	}
	return 1 + i/2%(mixSubscriptions-1)
}

// appendInTurn measures appends to both logs, before servers have them.
func (b *bench) appendInTurn(ctx context.Context, both ...*grown) (err error) {
	var logs []*embedded.Log
	defer func() {
		for _, log := range logs {
			err = errors.Join(err, log.Close())
		}
	}()
	for _, g := range both {
		g.took = map[string][]float64{}
		log, err := embedded.Open(filepath.Join(g.dir, "log"), embedded.Options{ErrIfMissing: true})
		if err != nil {
			return err
		}
		logs = append(logs, log)
	}
	for range b.rounds {
		for i, g := range both {
			err := g.time("append", func(int) error {
				e := benchEvent(rand.Uint64(), rand.Uint64())
				_, err := logs[i].Append(ctx, "bench-"+e.ID.String(), eventlog.NoStream, e)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// time does something several times and notes the median.
func (g *grown) time(what string, do func(i int) error) error {
	var took []float64
	for i := range asked {
		began := time.Now()
		if err := do(i); err != nil {
			return fmt.Errorf("%s, %s log: %w", what, g.name, err)
		}
		took = append(took, float64(time.Since(began).Nanoseconds())/1e6)
	}
	g.took[what] = append(g.took[what], spreadOf(took).median)
	return nil
}

// askInTurn asks both servers for the same things, once they have merged what they put off while they folded.
func (b *bench) askInTurn(ctx context.Context, both ...*grown) error {
	for _, g := range both {
		if err := g.rest(ctx); err != nil {
			return err
		}
		if err := g.goDeep(ctx); err != nil {
			return fmt.Errorf("go far down the list of the %s log: %w", g.name, err)
		}
	}
	for range b.rounds {
		for _, g := range both {
			if err := g.ask(ctx, b.options); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliveries is the path of a page of the list.
func (g *grown) deliveries(cursor string) string {
	return fmt.Sprintf("/api/v1/webhooks/%s/deliveries?organization=%s&limit=%d&cursor=%s", g.webhook, slug, listPage, cursor)
}

// goDeep follows the list's cursors.
func (g *grown) goDeep(ctx context.Context) error {
	for page := 2; page <= deepPage; page++ {
		var list struct {
			Next *string `json:"next_cursor"`
		}
		if err := g.request(ctx, http.MethodGet, g.deliveries(g.deep), nil, &list); err != nil {
			return err
		}
		if list.Next == nil {
			return fmt.Errorf("the list ends with page %d", page-1)
		}
		g.deep = *list.Next
	}
	return nil
}

// ask asks for everything once a round.
func (g *grown) ask(ctx context.Context, o options) error {
	p := g.publisher(slug, g.key, o, 1, 1)
	p.encode = spreadOver(typeOf, mixSubscriptions)
	defer p.poster.close()
	get := func(path string) func(int) error {
		return func(int) error { return g.request(ctx, http.MethodGet, path, nil, nil) }
	}
	for _, what := range []struct {
		name string
		do   func(int) error
	}{
		{"publish", func(i int) error {
			_, err := p.poster.post(ctx, p.encode(nil, 0, i, 1, time.Now().UnixNano()), p.want)
			return err
		}},
		{"list, first page", get(g.deliveries(""))},
		{fmt.Sprintf("list, page %d", deepPage), get(g.deliveries(g.deep))},
		{"failures", get("/api/v1/partner/webhooks/" + g.webhook + "/failures?organization=" + slug)},
		{"delivery by id", func(int) error {
			id := g.sample[rand.IntN(len(g.sample))].String()
			return g.request(ctx, http.MethodGet, "/api/v1/deliveries/"+id, nil, nil)
		}},
	} {
		if err := g.time(what.name, what.do); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) printGrowth(short, long *grown) error {
	fmt.Fprintf(b.out, "\nOne thing at a time over one connection, %d times a round, %d rounds, the logs in turn; ms, median (least–greatest) of\n"+
		"the rounds' medians. Pages of %d.\n\n", asked, b.rounds, listPage)
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "\t%d facts\t%d facts\tratio\n", short.facts, long.facts)
	for _, what := range []string{"append", "publish", "list, first page", fmt.Sprintf("list, page %d", deepPage), "failures", "delivery by id"} {
		few, many := short.took[what], long.took[what]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", what, spreadOf(few).format("%.3f"), spreadOf(many).format("%.3f"), quotients(many, few).format("%.2f"))
	}
	return w.Flush()
}

// diskOf is how many bytes the files below a directory have.
func diskOf(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // dropped meanwhile
			return nil
		}
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return bytes, err
}
