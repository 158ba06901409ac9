// SPDX-License-Identifier: Apache-2.0
// core/plugin/digest.h - SHA-256 of a file.
#ifndef COLLET_CORE_PLUGIN_DIGEST_H
#define COLLET_CORE_PLUGIN_DIGEST_H

#include "collet/base.h"

#define COLLET_DIGEST_CHARS 65 // 64 hex digits and the terminator

// Reads the file behind fd from its first byte, without moving its offset. Errors: IO, without the path.
collet_status collet_digest_fd(char hex[COLLET_DIGEST_CHARS], int fd, collet_error *err);

#endif
