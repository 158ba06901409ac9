# SPDX-License-Identifier: Apache-2.0
# cmake/collet.cmake - the few build functions of this project; every target is made by one of them.
include(CheckCCompilerFlag)

set(COLLET_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize=")

# Warnings are errors. -ffp-contract=off: a fused multiply-add appears only where a kernel writes one, so that the
# reference kernels and dequantizers give the same bits with every compiler and ISA.
add_compile_options(-Wall -Wextra -Werror -Wvla -Wundef -Wno-missing-field-initializers -ffp-contract=off
                    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>)
add_compile_definitions(_GNU_SOURCE COLLET_VERSION="${PROJECT_VERSION}")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O3 -g")
if(COLLET_SANITIZE)
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g")
  add_compile_options(-fsanitize=${COLLET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${COLLET_SANITIZE})
endif()

# collet_library(NAME [SOURCES...] [DEPS...]): one layer of the core, static.
function(collet_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(${name} PUBLIC ${A_DEPS} m)
endfunction()

# The ISA words of file names that this target's processor has none of: other machines leave these files out.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  set(COLLET_X86 ON)
  set(COLLET_FOREIGN_ISA "_(neon|dotprod)\\.c$")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(COLLET_FOREIGN_ISA "_(avx2|avx512|amx)\\.c$")
else()
  set(COLLET_FOREIGN_ISA "_(avx2|avx512|amx|neon|dotprod)\\.c$")
endif()

# collet_isa_sources(LIST): takes the files of other machines out of the list, so that a list names them all.
function(collet_isa_sources list)
  set(sources ${${list}})
  list(FILTER sources EXCLUDE REGEX "${COLLET_FOREIGN_ISA}")
  set(${list} ${sources} PARENT_SCOPE)
endfunction()

# ISA flags per source file, by the last word of its name: x_avx2.c, x_avx512.c, x_amx.c, x_dotprod.c. Nowhere else.
# x_neon.c needs none: Advanced SIMD is in every AArch64.
function(collet_isa_flags)
  foreach(source ${ARGN})
    if(source MATCHES "${COLLET_FOREIGN_ISA}")
      continue() # where it is compiled nonetheless, it is empty but for a stub
    elseif(source MATCHES "_avx2\\.c$")
      set(flags -mavx2 -mfma -mf16c -mbmi2)
    elseif(source MATCHES "_avx512\\.c$")
      set(flags -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
                -mprefer-vector-width=512)
    elseif(source MATCHES "_amx\\.c$")
      set(flags -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16
                -mamx-tile -mamx-int8 -mamx-bf16 -mprfchw -mprefer-vector-width=512)
    elseif(source MATCHES "_dotprod\\.c$")
      set(flags -march=armv8.2-a+dotprod)
    else()
      continue()
    endif()
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${flags}")
  endforeach()
endfunction()

# collet_plugin(NAME SOURCES... [DEPS...]): libcollet_NAME.so in lib/collet, exporting its entry symbol alone.
function(collet_plugin name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(collet_${name} MODULE ${A_SOURCES})
  collet_isa_flags(${A_SOURCES})
  target_include_directories(collet_${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(collet_${name} PRIVATE ${A_DEPS} m)
  set_target_properties(collet_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/collet)
  if(NOT COLLET_SANITIZE)
    target_link_options(collet_${name} PRIVATE LINKER:--no-undefined)
  endif()
  # Symbols of static libraries (plugins/common) stay inside too.
  target_link_options(collet_${name} PRIVATE LINKER:--exclude-libs,ALL)
endfunction()

# collet_test(LABEL NAME SOURCES... [DEPS...] [TIMEOUT s]): one cmocka program, one ctest entry with one label.
function(collet_test label name)
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  collet_isa_flags(${A_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE ${A_DEPS} PkgConfig::CMOCKA m)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${A_TIMEOUT}
    ENVIRONMENT "COLLET_BUILD_DIR=${CMAKE_BINARY_DIR};COLLET_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()
