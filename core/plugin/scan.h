// SPDX-License-Identifier: Apache-2.0
// core/plugin/scan.h - asks plugins what they are, each in a collet-scan process of its own, several at a time.
//
// However a plugin behaves there, this process gets an answer within the time limit: the scanner's group is killed when
// it has answered, died or run out of time, and the answer is read by its length. (A process that leaves the group with
// setsid() survives; it holds nothing of ours.)
#ifndef COLLET_CORE_PLUGIN_SCAN_H
#define COLLET_CORE_PLUGIN_SCAN_H

#include <jansson.h>

#include "collet/base.h"

typedef struct collet_scan_job {
    const char *path; // for the scanner's messages
    json_t *answer;   // out: a valid answer (answer.h), or NULL when memory ran out; owned by the caller
} collet_scan_job;

typedef struct collet_scan_opts {
    const char *scanner_path;
    uint32_t timeout_ms; // per plugin, from its start
    // Opens the file of job i just before it is scanned: *fd is then owned by the scan. Returning an answer instead
    // (a new reference) settles the job without a process.
    json_t *(*prepare)(void *ctx, size_t i, int *fd);
    void *ctx;
} collet_scan_opts;

// Scans all jobs, as many at a time as there are CPUs. Errors: NOMEM. Answers already made are kept.
collet_status collet_scan_run(collet_scan_job *jobs, size_t n_jobs, const collet_scan_opts *opts, collet_error *err);

#endif
