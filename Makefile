# usher: what to build, to show and to test. Two commands do all the set-up on a
# machine with Go, git, make and root: `make demo` and `make test`.

GO      ?= go
FORWARD ?= nat
SCALE   ?= 0

# What Go and the tests' programs would keep in the home folder stays in the
# checkout, where git ignores it. Settings come from the real home folder, and
# modules that are there already are taken from there.
CACHE  := $(CURDIR)/.cache
CONFIG := $(or $(XDG_CONFIG_HOME),$(HOME)/.config)
export GOENV                 := $(or $(GOENV),$(CONFIG)/go/env)
export NPM_CONFIG_USERCONFIG := $(or $(NPM_CONFIG_USERCONFIG),$(npm_config_userconfig),$(HOME)/.npmrc)
export GIT_CONFIG_GLOBAL     := $(or $(GIT_CONFIG_GLOBAL),$(wildcard $(HOME)/.gitconfig),$(CONFIG)/git/config)
GOFOUND := $(shell XDG_CONFIG_HOME=$(CACHE)/home/.config GOENV=$(GOENV) $(GO) env GOMODCACHE GOPROXY GOFLAGS)
ifneq ($(word 1,$(GOFOUND)),$(CACHE)/mod)
export GOPROXY := file://$(word 1,$(GOFOUND))/cache/download,$(word 2,$(GOFOUND))
endif
export GOFLAGS         := $(wordlist 3,99,$(GOFOUND)) $(if $(findstring -trimpath,$(GOFOUND)),,-trimpath -modcacherw)
export GOMODCACHE      := $(CACHE)/mod
export GOCACHE         := $(CACHE)/build
export HOME            := $(CACHE)/home
export XDG_CONFIG_HOME := $(HOME)/.config
export XDG_CACHE_HOME  := $(HOME)/.cache

# Everything but the black-box labs, which measure times and so run alone, the simulation,
# which would take too long with the race detector in full, and what needs a browser or
# builds packages.
UNITS = $$($(GO) list ./... | grep -v -E '/test/(lab|native|ipvs|demo|sim|chaos)|/internal/(page|keys)$$|/packaging/')

# Tests that load hundreds of configurations, or monstrous ones, in one goroutine: the race
# detector has nothing to find in that, and makes it take five times as long. Those of
# package keys then run engines, which are tested with the detector where they are at home.
SINGLE = ^Test(NestedTooDeep|ExpressionsWithoutBounds|NoCanaryInADiagnostic|Marks|Fields|Defaults)$$
PAIRS  = ^Test(VRRP|Servers)$$

.PHONY: help env demo flows chaos test test-unit test-race test-page test-package test-sim test-native test-ipvs setup build package image clean bench-failover bench-director bench-check bench-discover

help:
	@echo "make demo [FORWARD=nat|dr|tun|fullnat]  the main job on a real IPVS kernel, told as it happens"
	@echo "make demo FORWARD=dr SCALE=4            several active directors behind a router, likewise"
	@echo "make flows [ROUTER=frr|bird] [FORWARD=dr|tun] [SCHEDULER=mh|wlc] [FLOWS=600] [RATE=200]"
	@echo "                                        what becomes of flows through these, event by event; half an hour"
	@echo "make test                               every test"
	@echo "make chaos [SEEDS=N] [SEED=n] [POOL=1|BGP=1]  directors whom everything befalls, by seed; an hour for 1000"
	@echo "make build                              the program, as build/usher"
	@echo "make test-unit                          units alone"
	@echo "make test-race, test-page, test-package, test-sim, test-native, test-ipvs"
	@echo "                                        its parts: units with the race detector, the page in a browser,"
	@echo "                                        what is installed, simulations, VRRP labs, IPVS labs"
	@echo "make package                            Debian and RPM packages, in build/packages"
	@echo "make image                              what a container image is made of, in build/image"
	@echo "make bench-failover [BENCH=ARGS]        time to fail over beside keepalived's; 10 minutes in full"
	@echo "make bench-director                     programming speed of IPVS beside keepalived's"
	@echo "make bench-check                        cost of health checks beside keepalived's"
	@echo "make bench-discover                     cost of following 1,000 pools of 10 by DNS"
	@echo "make clean                              remove what was built, measured and downloaded"

demo:
	@CGO_ENABLED=0 $(GO) run ./test/demo -forward $(FORWARD) -scale $(SCALE)

test: setup test-race test-page test-package test-sim test-native test-ipvs

# The packages and the browser that tests need, where they lack.
setup:
	@CGO_ENABLED=0 $(GO) run ./test/lab/cmd/setup

# Some of them wait for a kernel rather than compute: more at once than there are processors.
test-unit:
	CGO_ENABLED=0 $(GO) test -p=6 -vet=off $(UNITS)

# The same with the race detector, which takes some three times as much.
test-race:
	CGO_ENABLED=1 $(GO) test -race -skip '$(SINGLE)' $(UNITS)
	CGO_ENABLED=0 $(GO) test -run '$(SINGLE)|$(PAIRS)' ./conf ./cmd/usher/internal/keys

