# Every target, in the order one meets them. `make help` prints this list.

# The frozen FIPS 140-3 module of the Go release (see `strongroom version`).
export GOFIPS140 = v1.0.0

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help
help: ## print what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: ## serve from the source, with a data directory in the working directory
	go run ./cmd/strongroom serve

.PHONY: build
build: ## build bin/strongroom
	go build -trimpath -o bin/strongroom ./cmd/strongroom

.PHONY: prepare
prepare: ## install what the tests need, where that is allowed, and say what is missing
	@./scripts/prepare-tests.sh

.PHONY: test
test: prepare ## everything that decides whether the code is right (under 15 minutes on 2 cores)
	go vet ./...
	go test -race -timeout 15m ./...

.PHONY: test-clients
test-clients: ## clients we did not write, against the built binary (under 40 minutes on 2 cores)
	@./scripts/prepare-tests.sh clients
	STRONGROOM_TEST_CLIENTS=1 go test -count=1 -timeout 30m -run 'TestClients|TestREADME' ./cmd/strongroom
	@./scripts/test-clienttests.sh

.PHONY: test-long
test-long: prepare ## what takes long: 500 kills under load, stalled clients, 5 GiB in and out, each fuzz target for two minutes
	STRONGROOM_TEST_LONG=1 go test -count=1 -timeout 60m ./...
	$(MAKE) fuzz FUZZTIME=2m

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, and that generated code is what the generator makes
	@test -z "$$(gofmt -l clienttests cmd internal)" || { echo "gofmt would change:"; gofmt -l clienttests cmd internal; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (20s)
	@./scripts/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## the ratios of docs/results, measured now
	go run ./internal/bench
	go test -run '^$$' -bench 'Decision|Grants' ./internal/gate ./internal/kms
