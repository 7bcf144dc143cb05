# Warnings are errors; ccache and mold are used where they are found.
add_library(deployer_warnings INTERFACE)
target_compile_options(deployer_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wconversion -Wno-sign-conversion -Wnull-dereference -Werror)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR DEPLOYER_SANITIZE)
  # With optimisation and sanitizers, g++ 12 sees null pointers and overflows inside libstdc++ that are not there.
  target_compile_options(deployer_warnings INTERFACE -Wno-null-dereference -Wno-maybe-uninitialized -Wno-restrict
    -Wno-stringop-overflow -Wno-array-bounds)
endif()

if(CMAKE_UNITY_BUILD)
  # In a batch a source counts as included, and g++ warns of types that it keeps to itself.
  target_compile_options(deployer_warnings INTERFACE -Wno-subobject-linkage)
endif()

set(DEPLOYER_SANITIZE "" CACHE STRING "sanitizers for every target, as in address,undefined")
if(DEPLOYER_SANITIZE)
  add_compile_options(-fsanitize=${DEPLOYER_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DEPLOYER_SANITIZE})
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
