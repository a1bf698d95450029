/* Any numerator and any way to an input; any window of a self-test, in a buffer of the largest. */
#include "core/features.h"

#include "tests/proof/any.h"

static uint16_t window[WIRE_WINDOW_MAX];

int main(void)
{
    bool clipped;
    features_input(any_between(0, INT32_MAX), Frama_C_interval(INT32_MIN, INT32_MAX),
                   any_between(0, WIRE_FEATURE_SHIFT_MAX), Frama_C_interval(INT32_MIN, INT32_MAX), &clipped);

    features_seeded(any_between(0, UINT32_MAX), any_between(0, WIRE_CHANNELS - 1),
                    any_between(1, WIRE_WINDOW_MAX), window);
    return 0;
}
