# SPDX-License-Identifier: Apache-2.0
# cmake/aarch64-linux-gnu.cmake - a toolchain file: Debian's gcc-aarch64-linux-gnu, and qemu-user to run what it makes.
#
# COLLET_SYSROOT is a folder with libraries for the target beside those of libc6-dev-arm64-cross; scripts/test_neon.sh
# makes one with cmocka. The variable QEMU_CPU names the CPU that is emulated: max has the dot product, cortex-a72 not.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(COLLET_SYSROOT "${CMAKE_SOURCE_DIR}/build/aarch64-sysroot" CACHE PATH "libraries for the target")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES COLLET_SYSROOT)

set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu "${COLLET_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} "${COLLET_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${COLLET_SYSROOT}")

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
