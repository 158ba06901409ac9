// SPDX-License-Identifier: Apache-2.0
// tests/plugins/onednn/test_onednn.c - what the wrapper promises beside right numbers (test_matmul_onednn): refusals by
// name, no second set of threads, memory that runs out.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/onednn/onednn.h"
#include "tests/support/op_call.h"

extern int omp_get_max_threads(void) __attribute__((weak));
extern void omp_set_num_threads(int n) __attribute__((weak));

#define N_TOKENS 70
#define N_IN 96
#define N_OUT 200

static void begin(collet_op_call *c, collet_test_host *h, const char *format, size_t weight_bytes)
{
    const int64_t x[2] = { N_TOKENS, N_IN }, w[2] = { N_OUT, N_IN }, y[2] = { N_TOKENS, N_OUT };
    collet_op_call_begin(c, h, &collet_onednn_matmul, COLLET_OP_MATMUL, NULL);
    memset(collet_op_call_in(c, "f32", 2, x, sizeof(float) * N_TOKENS * N_IN), 0, sizeof(float) * N_TOKENS * N_IN);
    memset(collet_op_call_in(c, format, 2, w, weight_bytes), 0, weight_bytes);
    collet_op_call_out(c, "f32", 2, y, sizeof(float) * N_TOKENS * N_OUT);
}

static void test_onednn__what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    collet_test_host h;
    collet_op_call sound;
    collet_test_host_init(&h, 2);
    begin(&sound, &h, "f32", sizeof(float) * N_OUT * N_IN);
    COLLET_ASSERT_REFUSED(&sound, c.in[1].format = h.host.intern(h.host.self, "q4_k"),
                          "weights in q4_k: f32, f16, bf16 and q8_0 only");
    COLLET_ASSERT_REFUSED(&sound, c.in[1].layout = h.host.intern(h.host.self, "q8_0.r8"), "packed as q8_0.r8 already");
    COLLET_ASSERT_REFUSED(&sound, c.in[1].domain = h.host.intern(h.host.self, "sim"), "not in the domain cpu");
    COLLET_ASSERT_REFUSED(&sound, c.in[0].shape[1] = 32, "weight (200, 96) for x of 32 and y of 200");
    COLLET_ASSERT_REFUSED(&sound, c.out[0].stride[0] = 8, "y: (tokens, n) with contiguous rows only");
    COLLET_ASSERT_REFUSED(&sound, c.desc.n_in = 1, "1 inputs and 1 outputs");
    COLLET_ASSERT_REFUSED(&sound, c.desc.op = h.host.intern(h.host.self, "rmsnorm"), "no such op");
    collet_op_call_end(&sound);
    h.cpu.isa_mask = COLLET_ISA_REF;
    begin(&sound, &h, "f32", sizeof(float) * N_OUT * N_IN);
    assert_string_equal(collet_op_call_refusal(&sound), "AVX2 is not offered on this machine");
    collet_op_call_end(&sound);
    h.cpu.isa_mask = COLLET_ISA_REF | COLLET_ISA_AVX2;
    begin(&sound, &h, "q8_0", 34 * N_OUT * N_IN / 32);
    assert_non_null(strstr(collet_op_call_refusal(&sound), "only with AVX-512 VNNI"));
    collet_op_call_end(&sound);
    collet_test_host_finish(&h);
}

static uint32_t n_threads(void)
{
    uint32_t n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *e = readdir(tasks); e; e = readdir(tasks))
        n += e->d_name[0] != '.';
    closedir(tasks);
    return n;
}

// Packing, compiling and multiplying, with a limit of four threads that the program set for itself.
static void test_onednn__starts_no_threads_and_gives_the_limit_back(void **state)
{
    (void)state;
    collet_test_host h;
    collet_op_call c;
    collet_test_host_init(&h, 3);
    if (omp_set_num_threads)
        omp_set_num_threads(4);
    const uint32_t before = n_threads();
    begin(&c, &h, "f32", sizeof(float) * N_OUT * N_IN);
    assert_string_equal(collet_op_call_refusal(&c), "");
    const uint32_t layout = c.caps.layout[1];
    assert_string_equal(h.host.name_of(h.host.self, layout), "onednn.f32.r64");
    uint64_t n_bytes = 0;
    uint32_t group = 0;
    assert_int_equal(c.vt->pack_size(c.mod, &c.in[1], layout, &n_bytes, &group, NULL), COLLET_OK);
    collet_guard packed = collet_guard_make(n_bytes);
    collet_tensor w = c.in[1];
    w.layout = layout;
    w.data = packed.data;
    assert_int_equal(c.vt->pack(c.mod, &c.in[1], &w, 0, N_OUT, NULL), COLLET_OK);
    void *inst = NULL;
    uint64_t ws_bytes = 0, plan_bytes = 0;
    c.in_list[1] = &w;
    assert_int_equal(c.vt->create(c.mod, &c.desc, &inst, NULL), COLLET_OK);
    assert_int_equal(c.vt->prepare(inst, &c.desc, &ws_bytes, &plan_bytes, NULL), COLLET_OK);
    collet_guard ws = collet_guard_make(ws_bytes);
    const collet_frame frame = { .size = sizeof frame,
                                 .n_in = 2,
                                 .n_out = 1,
                                 .queue = &h.queue,
                                 .in = c.in_list,
                                 .out = c.out_list,
                                 .ws = ws.data,
                                 .ws_bytes = ws_bytes };
    for (int i = 0; i < 3; i++)
        assert_int_equal(c.vt->run(inst, &frame), COLLET_OK);
    assert_int_equal(n_threads(), before);
    if (omp_get_max_threads)
        assert_int_equal(omp_get_max_threads(), 4);
    c.vt->destroy(inst);
    collet_guard_free(&ws);
    collet_guard_free(&packed);
    collet_op_call_end(&c);
    collet_test_host_finish(&h);
}

static void *no_memory(void *self, size_t n_bytes, size_t align)
{
    (void)self;
    (void)n_bytes;
    (void)align;
    return NULL;
}

static void test_onednn__lack_of_memory_is_an_error(void **state)
{
    (void)state;
    collet_test_host h;
    collet_op_call c;
    collet_test_host_init(&h, 2);
    begin(&c, &h, "f32", sizeof(float) * N_OUT * N_IN);
    void *mod = NULL, *inst = NULL;
    void *(*alloc)(void *self, size_t n_bytes, size_t align) = h.host.alloc;
    h.host.alloc = no_memory;
    assert_int_equal(collet_onednn_matmul.open(&h.host, NULL, 0, &mod, NULL), COLLET_E_NOMEM);
    assert_int_equal(c.vt->create(c.mod, &c.desc, &inst, NULL), COLLET_E_NOMEM);
    assert_null(mod);
    assert_null(inst);
    h.host.alloc = alloc;
    c.vt->destroy(NULL);
    collet_op_call_end(&c);
    collet_test_host_finish(&h);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_onednn__what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(test_onednn__starts_no_threads_and_gives_the_limit_back),
        cmocka_unit_test(test_onednn__lack_of_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("onednn", tests, NULL, NULL);
}
