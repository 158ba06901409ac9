// SPDX-License-Identifier: Apache-2.0
// tests/support/guard.c
#include "tests/support/guard.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

collet_guard collet_guard_make(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (n_bytes + page - 1) / page * page;
    collet_guard g = { .n_bytes = n_bytes, .map_bytes = inner + 2 * page };
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED) {
        perror("guard pages");
        exit(1);
    }
    uint8_t *begin = g.map;
    mprotect(begin, page, PROT_NONE);
    mprotect(begin + page + inner, page, PROT_NONE);
    g.data = begin + page + inner - n_bytes;
    memset(begin + page, 0xff, inner);
    return g;
}

void collet_guard_free(collet_guard *g)
{
    if (g->map)
        munmap(g->map, g->map_bytes);
    *g = (collet_guard){ 0 };
}

void collet_guard_seal(collet_guard *g)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    mprotect((uint8_t *)g->map + page, g->map_bytes - 2 * page, PROT_READ);
}
