package domain

import "reflect"

// emptyFacts returns a zero fact of every type that is written, by its name.
func emptyFacts() map[string]Fact {
	all := map[string]Fact{}
	for name, k := range factKinds {
		f, err := k.decode([]byte("{}"))
		if err != nil {
			panic(name + ": " + err.Error())
		}
		all[name] = reflect.New(reflect.TypeOf(f).Elem()).Interface().(Fact)
	}
	return all
}
