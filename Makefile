# Two commands do everything: make demo, make test.

GO        ?= go
GOTESTSUM  = $(GO) run gotest.tools/gotestsum@v1.13.0
GOLANGCI   = $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULN     = $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.8.0
RESULTS    = tmp/test.json

.PHONY: build cardside demo test test-compose test-traefik check lint vuln bench clean

build: ## the server into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/cpsgate ./cmd/cpsgate

cardside: ## the workstation's program into bin/
	test/packages.sh demo
	$(GO) build -trimpath -o bin/cardside ./cmd/cardside

demo: build ## the product on embedded defaults, a workstation with a virtual card beside it; Ctrl-C ends it
	@test/packages.sh demo || echo "sans ces paquets, pas de carte virtuelle / without them, no virtual card" >&2
	@$(GO) build -trimpath -o bin/cardside ./cmd/cardside 2>/dev/null || CGO_ENABLED=0 $(GO) build -trimpath -o bin/cardside ./cmd/cardside
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/workstation ./internal/cardlab/cmd/workstation
	@exec bin/workstation --cardside bin/cardside bin/cpsgate

test: ## every test, with what it needs installed; a skipped test is a failure
	test/packages.sh
	@mkdir -p tmp
	CPSGATE_TEST_ALL=1 $(GOTESTSUM) --format pkgname-and-test-fails --jsonfile $(RESULTS) -- -race -timeout 20m ./...
	@test/no-skips.sh $(RESULTS)

test-compose: ## the stack of compose.yaml, brought up from nothing, in a real browser; where a container engine answers
	@test/compose/run.sh

test-traefik: ## Traefik, built from its module, with the snippet of the documentation: some ten minutes of building, the first time
	$(GO) test -tags traefik -count 1 -timeout 60m -run TestTraefikProgram -v ./web

check: ## what fails quickest: format, vet, a build for every desk
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "not gofmt-ed: $$files"; exit 1; }
	CGO_ENABLED=0 $(GO) vet ./cmd/cpsgate/... ./identity/... ./internal/layout/...
	CGO_ENABLED=0 $(GO) vet -tags compose ./internal/e2e/stack/
	CGO_ENABLED=0 $(GO) test ./internal/layout/
	GOOS=windows CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/cardside

bench: ## CRLs and logins beside openssl, crypto/x509, bare Go TLS and nginx; checks of proxies beside a bare handler and oauth2-proxy; an enrolment; lists with few and many people; prints ratios
	test/packages.sh
	$(GO) run ./bench/crl
	$(GO) run ./bench/logins
	$(GO) run ./bench/forwardauth
	$(GO) run ./bench/enrolment
	$(GO) run ./bench/lists

lint: ## go vet and the linters of .golangci.yaml
	$(GO) vet ./...
	$(GO) vet -tags traefik ./web
	$(GOLANGCI) run ./...

vuln: ## known vulnerabilities, where the vulnerability database can be reached
	@test/vuln.sh $(GOVULN)

clean:
	rm -rf bin tmp
