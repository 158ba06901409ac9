// SPDX-License-Identifier: Apache-2.0
// core/plugin/digest.c
#include "core/plugin/digest.h"

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "core/base/error.h"

collet_status collet_digest_fd(char hex[COLLET_DIGEST_CHARS], int fd, collet_error *err)
{
    crypto_hash_sha256_state state;
    unsigned char buf[32768], digest[crypto_hash_sha256_BYTES];
    off_t at = 0;
    crypto_hash_sha256_init(&state);
    for (;;) {
        ssize_t n = pread(fd, buf, sizeof buf, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return collet_fail_errno(err, COLLET_E_IO, "cannot read");
        if (n == 0)
            break;
        crypto_hash_sha256_update(&state, buf, (unsigned long long)n);
        at += n;
    }
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(hex, COLLET_DIGEST_CHARS, digest, sizeof digest);
    return COLLET_OK;
}