test-page:
	CGO_ENABLED=1 $(GO) test -race ./cmd/usher/internal/page

# What they run is the program that they build, without the race detector.
test-package:
	CGO_ENABLED=0 $(GO) test ./cmd/usher/packaging/...

# With the race detector each simulation has a process of its own, and less to live
# through: the detector's runtime failed an assertion of its own (tsan_rtl.cpp, "part ==
# part1", in the recycling of its traces) in a process that had lived through them all.
test-sim:
	CGO_ENABLED=0 $(GO) test ./test/sim
	for sim in $$($(GO) test -list . ./test/sim | grep '^Test'); do \
		CGO_ENABLED=1 $(GO) test -race ./test/sim -run "^$$sim\$$" -seeds 50 -hours 1 || exit 1; \
	done

# Labs mostly wait: several run side by side, but those that measure times. The race
# detector would hold every process for a second at its end.
test-native:
	GORACE=atexit_sleep_ms=20 CGO_ENABLED=1 $(GO) test -race -count=1 -p=1 -parallel=6 -timeout=25m ./test/lab/... ./test/native/...
	GORACE=atexit_sleep_ms=20 CGO_ENABLED=1 $(GO) test -race -count=1 -timeout=15m ./test/chaos

# What befalls directors is drawn by seed: SEEDS=1000 runs so many, SEED=17 one of them.
# WORLDS is how many live side by side. POOL=1 has IPVS, real servers and traffic in them, one
# after the other. BGP=1 has directors that announce addresses to a router.
SEEDS  ?= 100
WORLDS ?= 6

ifeq ($(POOL),)
chaos: setup
	GORACE=atexit_sleep_ms=20 CGO_ENABLED=1 $(GO) test -race -v -count=1 -timeout=4h ./test/chaos -run TestSeeds \
		-args -seeds=$(SEEDS) -worlds=$(WORLDS) $(if $(SEED),-seed=$(SEED)) $(if $(BGP),-bgp)
else
chaos: setup
	CGO_ENABLED=0 $(GO) test -v -count=1 -timeout=4h ./test/chaos/pool -run TestSeeds -args -seeds=$(SEEDS) $(if $(SEED),-seed=$(SEED))
endif

# Without the race detector: an emulated machine is too slow for it. The demo's
# stories measure what clients see, and are told one after the other.
test-ipvs:
	CGO_ENABLED=0 $(GO) test -count=1 -parallel=4 -timeout=40m ./test/ipvs/...
	CGO_ENABLED=0 $(GO) test -count=1 -parallel=1 -timeout=20m ./test/demo/...
	CGO_ENABLED=0 $(GO) test -count=1 -timeout=20m ./test/chaos/pool

# Several active directors behind a router, with every event: each router, forward method and
# scheduler that is not given in turn.
ROUTER    ?= bird frr
SCHEDULER ?= mh wlc
FLOWS     ?= 600
RATE      ?= 200

flows: setup
	failed=0; for r in $(ROUTER); do for m in $(if $(filter file,$(origin FORWARD)),dr tun,$(FORWARD)); do for s in $(SCHEDULER); do \
		CGO_ENABLED=0 $(GO) test ./test/ipvs -run '^TestDirectorsBehindARouter$$' -v -count=1 -timeout=30m \
			-args -everything -router=$$r -forward=$$m -scheduler=$$s -flows=$(FLOWS) -rate=$(RATE) || failed=1; \
	done; done; done; exit $$failed

# The environment of all these, for a shell: eval "$$(make env)"
env:
	@printf "export %s='%s'\n" GOENV "$$GOENV" NPM_CONFIG_USERCONFIG "$$NPM_CONFIG_USERCONFIG" GIT_CONFIG_GLOBAL "$$GIT_CONFIG_GLOBAL" GOPROXY "$$GOPROXY" GOFLAGS "$$GOFLAGS" \
		GOMODCACHE "$$GOMODCACHE" GOCACHE "$$GOCACHE" HOME "$$HOME" XDG_CONFIG_HOME "$$XDG_CONFIG_HOME" XDG_CACHE_HOME "$$XDG_CACHE_HOME"

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -o build/usher ./cmd/usher

package:
	$(GO) run ./cmd/usher/packaging/build -out build/packages

image:
	$(GO) run ./cmd/usher/packaging/build -image build/image

bench-failover: setup
	@CGO_ENABLED=0 $(GO) run ./test/bench/failover $(BENCH)

bench-director: setup
	@CGO_ENABLED=0 $(GO) run ./test/bench/director $(BENCH)

bench-check: setup build
	@CGO_ENABLED=0 $(GO) run ./test/bench/checks -usher build/usher $(BENCH)

bench-discover:
	CGO_ENABLED=0 $(GO) test ./cmd/usher/internal/discovery -run '^$$' -bench OneServer
	CGO_ENABLED=0 $(GO) test ./cmd/usher/internal/discovery -run '^$$' -bench FollowDNS -benchtime 60x

clean:
	rm -rf build artifacts .cache
