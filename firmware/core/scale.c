#include "core/scale.h"

#include <float.h>

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");

void scale_outputs(double *layer, unsigned inputs, unsigned outputs, bool bias, const struct scale *columns)
{
    double *b = layer + outputs * inputs;
    for (unsigned j = 0; j < outputs; j++) {
        for (unsigned i = 0; i < inputs; i++)
            *layer++ *= columns[j].deviation;
        if (bias)
            b[j] = b[j] * columns[j].deviation + columns[j].mean;
    }
}

void scale_inputs(double *layer, unsigned inputs, unsigned outputs, bool bias, const struct scale *columns)
{
    double *b = layer + outputs * inputs;
    for (unsigned j = 0; j < outputs; j++) {
        double shift = 0;
        for (unsigned i = 0; i < inputs; i++, layer++) {
            *layer /= columns[i].deviation;
            shift += *layer * columns[i].mean;
        }
        if (bias)
            b[j] -= shift;
    }
}
