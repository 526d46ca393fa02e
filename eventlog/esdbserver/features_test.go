package esdbserver

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatIsServedIsOfferedAndNothingElse(t *testing.T) {
	t.Parallel()
	s := &Server{config: Config{Insecure: true}}
	var served, told []string
	for service, info := range s.grpc().GetServiceInfo() {
		for _, m := range info.Methods {
			served = append(served, strings.ToLower(service+"/"+m.Name))
		}
	}
	for _, o := range offered {
		told = append(told, o.service+"/"+o.method)
	}
	slices.Sort(served)
	slices.Sort(told)
	if !slices.Equal(served, told) {
		t.Errorf("served:\n%s\noffered:\n%s", strings.Join(served, "\n"), strings.Join(told, "\n"))
	}
}
