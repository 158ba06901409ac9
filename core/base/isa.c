// SPDX-License-Identifier: Apache-2.0
// core/base/isa.c - CPUID, XCR0, AMX permission, or HWCAP; then a trial in a child process.
#include "core/base/isa.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/isa_probe.h"

enum { LEVEL_REF, LEVEL_AVX2, LEVEL_AVX512, LEVEL_AMX, LEVEL_NEON, LEVEL_DOTPROD };
static const char *const level_names[COLLET_ISA_LEVELS] = { "ref", "avx2", "avx512", "amx", "neon", "dotprod" };

uint32_t collet_isa_from_name(const char *name)
{
    for (uint32_t i = 0; i < COLLET_ISA_LEVELS; i++)
        if (strcmp(name, level_names[i]) == 0)
            return 1u << i;
    return 0;
}

const char *collet_isa_name(uint32_t isa)
{
    for (uint32_t i = 0; i < COLLET_ISA_LEVELS; i++)
        if (isa == 1u << i)
            return level_names[i];
    return "none";
}

static uint64_t cache_bytes(int name)
{
    long n = sysconf(name);
    return n > 0 ? (uint64_t)n : 0;
}

typedef struct feature {
    const char *name;
    bool present;
} feature;

// Writes the first missing feature as the reason; true when all are there.
static bool all_present(const feature *features, size_t n, char *why, size_t n_why)
{
    for (size_t i = 0; i < n; i++)
        if (!features[i].present) {
            snprintf(why, n_why, "this CPU or its operating system lacks %s", features[i].name);
            return false;
        }
    return true;
}

static bool trial(int (*probe)(void), char *why, size_t n_why)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGILL, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        alarm(5); // a hypervisor that traps for ever must not hang the start
        _exit(probe() ? 0 : 1);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        snprintf(why, n_why, "could not start the child that tries it");
        return false;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status))
        snprintf(why, n_why, "feature bits are set, but a trial in a child died of signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(why, n_why, "feature bits are set, but a trial in a child gave a wrong product");
    return false;
}

static void not_here(collet_isa *out, int first, int last, const char *machine)
{
    for (int level = first; level <= last; level++)
        snprintf(out->why[level], sizeof out->why[0], "this is %s machine", machine);
}

#if defined(__x86_64__)
#include <cpuid.h>

typedef struct cpuid_regs {
    uint32_t a, b, c, d;
} cpuid_regs;

static cpuid_regs cpuid(uint32_t leaf, uint32_t sub)
{
    cpuid_regs r = { 0 };
    if (!__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d))
        r = (cpuid_regs){ 0 };
    return r;
}

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

