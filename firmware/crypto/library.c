/* The library itself, in builds other than PlatformIO's, which has it by lib_deps. Included, so that the compiler takes
 * it for a system's header, which is not held to our warnings. */
#include <monocypher.c>
