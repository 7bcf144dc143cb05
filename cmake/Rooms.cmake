# The rooms of src/: one static library each, and the rules of who may include whom.
#
# deployer_room(NAME SHOWS room… USES room… LINKS target…)
#   every src/NAME/**/*.cpp becomes the library deployer_NAME. What the room SHOWS is linked PUBLIC (its headers may
#   include it), what it USES is linked PRIVATE (only its sources may). LINKS are libraries of other projects.
# deployer_headers(PREFIX room…)
#   headers of other projects whose name begins with PREFIX may be included in these rooms only.
# deployer_room_check()
#   the step that reads every include line and stops the build with a sentence; every room depends on it.

set_property(GLOBAL PROPERTY DEPLOYER_RULES "")

function(deployer_headers prefix)
  list(JOIN ARGN " " rooms)
  set_property(GLOBAL APPEND PROPERTY DEPLOYER_RULES "header ${prefix} ${rooms}")
endfunction()

function(deployer_room name)
  cmake_parse_arguments(ROOM "" "" "SHOWS;USES;LINKS" ${ARGN})
  list(JOIN ROOM_SHOWS " " shows)
  list(JOIN ROOM_USES " " uses)
  set_property(GLOBAL APPEND PROPERTY DEPLOYER_RULES "room ${name} : ${shows} : ${uses}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp ${CMAKE_SOURCE_DIR}/src/${name}/*.h)
  add_library(deployer_${name} STATIC ${sources})
  set_target_properties(deployer_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(deployer_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  foreach(room IN LISTS ROOM_SHOWS)
    target_link_libraries(deployer_${name} PUBLIC deployer_${room})
  endforeach()
  foreach(room IN LISTS ROOM_USES)
    target_link_libraries(deployer_${name} PRIVATE deployer_${room})
  endforeach()
  target_link_libraries(deployer_${name} PUBLIC ${ROOM_LINKS} PRIVATE deployer_warnings)
  add_dependencies(deployer_${name} deployer_room_check)
endfunction()

function(deployer_room_check)
  get_property(rules GLOBAL PROPERTY DEPLOYER_RULES)
  list(JOIN rules "\n" text)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/rooms.txt CONTENT "@text@\n" @ONLY)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.cpp ${CMAKE_SOURCE_DIR}/src/*.h)
  add_custom_command(
    OUTPUT ${CMAKE_BINARY_DIR}/rooms.ok
    COMMAND python3 ${CMAKE_SOURCE_DIR}/cmake/check_rooms.py ${CMAKE_BINARY_DIR}/rooms.txt ${CMAKE_SOURCE_DIR}/src
    COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/rooms.ok
    DEPENDS ${sources} ${CMAKE_SOURCE_DIR}/cmake/check_rooms.py ${CMAKE_BINARY_DIR}/rooms.txt
    COMMENT "Checking who includes whom" VERBATIM)
  add_custom_target(deployer_room_check DEPENDS ${CMAKE_BINARY_DIR}/rooms.ok)
endfunction()
