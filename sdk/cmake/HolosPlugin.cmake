# SPDX-License-Identifier: Apache-2.0
#
# holos_add_plugin(KIND-NAME SOURCES file... [LIBS library...] [INCLUDES dir...])
#
# Builds the plugin holos-KIND-NAME.so (KIND: image net health provision importer)
# with one exported symbol, and its manifest holos-KIND-NAME.json, which holos reads
# instead of the code.  Inside holos's own build it also makes the option
# HOLOS_PLUGIN_<KIND>_<NAME>, the install component plugin-KIND-NAME, and honours
# HOLOS_STATIC_PLUGINS ("all" or a list of KIND-NAME): those are linked into
# holos-worker, and only their manifest is installed.
#
# Targets: holos-KIND-NAME, and holos-KIND-NAME-manifest (part of ALL).

include_guard(GLOBAL)
include(GNUInstallDirs)

# Where they are in holos's own tree; HolosPluginConfig.cmake says where they are installed.
if(NOT DEFINED HOLOS_PLUGIN_INCLUDE_DIR)
	set(HOLOS_PLUGIN_INCLUDE_DIR "${CMAKE_CURRENT_LIST_DIR}/../include")
	set(HOLOS_PLUGIN_MAP "${CMAKE_CURRENT_LIST_DIR}/../holos-plugin.map")
endif()
set(HOLOS_PLUGIN_ABI_MAJOR 1)
set(HOLOS_PLUGIN_PACKAGE_FORMAT "holos-plugin-%s" CACHE STRING
    "Name of the package that holds plugin %s (KIND-NAME), for messages")
set(HOLOS_STATIC_PLUGINS "" CACHE STRING
    "Plugins linked into holos-worker: \"all\" or a list of KIND-NAME")

function(_holos_plugin_flags target)
	set_target_properties(${target} PROPERTIES C_VISIBILITY_PRESET hidden
		CXX_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
	if(TARGET holos-flags)
		target_link_libraries(${target} PRIVATE holos-flags)
	endif()
	foreach(dir IN LISTS ARGN)
		target_include_directories(${target} PRIVATE "${dir}")
	endforeach()
endfunction()

function(holos_add_plugin module)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;INCLUDES")
	if(NOT module MATCHES "^(image|net|health|provision|importer)-[a-z][a-z0-9-]*$")
		message(FATAL_ERROR "holos_add_plugin: \"${module}\" is not KIND-NAME")
	endif()
	string(TOUPPER "${module}" option)
	string(REPLACE "-" "_" option "HOLOS_PLUGIN_${option}")
	option(${option} "Build the plugin ${module}" ON)
	if(NOT ${option})
		return()
	endif()

	set(target "holos-${module}")
	set(dir "${CMAKE_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR}/holos/plugins/${HOLOS_PLUGIN_ABI_MAJOR}")
	if(DEFINED HOLOS_PLUGIN_OUTPUT_DIR)
		set(dir "${HOLOS_PLUGIN_OUTPUT_DIR}")
	endif()
	set(manifest "${dir}/${target}.json")
	set(install_dir "${CMAKE_INSTALL_LIBDIR}/holos/plugins/${HOLOS_PLUGIN_ABI_MAJOR}")
	string(REPLACE "%s" "${module}" package "${HOLOS_PLUGIN_PACKAGE_FORMAT}")
	set(component "plugin-${module}")
	file(MAKE_DIRECTORY "${dir}")
	# A directory that others can write is refused, whatever the umask was.
	file(CHMOD "${dir}" DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
		GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

	if(HOLOS_STATIC_PLUGINS STREQUAL "all" OR module IN_LIST HOLOS_STATIC_PLUGINS)
		add_library(${target} OBJECT ${arg_SOURCES})
		target_link_libraries(${target} PRIVATE ${arg_LIBS})
		string(REPLACE "-" "_" symbol "${module}")
		# As in a shared object, nothing but the descriptor is seen from outside: two
		# plugins may have functions of one name.
		set(object "${CMAKE_CURRENT_BINARY_DIR}/${target}-static.o")
		add_custom_command(OUTPUT "${object}"
			COMMAND ${CMAKE_LINKER} -r -o "${object}" $<TARGET_OBJECTS:${target}>
			COMMAND ${CMAKE_OBJCOPY}
				--keep-global-symbol=holos_${symbol}_LTX_holos_plugin_v1 "${object}"
			DEPENDS $<TARGET_OBJECTS:${target}> COMMAND_EXPAND_LISTS VERBATIM)
		add_custom_target(${target}-static DEPENDS "${object}")
		add_dependencies(holos-worker ${target}-static)
		target_link_libraries(holos-worker PRIVATE "${object}" ${arg_LIBS})
		set_property(TARGET holos-worker APPEND PROPERTY HOLOS_STATIC_MODULES "X(${symbol})")
		set(what "${module}")
		set(component core) # which has the code
	else()
		add_library(${target} MODULE ${arg_SOURCES})
		set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX ".so"
			LIBRARY_OUTPUT_DIRECTORY "${dir}"
			LINK_DEPENDS "${HOLOS_PLUGIN_MAP}")
		target_link_options(${target} PRIVATE -Wl,-z,now -Wl,-z,relro
			"-Wl,--version-script=${HOLOS_PLUGIN_MAP}")
		# clang leaves the sanitizers' own symbols undefined in a shared object.
		get_directory_property(options COMPILE_OPTIONS)
		if(NOT (CMAKE_C_COMPILER_ID MATCHES "Clang"
				AND "${CMAKE_C_FLAGS} ${options} ${HOLOS_SANITIZE}" MATCHES "sanitize|address"))
			target_link_options(${target} PRIVATE -Wl,-z,defs)
		endif()
		target_link_libraries(${target} PRIVATE ${arg_LIBS})
		# The same holds for a file of umask 002.
		add_custom_command(TARGET ${target} POST_BUILD
			COMMAND chmod go-w "$<TARGET_FILE:${target}>" VERBATIM)
		if(NOT HOLOS_PLUGIN_NO_INSTALL)
			install(TARGETS ${target} LIBRARY DESTINATION "${install_dir}"
				COMPONENT "${component}")
		endif()
		set(what "$<TARGET_FILE:${target}>")
	endif()
	_holos_plugin_flags(${target} "${HOLOS_PLUGIN_INCLUDE_DIR}" ${arg_INCLUDES})

	add_custom_command(OUTPUT "${manifest}"
		COMMAND holos-worker --describe "${what}" --package "${package}"
			--output "${manifest}"
		DEPENDS ${target} holos-worker
		COMMENT "Describing plugin ${module}" VERBATIM)
	add_custom_target(${target}-manifest ALL DEPENDS "${manifest}")
	if(HOLOS_PLUGIN_NO_INSTALL)
		return()
	endif()
	install(FILES "${manifest}" DESTINATION "${install_dir}" COMPONENT "${component}")
	set_property(GLOBAL APPEND PROPERTY HOLOS_PLUGINS "${module}")
endfunction()
