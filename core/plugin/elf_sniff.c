// SPDX-License-Identifier: Apache-2.0
// core/plugin/elf_sniff.c - the ELF header and the program headers, every offset checked against the file's size.
#include "core/plugin/elf_sniff.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arith.h"
#include "core/base/error.h"

#define SEGMENTS_MAX 256 // a shared object has about ten

#if defined(__x86_64__)
#define HERE_MACHINE EM_X86_64
#define HERE_NAME "x86-64"
#elif defined(__aarch64__)
#define HERE_MACHINE EM_AARCH64
#define HERE_NAME "aarch64"
#else
#error "core/plugin/elf_sniff.c: name this machine"
#endif

static const char *machine_name(uint32_t machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_AARCH64:
        return "aarch64";
    case EM_386:
        return "i386";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return "riscv";
    case EM_PPC64:
        return "ppc64";
    default:
        return "another machine";
    }
}

static collet_status read_at(int fd, void *out, size_t n_bytes, uint64_t at, collet_error *err)
{
    size_t done = 0;
    while (done < n_bytes) {
        ssize_t n = pread(fd, (char *)out + done, n_bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return collet_fail_errno(err, COLLET_E_IO, "cannot read");
        if (n == 0)
            return collet_fail(err, COLLET_E_FORMAT, "shrank while it was read: install plugins by rename");
        done += (size_t)n;
    }
    return COLLET_OK;
}

// What begins with other well-known bytes gets its name into the message.
static collet_status not_elf(const unsigned char *magic, collet_error *err)
{
    static const unsigned char mach_o[][4] = { { 0xcf, 0xfa, 0xed, 0xfe },
                                               { 0xce, 0xfa, 0xed, 0xfe },
                                               { 0xca, 0xfe, 0xba, 0xbe } };
    for (size_t i = 0; i < COLLET_COUNT(mach_o); i++)
        if (memcmp(magic, mach_o[i], 4) == 0)
            return collet_fail(err, COLLET_E_UNSUPPORTED,
                               "is a Mach-O library (macOS), an ELF one was wanted: build it for this system");
    if (magic[0] == 'M' && magic[1] == 'Z')
        return collet_fail(err, COLLET_E_UNSUPPORTED,
                           "is a PE library (Windows), an ELF one was wanted: build it for this system");
    return collet_fail(err, COLLET_E_NOT_FOUND,
                       "begins with %02x %02x %02x %02x, which no shared object does: remove it or rename it", magic[0],
                       magic[1], magic[2], magic[3]);
}

static collet_status check_header(const Elf64_Ehdr *h, collet_error *err)
{
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != HERE_MACHINE)
        return collet_fail(err, COLLET_E_UNSUPPORTED, "is built for %s%s%s, " HERE_NAME " was wanted: rebuild it here",
                           machine_name(h->e_machine), h->e_ident[EI_CLASS] == ELFCLASS32 ? ", 32 bits" : "",
                           h->e_ident[EI_DATA] == ELFDATA2MSB ? ", big-endian" : "");
    if (h->e_type != ET_DYN)
        return collet_fail(err, COLLET_E_UNSUPPORTED,
                           "is an ELF file of type %u, a shared object (%u) was wanted: link it with -shared",
                           (unsigned)h->e_type, (unsigned)ET_DYN);
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum < 1 || h->e_phnum > SEGMENTS_MAX)
        return collet_fail(err, COLLET_E_FORMAT,
                           "has %u program headers of %u bytes, 1..%d of %zu were wanted: it is damaged, reinstall it",
                           (unsigned)h->e_phnum, (unsigned)h->e_phentsize, SEGMENTS_MAX, sizeof(Elf64_Phdr));
    return COLLET_OK;
}

static collet_status cut_short(const char *what, uint64_t end, uint64_t n_bytes, collet_error *err)
{
    return collet_fail(err, COLLET_E_FORMAT, "is cut short: %s end at byte %llu, the file has %llu: reinstall it", what,
                       (unsigned long long)end, (unsigned long long)n_bytes);
}

collet_status collet_elf_sniff(int fd, uint64_t n_bytes, collet_error *err)
{
    unsigned char magic[4];
    Elf64_Ehdr h;
    Elf64_Phdr segments[SEGMENTS_MAX];
    if (n_bytes == 0)
        return collet_fail(err, COLLET_E_NOT_FOUND, "is empty, a shared object was wanted: remove it");
    if (n_bytes < sizeof magic)
        return collet_fail(err, COLLET_E_NOT_FOUND, "has %llu bytes, a shared object was wanted: remove it",
                           (unsigned long long)n_bytes);
    collet_status st = read_at(fd, magic, sizeof magic, 0, err);
    if (st != COLLET_OK)
        return st;
    if (memcmp(magic, ELFMAG, SELFMAG) != 0)
        return not_elf(magic, err);
    if (n_bytes < sizeof h)
        return cut_short("its headers", sizeof h, n_bytes, err);
    st = read_at(fd, &h, sizeof h, 0, err);
    if (st == COLLET_OK)
        st = check_header(&h, err);
    if (st != COLLET_OK)
        return st;
    uint64_t end;
    size_t table_bytes = h.e_phnum * sizeof segments[0];
    if (!collet_add_u64(h.e_phoff, table_bytes, &end) || end > n_bytes)
        return cut_short("its program headers", end, n_bytes, err);
    st = read_at(fd, segments, table_bytes, h.e_phoff, err);
    for (size_t i = 0; st == COLLET_OK && i < h.e_phnum; i++)
        if (segments[i].p_type == PT_LOAD &&
            (!collet_add_u64(segments[i].p_offset, segments[i].p_filesz, &end) || end > n_bytes))
            st = cut_short("its segments", end, n_bytes, err);
    return st;
}
