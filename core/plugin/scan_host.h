// SPDX-License-Identifier: Apache-2.0
// core/plugin/scan_host.h - the smallest host that a probe can be asked with: logs to stderr, one worker, plain memory.
#ifndef COLLET_CORE_PLUGIN_SCAN_HOST_H
#define COLLET_CORE_PLUGIN_SCAN_HOST_H

#include "collet/plugin/host.h"

typedef struct collet_scan_host collet_scan_host;

// Ownership: gives; destroy frees, accepts NULL. NULL when memory ran out.
collet_scan_host *collet_scan_host_create(void);
void collet_scan_host_destroy(collet_scan_host *host);

const collet_host *collet_scan_host_table(const collet_scan_host *host);

#endif
