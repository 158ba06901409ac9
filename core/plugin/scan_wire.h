// SPDX-License-Identifier: Apache-2.0
// core/plugin/scan_wire.h - what collet-scan tells its parent: frames on one pipe, read by length, never to its end,
// because a process that the plugin left behind may hold the other end for ever.
#ifndef COLLET_CORE_PLUGIN_SCAN_WIRE_H
#define COLLET_CORE_PLUGIN_SCAN_WIRE_H

#include <stdint.h>

#define COLLET_SCAN_MAGIC 0x315f4e4353434cull // "LCSCN_1"
#define COLLET_SCAN_BYTES_MAX (4u << 20)      // of one frame's payload

enum {
    COLLET_SCAN_PHASE = 1, // "probe" or "probe cpu.matmul.avx2": what is about to run
    COLLET_SCAN_ANSWER = 2 // JSON (answer.h); the last frame
};

typedef struct collet_scan_frame { // followed by n_bytes of payload
    uint64_t magic;
    uint32_t kind, n_bytes;
} collet_scan_frame;

// Descriptors that the parent leaves open in collet-scan.
enum { COLLET_SCAN_FD_ANSWER = 3, COLLET_SCAN_FD_PLUGIN = 4 };

#endif
