// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_elf_sniff.c - the header reader takes any bytes and reads none past the file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/plugin/elf_sniff.h"

static collet_file program; // this test's own file: a position-independent executable is ET_DYN as well

static int setup(void **state)
{
    (void)state;
    return collet_file_map(&program, "/proc/self/exe", NULL) == COLLET_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    collet_file_unmap(&program);
    return 0;
}

static collet_status sniff(const void *data, size_t n_bytes, collet_error *err)
{
    int fd = memfd_create("elf", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n_bytes), n_bytes);
    collet_status st = collet_elf_sniff(fd, n_bytes, err);
    close(fd);
    return st;
}

static void test_elf_sniff__whole_object_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(sniff(program.data, program.n_bytes, NULL), COLLET_OK);
}

static void test_elf_sniff__file_that_shrinks_meanwhile_is_an_error(void **state)
{
    (void)state;
    collet_error err = COLLET_ERROR_INIT;
    int fd = memfd_create("elf", MFD_CLOEXEC);
    assert_int_equal(write(fd, program.data, 100), 100);
    assert_int_equal(collet_elf_sniff(fd, program.n_bytes, &err), COLLET_E_FORMAT);
    assert_non_null(strstr(err.msg, "shrank while it was read"));
    close(fd);
}

static void test_elf_sniff__any_header_bytes_are_survived(void **state)
{
    (void)state;
    enum { HEAD = 64 + 16 * 56, TURNS = 4000 };
    uint8_t head[HEAD];
    uint64_t random = 0x243f6a8885a308d3ull; // fixed, so that a failure can be repeated
    for (int turn = 0; turn < TURNS; turn++) {
        memcpy(head, program.data, HEAD);
        for (int k = 0; k < 3; k++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            // Past the magic, so that the reader goes on; mostly into the header itself.
            size_t at = 4 + (random >> 33) % (k == 0 ? 60 : HEAD - 4);
            head[at] = (uint8_t)(random >> 56);
        }
        collet_error err = COLLET_ERROR_INIT;
        collet_status st = sniff(head, HEAD, &err);
        assert_true(st == COLLET_OK || err.msg[0] != '\0'); // OK: no segment is left that lies past these bytes
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elf_sniff__whole_object_is_accepted),
        cmocka_unit_test(test_elf_sniff__file_that_shrinks_meanwhile_is_an_error),
        cmocka_unit_test(test_elf_sniff__any_header_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
