/* core/learn.c for float32. */
#define LEARN_FLOAT32
#include "core/learn.c"
