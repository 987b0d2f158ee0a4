# SPDX-License-Identifier: Apache-2.0
#
# Scripts that run in the guest, as bytes in a C file: NAME.sh becomes
# PREFIX_NAME_sh[] (with a NUL behind it) and PREFIX_NAME_sh_len.  The leading comments
# are dropped, but for the scripts named in WHOLE.
include_guard(GLOBAL)

function(holos_guest_scripts prefix header)
	cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SCRIPTS;WHOLE")
	set(text "/* Made from the .sh files by CMake. */\n#include \"${header}\"\n")
	foreach(name IN LISTS arg_WHOLE arg_SCRIPTS)
		set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${name}.sh)
		file(READ ${name}.sh hex HEX)
		if(NOT name IN_LIST arg_WHOLE)
			# 23 is #, 0a ends a line.
			while(hex MATCHES "^23(([1-9a-f].|0[0-9b-f])*)0a")
				string(LENGTH "${CMAKE_MATCH_0}" length)
				string(SUBSTRING "${hex}" ${length} -1 hex)
			endwhile()
		endif()
		string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
		string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
		string(APPEND text "\nconst unsigned char ${prefix}_${name}_sh[] = {\n${bytes}0\n};\n"
			"const size_t ${prefix}_${name}_sh_len = sizeof(${prefix}_${name}_sh) - 1;\n")
	endforeach()
	file(CONFIGURE OUTPUT scripts.c CONTENT "${text}" @ONLY)
endfunction()
