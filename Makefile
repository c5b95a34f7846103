# Short verbs. Each installs what it needs (tools/install_deps.sh) and says so first.
BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: demo test build bench heavy fuzz format install deps help

help:            ## this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

build: deps      ## the program, at build/vouchsafe
	@cmake --preset release -DVS_TESTS=OFF >$(BUILD)-configure.log || { cat $(BUILD)-configure.log; exit 1; }
	@rm -f $(BUILD)-configure.log
	@cmake --build $(BUILD) -j$(JOBS)

demo: build      ## the whole first tutorial on this machine, ending in the accuracy table
	@$(BUILD)/vouchsafe demo

test:            ## set up and run every test
	@tools/ci.sh all

bench:           ## the numbers of docs/numbers.md
	@tools/install_deps.sh build test
	@cmake --preset release -DVS_TESTS=OFF -DVS_BENCH=ON
	@cmake --build $(BUILD) -j$(JOBS)
	@bench/run.sh $(BUILD)

heavy:           ## machines that QEMU boots: every test of them (minutes)
	@tools/ci.sh heavy

fuzz:            ## every fuzzer for a minute (FUZZ_SECONDS=60)
	@tools/ci.sh fuzz

format:          ## lay out every C++ file
	@tools/install_deps.sh test
	@git ls-files -co --exclude-standard '*.h' '*.cpp' | xargs clang-format-16 -i

install: build   ## install under PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(or $(PREFIX),/usr/local)

deps:
	@tools/install_deps.sh build
