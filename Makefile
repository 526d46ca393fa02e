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

.PHONY: test-esdb
test-esdb: ## the port's suite over the EventStoreDB that ESDB_URL names; it leaves streams and groups there
	@test -n "$(ESDB_URL)" || { echo "ESDB_URL names no EventStoreDB, such as esdb://127.0.0.1:2113?tls=false"; exit 2; }
	CGO_ENABLED=1 ESDB_URL="$(ESDB_URL)" $(GO) test -race -count=1 -timeout 30m -run TestLogOnEventStoreDB -v ./eventlog/esdb

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
bench: build ## speed beside a bare relay and a bare loop, and isolation, on this machine (at most 5 minutes)
	$(GO) run ./cmd/hooklog-bench --hooklog $(BIN)

.PHONY: bench-scale
bench-scale: build ## fan-out, a storm of retries, a long log, many organizations, a soak (an hour; needs 20 GB; BENCH="-soak 2m" for less)
	$(GO) run ./cmd/hooklog-bench --hooklog $(BIN) -measure fan-out,storm,growth,organizations,soak $(BENCH)
