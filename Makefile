# Hooklog. `make help` tells what there is. Everything needs Go alone, `make test` a C compiler too (race detector).

GO       ?= go
BIN      := bin/hooklog
PACKAGES := ./...

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build, then watch a signed delivery arrive (hooklog demo); Ctrl-C ends it
	@$(BIN) demo

.PHONY: build
build: ## build bin/hooklog
	$(GO) build -o $(BIN) ./cmd/hooklog

.PHONY: test
test: lint ## everything that must hold: formatting, vet, staticcheck, all tests under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 9m $(PACKAGES)

.PHONY: lint
lint: ## formatting, vet and staticcheck only
	@unformatted=$$($$($(GO) env GOROOT)/bin/gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)

.PHONY: test-clients
test-clients: ## the official Go client's own tests and a Node script against eventlog/esdbserver (needs a network and Node)
	HOOKLOG_CLIENTS=1 $(GO) test -count=1 -timeout 15m -run TestOfficialClients -v ./eventlog/esdbserver

.PHONY: bench
bench: build ## deliveries/s and CPU beside a bare relay and a bare loop, on this machine (at most 5 minutes)
	$(GO) run ./cmd/hooklog-bench --hooklog $(BIN)
