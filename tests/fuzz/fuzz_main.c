// SPDX-License-Identifier: Apache-2.0
// tests/fuzz/fuzz_main.c - a fuzz target without libFuzzer: each file of the corpora, and fixed mutations of each.
//
// Usage: <target> FOLDER...   "goldens:x" is folder x of the goldens (COLLET_GOLDENS); an absent folder is passed over
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define FILE_BYTES_MAX (1u << 20)
#define MUTATIONS 200 // per file; the same ones every time, so that a failure comes again

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void run_mutations(const uint8_t *data, size_t n_bytes)
{
    uint32_t seed = (uint32_t)n_bytes;
    for (int i = 0; i < MUTATIONS && n_bytes > 0; i++) {
        size_t n = i % 4 == 0 ? next_random(&seed) % n_bytes : n_bytes; // every fourth is also cut
        uint8_t *copy = malloc(n ? n : 1);                              // of its size: the sanitizer sees its end
        if (!copy)
            exit(1);
        memcpy(copy, data, n);
        for (uint32_t k = next_random(&seed) % 4; n > 0 && k > 0; k--) {
            static const uint8_t extremes[] = { 0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff };
            // Half of the changes go to the first 512 bytes, where headers are.
            size_t at = next_random(&seed) % (next_random(&seed) % 2 && n > 512 ? 512 : n);
            uint32_t kind = next_random(&seed);
            copy[at] = kind % 3 ? extremes[kind % sizeof extremes] : (uint8_t)kind;
        }
        LLVMFuzzerTestOneInput(copy, n);
        free(copy);
    }
}

static int run_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data = malloc(FILE_BYTES_MAX);
    if (!in || !data) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    size_t n = fread(data, 1, FILE_BYTES_MAX, in);
    fclose(in);
    LLVMFuzzerTestOneInput(data, n);
    run_mutations(data, n);
    free(data);
    return 1;
}

static int run_folder(const char *folder)
{
    char path[4096];
    const char *goldens = getenv("COLLET_GOLDENS");
    int n_files = 0;
    if (strncmp(folder, "goldens:", 8) == 0) {
        snprintf(path, sizeof path, "%s/%s", goldens ? goldens : "../shared/goldens", folder + 8);
        return run_folder(path);
    }
    DIR *dir = opendir(folder);
    if (!dir) {
        fprintf(stderr, "skipped: no corpus %s\n", folder);
        return 0;
    }
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        n_files += run_file(path);
    }
    closedir(dir);
    return n_files;
}

int main(int argc, char **argv)
{
    int n_files = 0;
    for (int i = 1; i < argc; i++)
        n_files += run_folder(argv[i]);
    printf("%d files, %d inputs\n", n_files, n_files * (1 + MUTATIONS));
    return 0;
}
