package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// problem is a refusal by the server (application/problem+json).
type problem struct {
	Status    int    `json:"status"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

// readProblem reads an answer that is no success. One that is not problem+json still says its status.
func readProblem(a answer) *problem {
	p := &problem{}
	if err := json.Unmarshal(a.body, p); err != nil {
		p = &problem{}
	}
	p.Status = a.status
	if p.Title == "" {
		p.Title = http.StatusText(a.status)
	}
	return p
}

func (p *problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("%d %s", p.Status, p.Title)
	}
	return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail)
}

// tell explains the refusal to a person, one line for each member that was refused.
func (p *problem) tell(w io.Writer) {
	fmt.Fprintf(w, "hooklog: the server refused: %s\n", printable(p.Error()))
	for _, e := range p.Errors {
		fmt.Fprintf(w, "  %s: %s\n", printable(e.Field), printable(e.Message))
	}
	if p.RequestID != "" {
		fmt.Fprintf(w, "  (request %s)\n", printable(p.RequestID))
	}
}
