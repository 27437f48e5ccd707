# Two commands do everything on a fresh machine with a Rust toolchain:
#   make tour    builds Ion and runs the main job with the built-in scripted model
#   make test    installs what the tests need, and runs all of them
.PHONY: tour test birdcage explore audit dist bench needs test-needs clean

CARGO ?= cargo
TARGET := $(shell rustc -vV | sed -n 's/^host: //p')
TOOLS := $(CURDIR)/target/tools
# Property tests draw the same cases for everybody, so that a red run can be repeated.
SEED ?= 20261126

# The debug build: a newcomer waits for one compilation, and `make test` goes on with it.
tour: needs
	$(CARGO) build --locked
	./target/debug/ion tour

# bubblewrap is the strongest sandbox backend, jq and strace are used by tests.
needs:
	@sh tests/needs.sh bwrap:bubblewrap

test-needs:
	@sh tests/needs.sh bwrap:bubblewrap jq:jq strace:strace python3:python3 git:git cc:gcc node:nodejs npm:npm openssl:openssl chromium:chromium

test: test-needs
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	PROPTEST_RNG_SEED=$(SEED) $(CARGO) test --locked
	$(MAKE) birdcage

# The binary with the GPL backend: everything about the sandbox, under that backend as well. At the
# end the default binary takes its place again, so that nobody passes the other one on by mistake.
birdcage: test-needs
	$(CARGO) clippy --locked --all-targets --features birdcage -- -D warnings
	PROPTEST_RNG_SEED=$(SEED) $(CARGO) test --locked --features birdcage --lib --test main -- sandbox:: worker::
	$(CARGO) build --locked

# The same tests with property tests drawing new cases. A find is a bug: fix it, keep the case.
explore: test-needs
	$(CARGO) test --locked

# Licences, bans and sources always; advisories where their database can be reached.
audit: $(TOOLS)/bin/cargo-deny
	@sh tests/licences.sh $(TOOLS)/bin/cargo-deny
	@sh tests/advisories.sh $(TOOLS)/bin/cargo-deny

$(TOOLS)/bin/cargo-deny:
	$(CARGO) install cargo-deny --version 0.20.2 --locked --root $(TOOLS)

# Functions that compile to the same code are one: only where Rust brings the linker that can do it.
ifeq ($(TARGET),x86_64-unknown-linux-gnu)
FOLD := -C link-arg=-Wl,--icf=all
endif

# One static, stripped binary. Its many addresses are packed: less to read at each start.
dist:
	RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs $(FOLD)" \
		$(CARGO) build --locked --release --target $(TARGET)
	@mkdir -p dist
	@cp target/$(TARGET)/release/ion dist/ion
	@strip dist/ion
	@if ldd dist/ion 2>&1 | grep -q 'statically linked\|not a dynamic'; then echo "dist/ion: static"; else echo "dist/ion is not static" >&2; exit 1; fi
	@echo "dist/ion: $$(stat -c %s dist/ion) bytes"
	@test "$$(stat -c %s dist/ion)" -le 12582912 || { echo "dist/ion is larger than 12 MiB" >&2; exit 1; }
	@cd / && env -i $(CURDIR)/dist/ion --version

bench: dist
	python3 benches/startup.py dist/ion
	$(CARGO) build --locked --release --example decisions --example appends
	python3 benches/decisions.py dist/ion target/release/examples/decisions
	python3 benches/audit.py dist/ion target/release/examples/appends

clean:
	$(CARGO) clean
	rm -rf dist
