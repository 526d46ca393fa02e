// Program go is a webhook receiver that believes only what verifies; package webhook does the verifying. See ../README.md
// for its settings.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "0"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := http.Server{Handler: http.HandlerFunc(receive), ReadTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

func receive(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	secrets, err := os.ReadFile(os.Getenv("WEBHOOK_SECRETS_FILE"))
	if err != nil {
		log.Print(err)
		http.Error(w, "no secrets", http.StatusInternalServerError)
		return
	}
	body, err := webhook.ReadVerified(r, webhook.Verification{
		Profile: os.Getenv("WEBHOOK_PROFILE"),
		Secrets: strings.FieldsFunc(string(secrets), func(c rune) bool { return c == '\n' }),
	})
	if err != nil {
		refuse(w, err)
		return
	}
	// Deliveries come at least once: store the id together with the work, and if it is there already, only answer.
	var message struct{ ID, Type, Event string }
	if err := json.Unmarshal(body, &message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := cmp.Or(r.Header.Get("webhook-id"), r.Header.Get("X-VantageKit-Delivery"), message.ID) // VNTANA's contract has none
	fmt.Println("received", cmp.Or(message.Type, message.Event), id)
	fmt.Fprintf(w, "received %s", id)
}

// refuse tells what was wrong; our own mistakes, a secret that cannot be used say, are nobody else's business.
func refuse(w http.ResponseWriter, err error) {
	var header *webhook.HeaderError
	switch {
	case errors.As(err, &header):
		http.Error(w, err.Error(), http.StatusUnauthorized)
	case errors.Is(err, webhook.ErrBodySize):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	default:
		log.Print(err)
		http.Error(w, "cannot verify", http.StatusInternalServerError)
	}
}
