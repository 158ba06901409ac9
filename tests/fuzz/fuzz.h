// SPDX-License-Identifier: Apache-2.0
// tests/fuzz/fuzz.h - what each fuzz target defines; libFuzzer or fuzz_main.c calls it.
#ifndef COLLET_TESTS_FUZZ_FUZZ_H
#define COLLET_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

// Returns 0; aborts when a promise is broken.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#endif
