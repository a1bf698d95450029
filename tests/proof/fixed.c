/* Any numbers that the contracts allow; of floats, any but NaN. */
#include "core/fixed.h"

#include <float.h>
#include <math.h>

#include "core/wire.h"
#include "tests/proof/any.h"

static float any_number(void)
{
    const float ends[] = {-INFINITY, Frama_C_float_interval(-FLT_MAX, FLT_MAX), INFINITY};
    return ends[any_between(0, 2)];
}

int main(void)
{
    int16_t z = (int16_t)any_between(0, UINT16_MAX);
    int shift = Frama_C_interval(WIRE_SHIFT_MIN, WIRE_SHIFT_MAX);
    int fraction = Frama_C_interval(WIRE_FRACTION_MIN, WIRE_FRACTION_MAX);
    int64_t most = (INT64_C(1) << 38) - 1;
    int64_t acc = Frama_C_long_long_interval(-most, most);
    int64_t anything = Frama_C_long_long_interval(INT64_MIN, INT64_MAX);
    float value = any_number();

    fixed_saturate(anything);
    fixed_rescale(acc, shift);
    fixed_tanh(z);
    fixed_sigmoid(z);
    fixed_from_float(value, fraction);
    fixed_clips(value, fraction);
    fixed_to_float(z, fraction);
    return 0;
}
