// SPDX-License-Identifier: Apache-2.0
// core/plugin/peek.c - the kernel copies for us, so that a wild pointer is EFAULT and not SIGSEGV.
#include "core/plugin/peek.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/uio.h>
#endif

#define PAGE_BYTES 4096u // a text is read up to page borders of this size; larger pages are multiples of it

bool collet_peek(void *dst, const void *src, size_t n_bytes)
{
    if (!src)
        return n_bytes == 0;
    if (n_bytes > UINTPTR_MAX - (uintptr_t)src)
        return false;
#if defined(__linux__)
    struct iovec to = { .iov_base = dst, .iov_len = n_bytes };
    struct iovec from = { .iov_base = (void *)(uintptr_t)src, .iov_len = n_bytes };
    ssize_t n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    if (n >= 0)
        return (size_t)n == n_bytes;
    if (errno != ENOSYS && errno != EPERM)
        return false;
        // A seccomp filter forbids the call. A wild pointer is then a crash, which the scanner's parent attributes.
#endif
    memcpy(dst, src, n_bytes);
    return true;
}

collet_peek_result collet_peek_text(char *out, size_t n_out, const char *src)
{
    out[0] = '\0';
    if (!src)
        return COLLET_PEEK_NULL;
    size_t n = 0;
    while (n < n_out) {
        size_t chunk = PAGE_BYTES - ((uintptr_t)(src + n) & (PAGE_BYTES - 1));
        if (chunk > n_out - n)
            chunk = n_out - n;
        if (!collet_peek(out + n, src + n, chunk)) {
            out[0] = '\0';
            return COLLET_PEEK_FAULT;
        }
        if (memchr(out + n, '\0', chunk))
            return COLLET_PEEK_OK;
        n += chunk;
    }
    out[n_out - 1] = '\0';
    return COLLET_PEEK_LONG;
}