// Linux gives tile registers on request only (arch/x86: ARCH_REQ_XCOMP_PERM, feature 18). The permission is the
// process's: threads made later and child processes have it.
static bool amx_permitted(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static void probe_machine(collet_isa *out)
{
    not_here(out, LEVEL_NEON, LEVEL_DOTPROD, "an x86-64");
    cpuid_regs l1 = cpuid(1, 0), l7 = cpuid(7, 0), l7_1 = cpuid(7, 1);
    bool osxsave = l1.c >> 27 & 1;
    uint64_t xcr0 = osxsave ? read_xcr0() : 0;
    const feature avx2[] = { { "XSAVE", osxsave },      { "saved AVX registers (XCR0)", (xcr0 & 0x6) == 0x6 },
                             { "FMA", l1.c >> 12 & 1 }, { "F16C", l1.c >> 29 & 1 },
                             { "AVX2", l7.b >> 5 & 1 }, { "BMI2", l7.b >> 8 & 1 } };
    const feature avx512[] = {
        { "AVX512F", l7.b >> 16 & 1 },     { "AVX512DQ", l7.b >> 17 & 1 },
        { "AVX512BW", l7.b >> 30 & 1 },    { "AVX512VL", l7.b >> 31 & 1 },
        { "AVX512_VNNI", l7.c >> 11 & 1 }, { "saved AVX-512 registers (XCR0)", (xcr0 & 0xe6) == 0xe6 }
    };
    const feature amx[] = { { "AMX-TILE", l7.d >> 24 & 1 },
                            { "AMX-INT8", l7.d >> 25 & 1 },
                            { "AMX-BF16", l7.d >> 22 & 1 },
                            { "AVX512_BF16", l7_1.a >> 5 & 1 },
                            { "saved tile registers (XCR0)", (xcr0 & 0x60000) == 0x60000 } };

    if (all_present(avx2, COLLET_COUNT(avx2), out->why[LEVEL_AVX2], sizeof out->why[0]) &&
        trial(collet_isa_probe_avx2, out->why[LEVEL_AVX2], sizeof out->why[0]))
        out->mask |= COLLET_ISA_AVX2;
    if (!(out->mask & COLLET_ISA_AVX2))
        snprintf(out->why[LEVEL_AVX512], sizeof out->why[0], "needs avx2, which is missing");
    else if (all_present(avx512, COLLET_COUNT(avx512), out->why[LEVEL_AVX512], sizeof out->why[0]) &&
             trial(collet_isa_probe_avx512, out->why[LEVEL_AVX512], sizeof out->why[0]))
        out->mask |= COLLET_ISA_AVX512;
    if (!(out->mask & COLLET_ISA_AVX512))
        snprintf(out->why[LEVEL_AMX], sizeof out->why[0], "needs avx512, which is missing");
    else if (all_present(amx, COLLET_COUNT(amx), out->why[LEVEL_AMX], sizeof out->why[0])) {
        if (!amx_permitted())
            snprintf(out->why[LEVEL_AMX], sizeof out->why[0], "the kernel refused permission for tile registers");
        else if (trial(collet_isa_probe_amx, out->why[LEVEL_AMX], sizeof out->why[0]))
            out->mask |= COLLET_ISA_AMX;
    }
    uint32_t brand[12] = { 0 };
    for (uint32_t i = 0; i < 3; i++) {
        cpuid_regs r = cpuid(0x80000002u + i, 0);
        memcpy(brand + 4 * i, &r, sizeof r);
    }
    snprintf(out->cpu_name, sizeof out->cpu_name, "%.48s", (const char *)brand);
}
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

static void probe_machine(collet_isa *out)
{
    const unsigned long hwcap = getauxval(AT_HWCAP);
    const feature neon[] = { { "Advanced SIMD", hwcap & HWCAP_ASIMD } };
    const feature dotprod[] = { { "the dot product (ASIMDDP)", hwcap & HWCAP_ASIMDDP } };

    not_here(out, LEVEL_AVX2, LEVEL_AMX, "an AArch64");
    if (all_present(neon, COLLET_COUNT(neon), out->why[LEVEL_NEON], sizeof out->why[0]) &&
        trial(collet_isa_probe_neon, out->why[LEVEL_NEON], sizeof out->why[0]))
        out->mask |= COLLET_ISA_NEON;
    if (!(out->mask & COLLET_ISA_NEON))
        snprintf(out->why[LEVEL_DOTPROD], sizeof out->why[0], "needs neon, which is missing");
    else if (all_present(dotprod, COLLET_COUNT(dotprod), out->why[LEVEL_DOTPROD], sizeof out->why[0]) &&
             trial(collet_isa_probe_dotprod, out->why[LEVEL_DOTPROD], sizeof out->why[0]))
        out->mask |= COLLET_ISA_DOTPROD;
}
#else
static void probe_machine(collet_isa *out)
{
    (void)all_present;
    (void)trial;
    not_here(out, LEVEL_AVX2, LEVEL_DOTPROD, "neither an x86-64 nor an AArch64");
}
#endif

void collet_isa_probe(collet_isa *out)
{
    *out = (collet_isa){ .mask = COLLET_ISA_REF };
    probe_machine(out);
    out->l1d_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE);
    out->l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE);
    out->l3_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE);

    const char *limit = getenv("COLLET_ISA_MAX");
    uint32_t max = limit ? collet_isa_from_name(limit) : 0;
    for (uint32_t i = 1; max && i < COLLET_ISA_LEVELS; i++)
        if ((1u << i) > max && out->mask & 1u << i) {
            out->mask &= ~(1u << i);
            snprintf(out->why[i], sizeof out->why[0], "lowered by COLLET_ISA_MAX=%s", level_names[__builtin_ctz(max)]);
        }
}
