// SPDX-License-Identifier: Apache-2.0
// plugins/sim/sim_memory.c - addresses that fault on the host, and the list that gives them a meaning.
#include <stdio.h>
#include <stdlib.h>

#include "plugins/sim/sim.h"

static uint8_t *untag(const void *tagged)
{
    return (uint8_t *)((uintptr_t)tagged & ~(uintptr_t)SIM_TAG_MASK);
}

bool sim_is_tagged(const void *p)
{
    return ((uintptr_t)p & SIM_TAG_MASK) == SIM_TAG;
}

void *sim_memory_alloc(sim_memory *m, uint64_t n_bytes)
{
    uint8_t *real = n_bytes <= SIZE_MAX - 64 ? calloc(1, (size_t)n_bytes + 64) : NULL;
    void *tagged = NULL;
    pthread_mutex_lock(&m->lock);
    if (real && m->n_allocations < SIM_ALLOCATIONS_MAX) {
        uint8_t *data = real + (-(uintptr_t)real & 63);
        m->allocations[m->n_allocations].real = real;
        m->allocations[m->n_allocations].data = data;
        m->allocations[m->n_allocations++].n_bytes = n_bytes;
        tagged = (void *)((uintptr_t)data | SIM_TAG);
    }
    pthread_mutex_unlock(&m->lock);
    if (!tagged)
        free(real);
    return tagged;
}

// The allocation that holds the byte, or ends at it: an empty view may stand at an end. No two touch.
static uint32_t find(const sim_memory *m, const uint8_t *real)
{
    uint32_t i = 0;
    while (i < m->n_allocations &&
           !(real >= m->allocations[i].data && real <= m->allocations[i].data + m->allocations[i].n_bytes))
        i++;
    return i;
}

bool sim_memory_free(sim_memory *m, void *tagged)
{
    pthread_mutex_lock(&m->lock);
    uint32_t i = sim_is_tagged(tagged) ? find(m, untag(tagged)) : m->n_allocations;
    uint8_t *real = NULL;
    if (i < m->n_allocations && m->allocations[i].data == untag(tagged)) {
        real = m->allocations[i].real;
        m->allocations[i] = m->allocations[--m->n_allocations];
    }
    pthread_mutex_unlock(&m->lock);
    free(real);
    return real != NULL;
}

void *sim_memory_real(sim_memory *m, const void *tagged, uint64_t n_bytes, char *why, size_t n_why)
{
    if (!sim_is_tagged(tagged)) {
        snprintf(why, n_why, "%p is host memory", tagged);
        return NULL;
    }
    uint8_t *real = untag(tagged);
    pthread_mutex_lock(&m->lock);
    uint32_t i = find(m, real);
    bool inside =
        i < m->n_allocations && n_bytes <= m->allocations[i].n_bytes - (uint64_t)(real - m->allocations[i].data);
    pthread_mutex_unlock(&m->lock);
    if (inside)
        return real;
    snprintf(why, n_why, "%llu bytes at %p are not within an allocation of this device", (unsigned long long)n_bytes,
             tagged);
    return NULL;
}
