/* gc/base/yield.c: the state of schedule perturbation. See yield.h. */
#include "gc/base/yield.h"

uint64_t gc_yield_state;
