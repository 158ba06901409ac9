// SPDX-License-Identifier: Apache-2.0
// core/plugin/elf_sniff.h - is this file a whole shared object for this machine? Read, not run.
#ifndef COLLET_CORE_PLUGIN_ELF_SNIFF_H
#define COLLET_CORE_PLUGIN_ELF_SNIFF_H

#include "collet/base.h"

// Looks at the headers of the file behind fd (n_bytes long). Messages leave out the path.
// Errors: NOT_FOUND    nothing like a library: empty, text
//         UNSUPPORTED  a library or program, but not for here: other machine, other format, an executable
//         FORMAT       cut short or damaged
//         IO
collet_status collet_elf_sniff(int fd, uint64_t n_bytes, collet_error *err);

#endif
