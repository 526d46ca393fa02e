package http

import (
	"context"
	"net/http"
)

// Doctor examines this node.
type Doctor interface {
	// Doctor looks at everything that can be wrong with the node, at the whole log too if deep is set. It changes nothing.
	Doctor(ctx context.Context, deep bool) (Diagnosis, error)
}

// Diagnosis is what an examination found.
type Diagnosis struct {
	// Checks counts what was looked at.
	Checks int
	// Findings come the worst first.
	Findings []Finding
}

// Finding is something that an operator should know.
type Finding struct {
	// Check names what was looked at, such as disk.free.
	Check string `json:"check"`
	// Severity is note, warning or critical.
	Severity string `json:"severity"`
	// Found is what was found, Do what to do about it; sentences.
	Found string `json:"found"`
	Do    string `json:"do"`
}

// diagnosisBody is what an examination found.
type diagnosisBody struct {
	Node     string    `json:"node"`
	Checks   int       `json:"checks"`
	Findings []Finding `json:"findings"`
}

func (x *exchange) diagnose() error {
	deep := false
	if values, given := x.r.URL.Query()["deep"]; given {
		if len(values) != 1 || values[0] != "true" && values[0] != "false" {
			return refuseMember("deep", "must be true or false")
		}
		deep = values[0] == "true"
	}
	if err := x.mayTake(maxExamination); err != nil {
		return err
	}
	d, err := x.Doctor.Doctor(x.context(), deep)
	if err != nil {
		return err
	}
	if d.Findings == nil {
		d.Findings = []Finding{}
	}
	return x.reply(http.StatusOK, diagnosisBody{x.Node, d.Checks, d.Findings})
}
