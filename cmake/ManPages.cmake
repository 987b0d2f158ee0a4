# cmake -DHOLOS=... -DSCDOC=... -DMAN=DIR -P ManPages.cmake: the man pages of the program.
# Which pages there are, the program knows (cli/manual.c).
set(source ${MAN}/source)
file(REMOVE_RECURSE ${MAN})
file(MAKE_DIRECTORY ${source} ${MAN}/man1 ${MAN}/man5)
execute_process(COMMAND ${HOLOS} __manual ${source} COMMAND_ERROR_IS_FATAL ANY)
file(GLOB pages RELATIVE ${source} ${source}/*.scd)
foreach(page IN LISTS pages)
  string(REGEX REPLACE "\\.scd$" "" name ${page})
  string(REGEX REPLACE ".*\\." "" section ${name})
  execute_process(COMMAND ${SCDOC} INPUT_FILE ${source}/${page} OUTPUT_VARIABLE text
    COMMAND_ERROR_IS_FATAL ANY)
  # scdoc asks for paragraphs where none can be: mandoc -Tlint minds.
  string(REPLACE "\n.P\n.RE\n" "\n.RE\n.P\n" text "${text}")
  string(REGEX REPLACE "(\n[.](SH|SS|RS) [^\n]*)\n[.]P\n" "\\1\n" text "${text}")
  foreach(before .P .SH .SS .RS)
    string(REPLACE "\n.P\n${before}" "\n${before}" text "${text}")
  endforeach()
  file(WRITE ${MAN}/man${section}/${name} "${text}")
endforeach()
file(GLOB references ${source}/*.1)
file(COPY ${references} DESTINATION ${MAN}/man1)
file(REMOVE_RECURSE ${source})
