# SPDX-License-Identifier: Apache-2.0
# cpack: one Debian package for each install component.
#
#   core            holos-core: programs; what it needs, every holos needs
#   plugin-K-N      holos-plugin-K-N, as HOLOS_PLUGIN_PACKAGE_FORMAT says
#   sdk             holos-plugin-dev
#   meta            holos: nothing in it, depends on all that comes by default
#   anything else   holos-NAME: a module of core (guest: libssh, libarchive; fetch: libcurl)
#
# Libraries are found by dpkg-shlibdeps for each package by itself, so that one is
# needed only where something links it.  Plugins need the ABI, not a version.
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/holos COMPONENT meta)

get_cmake_property(CPACK_COMPONENTS_ALL COMPONENTS)
list(REMOVE_ITEM CPACK_COMPONENTS_ALL Unspecified)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME holos)
set(CPACK_PACKAGE_VENDOR "holos")
set(CPACK_PACKAGE_CONTACT "the holos project <holos@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
  GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)

set(default_packages)
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER "${component}" upper)
  set(name "holos-${component}")
  set(depends "holos-core (= ${PROJECT_VERSION})") # modules are of one build with it
  if(component STREQUAL "core")
    set(depends "")
    set(CPACK_DEBIAN_CORE_PACKAGE_PROVIDES "holos-plugin-abi-1")
    set(CPACK_DEBIAN_CORE_PACKAGE_RECOMMENDS "qemu-system-x86, qemu-utils")
    set(CPACK_DEBIAN_CORE_DESCRIPTION "Docker Compose for KVM: programs without any plugin")
  elseif(component MATCHES "^plugin-(.*)$")
    string(REPLACE "%s" "${CMAKE_MATCH_1}" name "${HOLOS_PLUGIN_PACKAGE_FORMAT}")
    set(depends "holos-plugin-abi-1")
    # The publishers' images are downloaded; file and micro are made or found here.
    if(component MATCHES "^plugin-image-" AND NOT component MATCHES "-(file|micro)$")
      string(APPEND depends ", holos-fetch")
    endif()
    set(CPACK_DEBIAN_${upper}_DESCRIPTION "holos plugin ${CMAKE_MATCH_1}")
  elseif(component STREQUAL "sdk")
    set(name "holos-plugin-dev")
    string(APPEND depends ", libjson-c-dev")
    set(CPACK_DEBIAN_SDK_PACKAGE_SECTION devel)
    set(CPACK_DEBIAN_SDK_DESCRIPTION "headers, tools and a test kit for plugins of holos")
  elseif(component STREQUAL "meta")
    set(name "holos")
    set(CPACK_DEBIAN_META_DESCRIPTION "${PROJECT_DESCRIPTION}")
  endif()
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME "${name}")
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}")
  if(NOT component MATCHES "^(sdk|meta)$")
    list(APPEND default_packages "${name}")
  endif()
endforeach()
# What they run, besides what they link.
string(APPEND CPACK_DEBIAN_PLUGIN-HEALTH-SSH_PACKAGE_DEPENDS ", holos-guest")
string(APPEND CPACK_DEBIAN_PLUGIN-IMAGE-MICRO_PACKAGE_DEPENDS
  ", busybox-static, dropbear-bin, e2fsprogs, kmod, xz-utils, qemu-utils")
list(JOIN default_packages ", " CPACK_DEBIAN_META_PACKAGE_DEPENDS)
set(CPACK_DEBIAN_META_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_META_PACKAGE_SHLIBDEPS OFF)
include(CPack)
