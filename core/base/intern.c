// SPDX-License-Identifier: Apache-2.0
// core/base/intern.c - a list and a lock: a few hundred names, interned at load, never in a step.
#include "core/base/intern.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 4096
#define NAME_BYTES_MAX 63

struct collet_names {
    pthread_mutex_t lock;
    uint32_t n;
    bool ran_out;
    char *text[NAMES_MAX]; // id i + 1
};

collet_names *collet_names_create(void)
{
    collet_names *names = calloc(1, sizeof *names);
    if (names)
        pthread_mutex_init(&names->lock, NULL);
    return names;
}

void collet_names_destroy(collet_names *names)
{
    if (!names)
        return;
    for (uint32_t i = 0; i < names->n; i++)
        free(names->text[i]);
    pthread_mutex_destroy(&names->lock);
    free(names);
}

static int well_formed(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= NAME_BYTES_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._+-") == n;
}

uint32_t collet_names_intern(collet_names *names, const char *name)
{
    if (!name || !well_formed(name))
        return 0;
    pthread_mutex_lock(&names->lock);
    uint32_t id = 0;
    for (uint32_t i = 0; i < names->n && id == 0; i++)
        if (strcmp(names->text[i], name) == 0)
            id = i + 1;
    if (id == 0 && names->n < NAMES_MAX && (names->text[names->n] = strdup(name)) != NULL)
        id = ++names->n;
    names->ran_out = names->ran_out || id == 0;
    pthread_mutex_unlock(&names->lock);
    return id;
}

const char *collet_names_text(collet_names *names, uint32_t id)
{
    pthread_mutex_lock(&names->lock);
    const char *text = id >= 1 && id <= names->n ? names->text[id - 1] : NULL;
    pthread_mutex_unlock(&names->lock);
    return text;
}

bool collet_names_ran_out(collet_names *names)
{
    pthread_mutex_lock(&names->lock);
    bool ran_out = names->ran_out;
    names->ran_out = false;
    pthread_mutex_unlock(&names->lock);
    return ran_out;
}
