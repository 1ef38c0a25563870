#!/bin/sh
# Writes src/powerpc64/bindings.rs from the kernel's uapi headers.
#
#     ./generate.sh HEADERS
#
# HEADERS is an include directory that has linux/kvm.h and powerpc64-linux-gnu/asm/kvm.h: usr/include of an unpacked
# linux-libc-dev (Debian: apt-get download, dpkg-deb -x). Needs bindgen 0.72, rustfmt, and libclang, whose directory
# LIBCLANG_PATH names where it is not found.
set -eu
headers=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
bindings=$here/src/powerpc64/bindings.rs
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

# kvm-ioctls has functions of these names, made by macros of vmm-sys-util.
ioctls=$(sed -n -e ':more' -e '/\\$/{N;s/\\\n//;b more' -e '}' \
    -e 's/^#define[[:space:]]*\(KVM_[A-Z0-9_]*\)[[:space:]]*_IO[WR]*(.*/\1/p' "$headers/linux/kvm.h" | paste -s -d '|')

# The fallback evaluates macros that use others before these are defined, as the numbers of registers do.
generate() {
    bindgen "$here/wrapper.h" \
        --allowlist-item '(KVM|kvm)_.*|KVMIO' --blocklist-item "$ioctls" \
        --clang-macro-fallback --clang-macro-fallback-build-dir "$scratch" \
        --no-doc-comments --with-derive-default --with-derive-partialeq \
        --rust-target 1.85 --rust-edition 2024 --wrap-unsafe-ops --formatter rustfmt \
        -- --target="$1-linux-gnu" -nostdinc -isystem "$headers" -isystem "$headers/powerpc64-linux-gnu"
}

generate powerpc64 >"$bindings"
# One file serves both byte orders. Were a layout to differ, its assertions would fail as well.
generate powerpc64le | diff - "$bindings"
