# What a change has to pass is `make ci`. Building, testing and the demo need Go alone; the linters are installed at the
# versions named here, into $(TOOLS), the first time they are needed.

TOOLS     ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hotpod/tools
FUZZTIME  ?= 30s
TESTFLAGS ?=
TREE      ?= fixtures
QUESTIONS ?= 100000
KIND_IMAGE ?=

golangci-lint := $(TOOLS)/golangci-lint@v2.15.0/golangci-lint
actionlint    := $(TOOLS)/actionlint@v1.7.12/actionlint
act           := $(TOOLS)/act@v0.2.89/act
npm           := e2e/sarif/node_modules/.package-lock.json
mermaid       := e2e/mermaid/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: e2e-kind differential help demo build test lint generate verify golden fuzz bench e2e sarif summary controlplane builtin ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' Makefile

demo: build ## scan fixtures/demo: findings as text, and as SARIF in hotpod.sarif
	@bin/hotpod scan fixtures/demo --output text --output sarif=hotpod.sarif; code=$$?; \
	if [ $$code -ne 1 ]; then echo "demo: exit code $$code instead of 1, for findings" >&2; exit 1; fi; \
	echo "The same is in hotpod.sarif. With these findings hotpod exits with 1; the demo does not."

build: ## build bin/hotpod
	go build -trimpath -o bin/hotpod ./cmd/hotpod

test: ## run the tests of the main module
	go test $(TESTFLAGS) ./...

lint: $(golangci-lint) $(actionlint) $(npm) ## check Go code, workflows, action.yml and shell scripts
	$(golangci-lint) run
	$(actionlint)
	e2e/docs/workflows.sh $(actionlint)
	node e2e/sarif/node_modules/@action-validator/cli/cli.mjs action.yml
	shellcheck .ci/run $$(git ls-files '*.sh')

generate: ## write the generated files anew
	go generate ./...

verify: generate ## fail when a generated file is not up to date
	git diff --exit-code
	@new=$$(git ls-files --others --exclude-standard); \
	if [ -n "$$new" ]; then printf 'not committed:\n%s\n' "$$new" >&2; exit 1; fi

golden: ## write the expected outputs of the tests anew, to be reviewed as a diff
	HOTPOD_UPDATE=1 go test ./...

fuzz: ## run each fuzz test for FUZZTIME
	@set -e; for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package"; \
	  done; \
	done

bench: ## time whole scans of TREE next to plain reading and other scanners
	go run ./bench $(TREE)

e2e: $(act) ## run the action in act, then comparisons, attacks and proofs on a real API server
	PATH="$(dir $(act)):$$PATH" go test -count=1 ./e2e/action
	KUBEBUILDER_ASSETS="$$(e2e/controlplane/build.sh | tail -1)" \
	  go test -count=1 -p 1 -timeout 20m ./cluster ./cmd/hotpod ./prove ./e2e/differential ./e2e/prove ./e2e/scenarios ./e2e/kubiscan

e2e-kind: ## the tests of package cluster that need a container engine, with the node image KIND_IMAGE
	HOTPOD_KIND_IMAGE=$(KIND_IMAGE) go test -count=1 -run Kind -v -timeout 15m ./cluster

differential: ## compare the model with the API server over QUESTIONS questions
	KUBEBUILDER_ASSETS="$$(e2e/controlplane/build.sh | tail -1)" HOTPOD_QUESTIONS=$(QUESTIONS) \
	  go test -count=1 -timeout 30m -v ./e2e/differential

sarif: build $(npm) ## check the SARIF of the fixtures by GitHub's rules
	e2e/sarif/fixtures.sh bin/hotpod

summary: build $(mermaid) ## check the job summaries of the fixtures with the parsers of Markdown and Mermaid
	e2e/mermaid/fixtures.sh bin/hotpod

controlplane: ## build a Kubernetes API server to compare with
	e2e/controlplane/build.sh

builtin: controlplane ## read the built-in roles off that API server anew
	cd e2e/controlplane && go run ./dump

ci: lint verify ## all that a change has to pass
	$(MAKE) test TESTFLAGS=-race
	$(MAKE) e2e sarif summary

clean: ## remove what was built
	rm -rf bin hotpod.sarif e2e/sarif/node_modules e2e/mermaid/node_modules

$(golangci-lint): module := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(actionlint): module := github.com/rhysd/actionlint/cmd/actionlint
$(act): module := github.com/nektos/act
$(golangci-lint) $(actionlint) $(act):
	GOBIN=$(@D) GOFLAGS= go install $(module)@$(lastword $(subst @, ,$(@D)))

$(npm) $(mermaid): %/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $*
	@touch $@
