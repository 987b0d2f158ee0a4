# holos-flags: warnings, hardening, sanitizers.  Flags that the compiler or linker
# lacks are left out; CFLAGS of a packager come last and win.
add_library(holos-flags INTERFACE)
target_include_directories(holos-flags INTERFACE
  ${PROJECT_SOURCE_DIR}/core ${PROJECT_SOURCE_DIR}/sdk/include)
target_compile_definitions(holos-flags INTERFACE
  _GNU_SOURCE HOLOS_VERSION="${PROJECT_VERSION}")

function(holos_flag flag)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
  check_c_compiler_flag("${flag}" ${have})
  if(${have})
    target_compile_options(holos-flags INTERFACE "${flag}")
  endif()
endfunction()

foreach(flag -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2
    -Wundef -Wvla -Walloca -Wcast-qual -Wpointer-arith -Wwrite-strings -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wredundant-decls -Wnested-externs
    -Wdouble-promotion -Wdate-time -Wenum-conversion
    -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments -fno-common)
  holos_flag(${flag})
endforeach()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  foreach(flag -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wcast-align=strict
      -Wimplicit-fallthrough=5 -Wuse-after-free=3)
    holos_flag(${flag})
  endforeach()
endif()
if(HOLOS_WERROR)
  target_compile_options(holos-flags INTERFACE -Werror)
endif()

foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection
    -fzero-call-used-regs=used-gpr)
  holos_flag(${flag})
endforeach()
target_compile_options(holos-flags INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
target_link_options(holos-flags INTERFACE -Wl,-z,relro,-z,now)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_compile_options($<$<CONFIG:Release,RelWithDebInfo>:-O2>)
if(HOLOS_SANITIZE)
  target_compile_options(holos-flags INTERFACE
    -fsanitize=${HOLOS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(holos-flags INTERFACE -fsanitize=${HOLOS_SANITIZE})
else()
  target_compile_options(holos-flags INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()
set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -pie")
