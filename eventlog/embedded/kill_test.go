package embedded_test

func becomeChild() {}
