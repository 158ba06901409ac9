// SPDX-License-Identifier: Apache-2.0
// tests/core/model/picky.h - a plugin for tests of plans: modules that refuse, fail or agree as they are told.
//
//   pick.a, pick.b    the reference matmul under other names
//   picky.matmul      does what picky_how says
//   mute.matmul       refuses and does not say why
//   fused.ops         the op add_rmsnorm, made of the reference's add and rmsnorm
//   poor.device       the domain cpu with little memory
// All have score 0: they are chosen when a profile names them only. poor.device is a record of its own.
#ifndef COLLET_TESTS_PICKY_H
#define COLLET_TESTS_PICKY_H

#include "collet/plugin/op.h"

typedef enum picky_mode {
    PICKY_REFUSES,
    PICKY_PACKS_ACTIVATIONS, // supports() wants a layout of in[0]
    PICKY_CREATE_FAILS,
    PICKY_PACK_FAILS,
    PICKY_PACKS // works as far as bind; its run() does nothing
} picky_mode;
extern picky_mode picky_how;
extern _Atomic uint32_t picky_n_packed; // calls of pack()

extern uint64_t poor_bytes_max; // largest buffer that poor.device gives

extern const collet_plugin picky_plugin, poor_plugin;

#endif
