# usher: what to build, to show and to test. Two commands do all the set-up on a
# machine with Go, git, make and root: `make demo` and `make test`.

GO      ?= go
FORWARD ?= nat

# Everything but the black-box labs, which measure times and so run alone, and the
# simulation, which would take too long with the race detector in full.
UNITS = $$($(GO) list ./... | grep -v -E '/test/(lab|native|ipvs|demo|sim)')

.PHONY: help demo test test-unit test-native test-ipvs setup build package clean bench-failover bench-director bench-check

help:
	@echo "make demo [FORWARD=nat|dr|tun|fullnat]  the main job on a real IPVS kernel, told as it happens"
	@echo "make test                               every test"
	@echo "make build                              the program, as build/usher"
	@echo "make test-unit, test-native, test-ipvs  parts of make test: packages, VRRP labs, IPVS labs"
	@echo "make package                            Debian and RPM packages, in build/packages"
	@echo "make bench-failover [BENCH=ARGS]        time to fail over beside keepalived's; 10 minutes in full"
	@echo "make bench-director                     programming speed of IPVS beside keepalived's"
	@echo "make bench-check                        cost of health checks beside keepalived's"
	@echo "make clean                              remove what was built, measured and downloaded"

demo:
	@CGO_ENABLED=0 $(GO) run ./test/demo -forward $(FORWARD)

test: setup test-unit test-native test-ipvs

# The packages that tests need, installed where they lack.
setup:
	@CGO_ENABLED=0 $(GO) run ./test/lab/cmd/setup

test-unit:
	$(GO) test -race $(UNITS)
	$(GO) test ./test/sim
	$(GO) test -race ./test/sim -seeds 100 -hours 2

test-native:
	$(GO) test -race -count=1 -p=1 -timeout=25m ./test/lab/... ./test/native/...

# Without the race detector: an emulated machine is too slow for it.
test-ipvs:
	$(GO) test -count=1 -p=1 -timeout=40m ./test/ipvs/... ./test/demo/...

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o build/usher ./cmd/usher

package:
	$(GO) run ./cmd/usher/packaging/build -out build/packages -version $$(git describe --always --dirty)

bench-failover: setup
	@CGO_ENABLED=0 $(GO) run ./test/bench/failover $(BENCH)

bench-director: setup
	@CGO_ENABLED=0 $(GO) run ./test/bench/director $(BENCH)

bench-check: setup build
	@CGO_ENABLED=0 $(GO) run ./test/bench/checks -usher build/usher $(BENCH)

clean:
	rm -rf build artifacts .cache
