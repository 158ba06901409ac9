// SPDX-License-Identifier: Apache-2.0
// tests/support/op_call.h - one op of one module of the domain "cpu", taken through its whole life by a test.
//
// Every tensor stands between guard pages and begins as NaN, and so does the workspace: what is read without being
// written, or reached beyond its end, shows.
#ifndef COLLET_TESTS_SUPPORT_OP_CALL_H
#define COLLET_TESTS_SUPPORT_OP_CALL_H

#include "collet/plugin/op.h"
#include "tests/support/guard.h"
#include "tests/support/test_host.h"

typedef struct collet_op_call {
    collet_test_host *host;
    const collet_op_vt *vt;
    const collet_module *module;
    void *mod;
    collet_op_desc desc;
    collet_op_caps caps; // of the last supports()
    collet_tensor in[COLLET_OP_TENSORS_MAX], out[COLLET_OP_TENSORS_MAX];
    const collet_tensor *in_list[COLLET_OP_TENSORS_MAX], *out_list[COLLET_OP_TENSORS_MAX];
    collet_guard memory[2 * COLLET_OP_TENSORS_MAX];
    uint32_t n_memory;
} collet_op_call;

// Opens `module` without options. `params` is lent until the end. end() accepts what begin() has made, once.
void collet_op_call_begin(collet_op_call *c, collet_test_host *h, const collet_module *module, const char *op,
                          const void *params);
void collet_op_call_end(collet_op_call *c);

// Adds the next tensor, canonical and dense, of n_bytes, and lends its memory. Formats that collet_test_tensor does not
// know are taken for block formats.
void *collet_op_call_in(collet_op_call *c, const char *format, uint32_t n_dims, const int64_t *shape, size_t n_bytes);
void *collet_op_call_out(collet_op_call *c, const char *format, uint32_t n_dims, const int64_t *shape, size_t n_bytes);

// out[0] is in[0]: the op works in place.
void collet_op_call_in_place(collet_op_call *c);

// A copy to change one thing in: its own tensors and descriptor, the memory and module of `c`. Needs no end.
void collet_op_call_copy(collet_op_call *copy, const collet_op_call *c);

// supports(), which must give a reason when it refuses: lent until the next call, "" when it accepts.
const char *collet_op_call_refusal(collet_op_call *c);

// `sound` is accepted, and with one change to its copy `c` it is refused, for a reason that contains `reason`.
#define COLLET_ASSERT_REFUSED(sound, change, reason)                 \
    do {                                                             \
        collet_op_call c;                                            \
        collet_op_call_copy(&c, sound);                              \
        assert_string_equal(collet_op_call_refusal(&c), "");         \
        change;                                                      \
        assert_non_null(strstr(collet_op_call_refusal(&c), reason)); \
    } while (0)

// supports, create, prepare, run, destroy; fails the test when one of them fails. The frame has the tensors as they
// are, so a test may change contents between two runs.
void collet_op_call_run(collet_op_call *c);

#endif
